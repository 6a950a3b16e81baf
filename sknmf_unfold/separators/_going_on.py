"""What DR-NMF goes on from: the values of a fitted model, where the parameters suit it."""

from __future__ import annotations

from sknmf_unfold._messages import shown


def level_decay(level_frames):
    """Compute what is left of the weight of a frame in a running level one frame later.

    Parameters
    ----------
    level_frames : int or None
        How many frames the level is of; None where there is no level.

    Returns
    -------
    decay : float
        0 where there is no level.

    Examples
    --------
    >>> level_decay(4)
    0.75
    """
    return 0.0 if level_frames is None else 1 - 1 / level_frames


def suited_values(values, n_layers, level_frames, gated_units, recipe):
    """Make the values that training goes on from.

    Parameters
    ----------
    values : dict of Tensor
        What `networks.drnmf.DRNMF` takes, of the fitted model.
    n_layers : int
    level_frames : int or None
    gated_units : int
        Parameters of the separator.
    recipe : dict
        Its ``context``, ``evidence`` and ``dynamics``.

    Returns
    -------
    values : dict of Tensor
        The same, with what the recipe adds: evidence that says nothing yet, and a matrix for
        diagonal dynamics.

    Raises
    ------
    ValueError
        If the model is not what the parameters describe and cannot become it.
    """
    n_fitted, n_components, context = values["envelopes"].shape
    if n_fitted != n_layers:
        raise _refusal("n_layers", n_layers, f"{n_fitted} layers")
    if context != recipe["context"]:
        raise _refusal("context", recipe["context"], context)
    _check_level(values, level_frames)
    if len(values["gated_evidence"]) != gated_units:
        raise _refusal("gated_units", gated_units, len(values["gated_evidence"]))
    has_evidence, dynamics = len(values["evidence"]) > 0, values["dynamics"]
    if has_evidence and not recipe["evidence"]:
        raise _refusal("evidence", False, "evidence", " Use evidence=True.")
    if dynamics.ndim == 2 and recipe["dynamics"] != "full":
        fitted, way_out = "a matrix of dynamics", " Use dynamics='full'."
        raise _refusal("dynamics", recipe["dynamics"], fitted, way_out)
    added = {}
    if recipe["evidence"] and not has_evidence:
        added["evidence"] = values["evidence"].new_zeros(n_components, values["evidence"].shape[1])
    if recipe["dynamics"] == "full" and dynamics.ndim == 1:
        added["dynamics"] = dynamics.diag()
    return values | added


def _check_level(values, level_frames):
    level, decay = values["level"], values["level_decay"]
    # Of many frames the decay is rounded, so that it does not tell how many they were.
    wanted = decay.new_tensor(level_decay(level_frames))
    if (level > 0) != (level_frames is not None) or decay != wanted:
        fitted = f"{1 / max(1 - float(decay), 1e-9):.4g}" if level > 0 else None
        raise _refusal("level_frames", level_frames, fitted)


def _refusal(name, value, fitted, way_out=""):
    return ValueError(
        f"`{name}` is {shown(value)}, but the fitted model has {fitted}; training cannot go on "
        f"from it.{way_out}"
    )
