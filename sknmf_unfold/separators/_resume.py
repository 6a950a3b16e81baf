"""Refusals to resume training from a fitted model that the parameters do not describe."""

from __future__ import annotations

from sknmf_unfold.validation.messages import shown


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
        raise refuse_to_resume("level_frames", level_frames, fitted)


def refuse_to_resume(name: str, value: object, fitted: object, way_out: str = "") -> ValueError:
    """Make the error for a parameter that is not that of the fitted model.

    Parameters
    ----------
    name : str
    value : object
        The parameter, and what the user passed.
    fitted : object
        What the fitted model has.
    way_out : str, default=""
        What to do about it.

    Returns
    -------
    error : ValueError
    """
    return ValueError(
        f"`{name}` is {shown(value)}, but the fitted model has {fitted}; training cannot resume "
        f"from it.{way_out}"
    )
