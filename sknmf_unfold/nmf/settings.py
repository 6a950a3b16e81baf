"""What a `SparseNMF` is asked for by its parameters."""

from __future__ import annotations

from sknmf_unfold._arrays import resolve_device
from sknmf_unfold._checks import check_choice, check_number, check_verbose

from .divergence import check_beta

SOLVERS = ("auto", "mu", "cd")


def check_settings(nmf):
    """Check parameters that do not depend on data.

    Parameters
    ----------
    nmf : SparseNMF

    Returns
    -------
    beta : float
        Its divergence.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as `SparseNMF` describes it.
    """
    check_number("n_components", nmf.n_components, low=1, integer=True)
    check_number("sparsity", nmf.sparsity, low=0)
    check_number("max_iter", nmf.max_iter, low=1, integer=True)
    check_number("tol", nmf.tol, low=0)
    check_number("transform_tol", nmf.transform_tol, low=0)
    check_verbose(nmf.verbose)
    if nmf.max_frames is not None:
        check_number("max_frames", nmf.max_frames, low=1, integer=True)
    check_choice("solver", nmf.solver, SOLVERS)
    if nmf.batch_size is not None and nmf.batch_size != "auto":
        check_number("batch_size", nmf.batch_size, low=1, integer=True)
    beta = check_beta(nmf.beta_loss)
    if nmf.solver == "cd" and beta != 2:
        raise ValueError(
            f"`solver`='cd' minimises beta_loss='frobenius' only; got "
            f"beta_loss={nmf.beta_loss!r}. Use solver='mu'."
        )
    return beta


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
    if nmf.solver == "cd" or nmf.batch_size not in ("auto", None):
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
    if n_fixed + nmf.n_components != len(nmf.components_):
        raise ValueError(
            f"n_components={nmf.n_components} and {n_fixed} fixed ones are wanted, but "
            f"{len(nmf.components_)} have been learned; clone the estimator to begin anew."
        )
    return n_fixed
