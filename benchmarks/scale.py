"""Training and factorisation beyond one process, and beyond the memory: ratios.

    python -m benchmarks.scale | tee docs/scaling_tables.txt

It prints one table each for: memory and waiting of ``fit`` on files (``memory``), SparseNMF on Dask
arrays (``dask``), a grid search on Dask workers (``search``), training in two processes
(``ranks``), threads inside workers (``threads``), and the parts of training with a model of an
epoch on a cluster (``model``). Ratios are to one worker or process, or to the same work in memory,
in the same run. Run it on idle cores.
"""

from __future__ import annotations

import argparse
import importlib

from benchmarks import scale_model, scale_parts
from benchmarks._environment import environment, print_environment

# Tables in the order of the run, by the module that measures each.
TABLES = {
    "memory": "scale_memory",
    "dask": "scale_dask",
    "search": "scale_search",
    "ranks": "scale_ranks",
    "threads": "scale_threads",
}


def model_table(quick=False):
    """Measure the parts of training, and predict an epoch from them."""
    parts = scale_parts.measure(quick)
    return f"{scale_parts.describe(parts)}\n\n{scale_model.describe(parts)}"


def table_of(name, quick=False):
    """Measure one of the tables."""
    if name == "model":
        return model_table(quick)
    return importlib.import_module(f"benchmarks.{TABLES[name]}").table(quick)


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    names = (*TABLES, "model")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="TABLE")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the command")
    args = parser.parse_args(arguments)
    print_environment(environment(0))
    for name in args.parts:
        print(f"\n{name}\n{table_of(name, args.quick)}", flush=True)


if __name__ == "__main__":
    main()
