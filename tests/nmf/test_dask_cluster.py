"""`SparseNMF` on a real cluster of processes: the result does not depend on the workers."""

import json

import dask
import numpy as np
import pytest

from tests._bounded_python import run_python
from tests.nmf import dask_child

CHILD = dask_child.__file__
FORK_SERVER = {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}

pytestmark = pytest.mark.slow


def run(command, argument=""):
    """Result of a child."""
    output = run_python("-W", "error", CHILD, command, argument, **FORK_SERVER)
    return json.loads(output.splitlines()[-1])


@pytest.fixture(scope="module")
def expected():
    """Models of the same chunks, without a cluster."""
    with dask.config.set(scheduler="synchronous"):
        X = dask_child.array()
        return [dask_child.nmf(beta).fit(X) for beta in dask_child.BETAS]


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_the_number_of_workers_does_not_change_the_result(n_workers, expected):
    result = run("workers", n_workers)
    X = dask_child.frames()
    for components, activations, nmf in zip(
        result["components"], result["activations"], expected, strict=True
    ):
        np.testing.assert_array_equal(components, nmf.components_)
        np.testing.assert_allclose(activations, nmf.transform(X).sum(axis=0), rtol=1e-3)
    # Neither frames nor activations are gathered, but for the part that the first steps are on.
    assert result["largest"] <= X.nbytes / 8 < X.nbytes / 5


def test_workers_in_threads_give_the_same_result(expected):
    result = run("threads")
    for components, nmf in zip(result["components"], expected, strict=True):
        np.testing.assert_array_equal(components, nmf.components_)


@pytest.mark.parametrize("beta", dask_child.BETAS)
def test_a_killed_worker_costs_time_and_not_the_result(beta):
    result = run("kill", beta)
    assert result["killed"]
    assert result["components"] == result["undisturbed"]
    assert result["curve"] == result["undisturbed curve"]


def test_an_error_in_a_worker_names_the_chunk():
    for message in run("bad")["messages"]:
        assert message.startswith("Input X contains NaN. The first is in chunk 2, frame 220 of it ")
