"""Check the values of a fitted model from which training resumes."""

from __future__ import annotations

from sknmf_unfold.validation.messages import shown


def suited_values(values, n_layers, n_gru_units, recipe):
    """Make the values that training goes on from.

    Parameters
    ----------
    values : dict of Tensor
        What `networks.drnmf.DRNMF` takes, of the fitted model.
    n_layers : int
    n_gru_units : int
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
    if len(values["gru_evidence"]) != n_gru_units:
        raise _refusal("n_gru_units", n_gru_units, len(values["gru_evidence"]))
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


def check_same_level(level_frames, fitted):
    """Raise unless a fitted model has a running level of so many frames.

    Parameters
    ----------
    level_frames : int
        Of the recipe or the parameter.
    fitted : int
        Of the fitted model.

    Raises
    ------
    ValueError
        If they differ.
    """
    if level_frames != fitted:
        raise _refusal("level_frames", level_frames, fitted)


def _refusal(name, value, fitted, way_out=""):
    return ValueError(
        f"`{name}` is {shown(value)}, but the fitted model has {fitted}; training cannot go on "
        f"from it.{way_out}"
    )
