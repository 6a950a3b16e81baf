"""``transform`` and ``inverse_transform`` of `SparseNMF` on Dask arrays: lazy, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_a_product
from sknmf_unfold.validation.dask_arrays import (
    as_rows,
    check_chunk,
    check_chunks,
    check_dask_array,
    float_dtype,
    measure_chunk,
)
from sknmf_unfold.validation.tables import check_activations

from .dask_fit import choose_dask_solver
from .dask_passes import aligned
from .problem import Problem, Stopping
from .settings import check_settings


def transform_dask(nmf: Any, X: Any) -> Any:
    """Infer the activations of a Dask array when they are computed.

    Parameters
    ----------
    nmf : SparseNMF
        Fitted.
    X : dask.array.Array of shape (n_frames, n_freqs)

    Returns
    -------
    activations : dask.array.Array of shape (n_frames, n_components)

    Raises
    ------
    ValueError, TypeError
        If a parameter or the array is not as `SparseNMF` describes it; for magnitudes when they are
        computed.
    """
    checked = check_settings(nmf)
    solver = choose_dask_solver(nmf, checked)
    dtype = check_dask_array(nmf, X, reset=False)
    _refuse_containers(nmf)
    call = {
        "infer": solver.infer,
        "problem": Problem(checked.beta, checked.sparsity),
        "stopping": Stopping(checked.max_iter, checked.transform_tol),
        "estimator": type(nmf).__name__,
    }
    return _map_rows(_infer, X, nmf._components(dtype), len(nmf.components_), **call)


def inverse_transform_dask(nmf: Any, X: Any) -> Any:
    """Compute magnitudes of a Dask array of activations when they are computed.

    Parameters
    ----------
    nmf : SparseNMF
        Fitted.
    X : dask.array.Array of shape (n_frames, n_components)

    Returns
    -------
    magnitudes : dask.array.Array of shape (n_frames, n_freqs)

    Raises
    ------
    ValueError, TypeError
        If the array does not have one column for each component, or no numbers.
    """
    n_components = len(nmf.components_)
    if X.ndim != 2 or X.shape[1] != n_components:
        raise ValueError(
            f"X must have the shape (n_frames, {n_components}), a column for each component; got a "
            f"Dask array of shape {X.shape}."
        )
    check_chunks(X, "X")
    W = nmf._components(np.dtype(np.float64) if X.dtype == object else float_dtype(X, "X"))
    return _map_rows(_synthesize, X, W, W.shape[1])


def _refuse_containers(nmf):
    container = nmf._container()
    if container != "default":
        raise ValueError(
            f"The result for a Dask array is a Dask array, but set_output has chosen {container} "
            f"DataFrames, which are in memory; call set_output(transform='default'). "
            f"dask.dataframe.from_dask_array(activations, columns=nmf.get_feature_names_out()) "
            f"makes a Dask DataFrame of it."
        )


def _map_rows(function, X, W, n_columns, **settings):
    """Call a function for each chunk and the components W."""
    import dask

    # A task of its own, so that it is sent once and not with each chunk.
    sent = dask.delayed(W, pure=True)
    settings |= {"chunks": (X.chunks[0], (n_columns,)), "dtype": W.dtype}
    return X.map_blocks(function, sent, **settings, meta=np.empty((0, 0), W.dtype))


@default_settings()
@one_thread_a_product()
def _infer(chunk, W, infer, problem, stopping, estimator, block_info=None):
    index, start = _place(block_info)
    x = as_rows(chunk, W.dtype, W.shape[1], f"Chunk {index} of X")
    check_chunk(measure_chunk(x), index, start, W.dtype, estimator)
    return infer(aligned(x), aligned(W), problem, stopping)


@default_settings()
@one_thread_a_product()
def _synthesize(chunk, W, block_info=None):
    activations = as_rows(chunk, W.dtype, len(W), f"Chunk {_place(block_info)[0]} of X")
    if len(activations):
        activations = check_activations(activations, "X", len(W))
    return activations @ W


def _place(block_info):
    """Return the index of a chunk, and that of its first row."""
    return block_info[0]["chunk-location"][0], block_info[0]["array-location"][0][0]
