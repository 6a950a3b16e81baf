"""Table of fitted attributes: type, shape and range, against which a loaded model is checked.

A shape is written as its axes, ``"layers 2*pairs freqs"``: equal names are equal sizes, and the
first row with a name sets its size. Sizes are at least 1, except for names that end in ``?``.
Alternatives are separated by ``|``.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .messages import shown

WAY_OUT = (
    "The stored model is damaged, or was edited or made by something else: load another copy of "
    "it, or fit it again."
)


class Invariant(NamedTuple):
    """A fitted attribute, and the conditions that it meets.

    Parameters
    ----------
    name : str
        Name of the attribute; ``"name['key']"`` for an item of a dict.
    shape : str or None, default=None
        Shape of an array of float32 or float64, as described above; None for a number.
    low, high : float
        Inclusive bounds of all entries; all are finite.
    positive : bool, default=False
        Whether entries are > 0.
    whole : bool, default=False
        Whether the number is a whole number.
    axis : str, default=""
        The name in shapes of the axis whose size is this number.
    """

    name: str
    shape: str | None = None
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    whole: bool = False
    axis: str = ""


def check_invariants(
    owner: str, values: Mapping[str, Any], invariants: Iterable[Invariant]
) -> None:
    """Check the fitted attributes of a model.

    Parameters
    ----------
    owner : str
        The model's class, for messages.
    values : mapping
        Attributes by name.
    invariants : iterable of Invariant
        One for each attribute that must exist.

    Raises
    ------
    ValueError
        If an attribute violates its invariant; names the first one.

    Examples
    --------
    >>> rows = [Invariant("n_", whole=True, axis="freqs"), Invariant("W_", "any freqs", low=0.0)]
    >>> check_invariants("Model", {"n_": 3, "W_": np.ones((2, 3))}, rows)
    >>> check_invariants("Model", {"n_": 3, "W_": np.ones((3, 2))}, rows)
    Traceback (most recent call last):
    ...
    ValueError: `W_` of the loaded Model must have shape (any, freqs=3); got (3, 2). The stored ...
    """
    sizes: dict[str, int] = {}
    for row in invariants:
        if row.name not in values:
            refuse(owner, row.name, "be there", "nothing of that name")
        check = _check_number if row.shape is None else _check_array
        check(owner, row, values[row.name], sizes)


def refuse(owner: str, name: str, wants: str, got: str) -> NoReturn:
    """Raise the ``ValueError`` of a fitted attribute that violates its invariant."""
    raise ValueError(f"`{name}` of the loaded {owner} must {wants}; got {got}. {WAY_OUT}")


def _check_number(owner, row, value, sizes):
    kind = numbers.Integral if row.whole else numbers.Real
    wants = f"be a {'whole' if row.whole else 'finite'} number{_bounds(row)}"
    is_number = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    if not is_number or not _is_finite(value) or not _within(row, value, value):
        refuse(owner, row.name, wants, shown(value))
    if row.axis:
        sizes[row.axis] = int(value)


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_array(owner, row, value, sizes):
    if not isinstance(value, (np.ndarray, np.generic)):
        refuse(owner, row.name, "be an array", type(value).__name__)
    if value.dtype not in (np.float32, np.float64) or not value.dtype.isnative:
        refuse(owner, row.name, "have the dtype float32 or float64", str(value.dtype))
    shapes = row.shape.split("|")
    if not any(_unify(shape.split(), value.shape, sizes) for shape in shapes):
        wants = " or ".join(_described(shape.split(), sizes) for shape in shapes)
        refuse(owner, row.name, f"have shape {wants}", str(value.shape))
    if value.size == 0:
        return
    # Both are NaN where one entry is: no array of booleans is made.
    low, high = float(value.min()), float(value.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        refuse(owner, row.name, "be finite", "NaN or infinity")
    if not _within(row, low, high):
        refuse(owner, row.name, f"have entries{_bounds(row)}", f"{low:.6g} to {high:.6g}")


def _within(row, low, high):
    return row.low <= low and high <= row.high and (low > 0 or not row.positive)


def _bounds(row):
    bounds = ["> 0"] * row.positive + [f">= {row.low:g}"] * (row.low > -math.inf)
    bounds += [f"<= {row.high:g}"] * (row.high < math.inf)
    return " " + " and ".join(bounds) if bounds else ""


def _unify(axes, shape, sizes):
    """Whether a shape has these axes; if so, add the sizes that it sets to `sizes`."""
    if len(axes) != len(shape):
        return False
    found = dict(sizes)
    for axis, size in zip(axes, shape, strict=True):
        factor, name = _parsed(axis)
        if not name:
            if size != factor:
                return False
            continue
        count, rest = divmod(size, factor)
        if rest or found.setdefault(name, count) != count or (count == 0 and name[-1] != "?"):
            return False
    sizes.update(found)
    return True


def _parsed(axis):
    """Split ``"2*pairs"`` into factor and name; a bare number has no name."""
    if axis.isdigit():
        return int(axis), ""
    factor, _, name = axis.rpartition("*")
    return int(factor or 1), name


def _described(axes, sizes):
    parts = []
    for axis in axes:
        factor, name = _parsed(axis)
        known = f"={factor * sizes[name]}" if name in sizes else ""
        parts.append(axis.replace("?", "") + known)
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
