"""Validation of the parameters of `SparseNMF`, and the choice of a row of `solvers`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sknmf_unfold.base.tensors import resolve_device
from sknmf_unfold.validation.options import check_choice, check_verbose
from sknmf_unfold.validation.parameters import (
    MAX_COMPONENTS,
    MAX_WEIGHT,
    check_number,
    check_size,
    check_sparsity,
)
from sknmf_unfold.validation.tables import check_components

from .divergence import check_beta
from .solvers import SOLVER_NAMES, Solver, find_solver, solver_for
from .sparse_frames import SPARSE_BETAS


class Settings(NamedTuple):
    """The parameters of a `SparseNMF` that do not depend on data, as plain numbers.

    Parameters
    ----------
    n_components : int, "auto" or None
    beta, sparsity : float
    max_iter : int
    tol, transform_tol : float
    max_frames : int or None
    batch_size : int, "auto" or None
        See `SparseNMF`; `beta` is the number of `beta_loss`.
    """

    n_components: int | str | None
    beta: float
    sparsity: float
    max_iter: int
    tol: float
    transform_tol: float
    max_frames: int | None
    batch_size: int | str | None


def check_settings(nmf: Any) -> Settings:
    """Check parameters that do not depend on data.

    Parameters
    ----------
    nmf : SparseNMF

    Returns
    -------
    settings : Settings

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as `SparseNMF` describes it.
    """
    n_components = _check_n_components(nmf.n_components)
    sparsity = check_sparsity(nmf.sparsity)
    max_iter = check_number("max_iter", nmf.max_iter, low=1, integer=True)
    tol, transform_tol = check_tol("tol", nmf.tol), check_tol("transform_tol", nmf.transform_tol)
    check_verbose(nmf.verbose)
    check_choice("solver", nmf.solver, SOLVER_NAMES)
    beta = check_beta(nmf.beta_loss)
    # Refused here if it minimises another divergence only.
    solver_for(nmf.solver, beta)
    max_frames, batch_size = check_max_frames(nmf.max_frames), _check_batch_size(nmf.batch_size)
    return Settings(
        n_components, beta, sparsity, max_iter, tol, transform_tol, max_frames, batch_size
    )


def _check_n_components(n_components):
    if n_components is None or _is_named(n_components, "auto"):
        return n_components
    return check_size("n_components", n_components, high=MAX_COMPONENTS)


def count_learned(nmf: Any, n_freqs: int) -> int:
    """Count the components to learn.

    Parameters
    ----------
    nmf : SparseNMF
        With an `n_components` that `check_settings` accepts.
    n_freqs : int
        Number of bins, which ``None`` and ``"auto"`` stand for; with an array as `init`, ``"auto"``
        stands for the number of its rows.

    Returns
    -------
    n_components : int
    """
    n_components = nmf.n_components
    if _is_named(n_components, "auto") and not isinstance(nmf.init, str):
        n_components = len(check_components("init", nmf.init, n_freqs))
    elif n_components is None or _is_named(n_components, "auto"):
        n_components = n_freqs
    return check_size("n_components", n_components, high=MAX_COMPONENTS)


def check_tol(name: str, tol: object) -> float:
    """Check a tolerance.

    Parameters
    ----------
    name : str
        Of the parameter, for the message.
    tol : object
        The user's value.

    Returns
    -------
    tol : float

    Raises
    ------
    TypeError, ValueError
        If it is not a number >= 0.
    """
    check_number(name, tol, low=0)
    return check_number(name, tol, high=MAX_WEIGHT)


def check_max_frames(max_frames: object) -> int | None:
    """Check the largest number of frames to learn from.

    Parameters
    ----------
    max_frames : object
        The user's value.

    Returns
    -------
    max_frames : int or None

    Raises
    ------
    TypeError, ValueError
        If it is neither None nor a whole number >= 1.
    """
    if max_frames is None:
        return None
    return check_number("max_frames", max_frames, low=1, integer=True)


def _check_batch_size(batch_size):
    if batch_size is None or _is_named(batch_size, "auto"):
        return batch_size
    return check_number("batch_size", batch_size, low=1, integer=True)


def choose_solver(
    nmf: Any,
    settings: Settings,
    *,
    in_batches: bool = False,
    fall_back: bool = False,
    sparse: bool = False,
) -> tuple[Solver, object]:
    """Choose solver and device where the parameters leave them open.

    Parameters
    ----------
    nmf : SparseNMF
    settings : Settings
        Its checked parameters.
    in_batches : bool, default=False
        Whether to learn from batches.
    fall_back : bool, default=False
        Whether a missing GPU means the CPU instead of an error.
    sparse : bool, default=False
        Whether the data are sparse, which is for the CPU and the divergences of `SPARSE_BETAS`.

    Returns
    -------
    solver : Solver
    device : torch.device or None
        None for the CPU, where numpy computes.

    Raises
    ------
    ValueError
        If there is no such device, or no such solver for it.
    """
    if sparse and settings.beta not in SPARSE_BETAS:
        raise ValueError(
            f"X is sparse, but `beta_loss`={nmf.beta_loss!r} needs all entries of the "
            f"approximation, also where X is 0; use beta_loss='frobenius' or 'kullback-leibler', "
            f"or pass X.toarray()."
        )
    device = torch_device(nmf.device, fall_back)
    if sparse and device is not None and not _is_named(nmf.device, "auto"):
        raise ValueError(
            f"X is sparse, which `device`={nmf.device!r} cannot compute with; use device='cpu', or "
            f"pass X.toarray()."
        )
    if device is not None and not sparse:
        solver = find_solver(nmf.solver, settings.beta, on_device=True, in_batches=in_batches)
        if solver is not None:
            return solver, device
        if not _is_named(nmf.device, "auto"):
            raise ValueError(
                f"`device`={nmf.device!r} has multiplicative updates of all frames at once only; "
                f"got solver={nmf.solver!r}{' and batches' if in_batches else ''}. Use "
                f"device='cpu'."
            )
    return solver_for(nmf.solver, settings.beta, in_batches=in_batches), None


def torch_device(device: object, fall_back: bool) -> object:
    """Find the device that torch computes on.

    Parameters
    ----------
    device : object
        The user's value.
    fall_back : bool
        Whether a missing GPU means the CPU instead of an error.

    Returns
    -------
    device : torch.device or None
        None for the CPU, where numpy computes.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    # torch is not loaded for the default.
    resolved = None if _is_named(device, "cpu") else resolve_device(device, fall_back)
    return None if resolved is None or resolved.type == "cpu" else resolved


def _is_named(device, name):
    return isinstance(device, str) and device == name


def n_fixed_of(nmf: Any) -> int:
    """Count the fixed components of a fitted `SparseNMF`.

    Parameters
    ----------
    nmf : SparseNMF

    Returns
    -------
    n_fixed : int

    Raises
    ------
    ValueError
        If its parameters give another number of components than it has learned.
    """
    n_fixed = 0 if nmf.fixed_components is None else len(np.asarray(nmf.fixed_components))
    n_learned = count_learned(nmf, nmf.components_.shape[1])
    if n_fixed + n_learned != len(nmf.components_):
        raise ValueError(
            f"n_components={n_learned} and {n_fixed} fixed ones are wanted, but "
            f"{len(nmf.components_)} have been learned; clone the estimator to start again."
        )
    return n_fixed
