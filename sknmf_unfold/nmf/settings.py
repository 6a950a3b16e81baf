"""Validate the parameters of `SparseNMF`."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

from sknmf_unfold.base.tensors import resolve_device
from sknmf_unfold.validation.fitted import Invariant, refuse
from sknmf_unfold.validation.options import check_choice, check_verbose
from sknmf_unfold.validation.parameters import (
    MAX_COMPONENTS,
    MAX_WEIGHT,
    check_number,
    check_size,
    check_sparsity,
)

from .divergence import check_beta

SOLVERS = ("auto", "mu", "cd")
# What a fit leaves, see `_fitted`.
FITTED = (
    Invariant("n_features_in_", whole=True, low=1, axis="freqs"),
    Invariant("components_", "components freqs", low=0.0),
    Invariant("reconstruction_err_", low=0.0),
    Invariant("n_iter_", whole=True, low=0),
    Invariant("n_frames_seen_", whole=True, low=0),
)
# The same of statistics of batches, for beta = 2 and for other divergences.
SQUARED = (
    Invariant("_statistics['products']", "components freqs", low=0.0),
    Invariant("_statistics['gram']", "components components", low=0.0),
)
OTHERS = (
    Invariant("_statistics['negative']", "components freqs", low=0.0),
    Invariant("_statistics['positive']", "components freqs", low=0.0),
)
COUNT = Invariant("_statistics['n_frames']", whole=True, low=0)


class Settings(NamedTuple):
    """The parameters of a `SparseNMF` that do not depend on data, as plain numbers.

    Parameters
    ----------
    n_components : int
    beta, sparsity : float
    max_iter : int
    tol, transform_tol : float
    max_frames : int or None
    batch_size : int, "auto" or None
        See `SparseNMF`; `beta` is what `beta_loss` stands for.
    """

    n_components: int
    beta: float
    sparsity: float
    max_iter: int
    tol: float
    transform_tol: float
    max_frames: int | None
    batch_size: int | str | None


def check_settings(nmf):
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
    n_components = check_size("n_components", nmf.n_components, high=MAX_COMPONENTS)
    sparsity = check_sparsity(nmf.sparsity)
    max_iter = check_number("max_iter", nmf.max_iter, low=1, integer=True)
    tol, transform_tol = check_tol("tol", nmf.tol), check_tol("transform_tol", nmf.transform_tol)
    check_verbose(nmf.verbose)
    check_choice("solver", nmf.solver, SOLVERS)
    beta = check_beta(nmf.beta_loss)
    if nmf.solver == "cd" and beta != 2:
        raise ValueError(
            f"`solver`='cd' minimises beta_loss='frobenius' only; got "
            f"beta_loss={nmf.beta_loss!r}. Use solver='mu'."
        )
    max_frames, batch_size = check_max_frames(nmf.max_frames), _check_batch_size(nmf.batch_size)
    return Settings(
        n_components, beta, sparsity, max_iter, tol, transform_tol, max_frames, batch_size
    )


def check_tol(name, tol):
    """Check a tolerance.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    tol : object
        What the user passed.

    Returns
    -------
    tol : float

    Raises
    ------
    TypeError, ValueError
        If it is no number >= 0.
    """
    check_number(name, tol, low=0)
    return check_number(name, tol, high=MAX_WEIGHT)


def check_max_frames(max_frames):
    """Check the bound of the frames that are learned from.

    Parameters
    ----------
    max_frames : object
        What the user passed.

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
    if batch_size is None or (isinstance(batch_size, str) and batch_size == "auto"):
        return batch_size
    return check_number("batch_size", batch_size, low=1, integer=True)


def invariants(nmf):
    """Make the table of the fitted attributes of a `SparseNMF`.

    Parameters
    ----------
    nmf : SparseNMF
        Fitted, but possibly damaged.

    Returns
    -------
    invariants : tuple of Invariant
    """
    statistics = vars(nmf).get("_statistics")
    n_iter = vars(nmf).get("n_iter_")
    n_values = (n_iter if isinstance(n_iter, Integral) else 0) + (statistics is None)
    fitted = (*FITTED, Invariant("objective_curve_", str(n_values)))
    if statistics is None:
        return fitted
    if not isinstance(statistics, dict):
        refuse(type(nmf).__name__, "_statistics", "be a dict or None", type(statistics).__name__)
    is_squared = "products" in statistics or "gram" in statistics
    return (*fitted, COUNT, *(SQUARED if is_squared else OTHERS))


def torch_device(nmf, fall_back=False):
    """Find the device that torch computes on.

    Parameters
    ----------
    nmf : SparseNMF
    fall_back : bool, default=False
        Whether a GPU that is not there means the CPU instead of an error.

    Returns
    -------
    device : torch.device or None
        None for the CPU, where numpy computes.

    Raises
    ------
    ValueError
        If there is no such device, or nothing of what `nmf` asks for is done on it.
    """
    # torch is not loaded for the default.
    is_default = isinstance(nmf.device, str) and nmf.device == "cpu"
    device = None if is_default else resolve_device(nmf.device, fall_back)
    if device is None or device.type == "cpu":
        return None
    in_batches = _check_batch_size(nmf.batch_size) not in ("auto", None)
    if nmf.solver == "cd" or in_batches:
        raise ValueError(
            f"`device`={nmf.device!r} has multiplicative updates of all frames at once only; "
            f"got solver={nmf.solver!r}, batch_size={nmf.batch_size!r}."
        )
    return device


def solver_of(nmf, beta, device):
    """Choose the solver where `nmf` leaves it open.

    Parameters
    ----------
    nmf : SparseNMF
    beta : float
    device : torch.device or None

    Returns
    -------
    solver : {"mu", "cd"}
    """
    best = "cd" if beta == 2 and device is None else "mu"
    return best if nmf.solver == "auto" else nmf.solver


def n_fixed_of(nmf):
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
        If its parameters ask for another number of components than it has learned.
    """
    n_fixed = 0 if nmf.fixed_components is None else len(nmf.fixed_components)
    if n_fixed + int(nmf.n_components) != len(nmf.components_):
        raise ValueError(
            f"n_components={nmf.n_components} and {n_fixed} fixed ones are wanted, but "
            f"{len(nmf.components_)} have been learned; clone the estimator to begin anew."
        )
    return n_fixed
