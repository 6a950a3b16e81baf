"""Descriptions of what a fit depends on: the same in every process."""

from __future__ import annotations

import copyreg
import hashlib
import pickle
from types import FunctionType, ModuleType

import numpy as np

HASHED = "#"
PLAIN = (str, bytes, bool, int, float, complex, type(None), type(Ellipsis))


def describe(value: object) -> str:
    """Describe what a fit depends on in a short string, the same in every process.

    Parameters
    ----------
    value : object
        A plain value, or anything that can be pickled: arrays, estimators, distributions, random
        generators. Functions count by their name and code.

    Returns
    -------
    description : str
        The value itself where it is plain, else a hash of its content.

    Raises
    ------
    TypeError
        If it holds something that means nothing to another process, such as an open file.

    Examples
    --------
    >>> describe("auto"), describe(0.5)
    ("'auto'", '0.5')
    >>> describe([1, 2]) == describe([1, 2]) != describe([2, 1])
    True
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    try:
        return HASHED + _digest(value, ()).hex()[:32]
    except (AttributeError, TypeError, pickle.PicklingError, RecursionError) as error:
        kind = type(value).__name__
        raise TypeError(f"a {kind} that other processes cannot recognise: {error}") from error


def _digest(value, above):
    """Hash a value by those of its parts; `above` has the ids of what it is a part of."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN) and type(value) in PLAIN:
        return _hash(type(value).__name__, repr(value).encode())
    if id(value) in above:
        return _hash("above", str(above[::-1].index(id(value))).encode())
    above = (*above, id(value))
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return _hash(f"array {value.dtype!r} {value.shape}", content)
    kind, ordered, unordered = _parts(value)
    digests = [_digest(part, above) for part in ordered]
    return _hash(kind, *digests, *sorted(_digest(part, above) for part in unordered))


def _parts(value):
    """Take a value apart: its kind, parts in an order, and parts whose order means nothing."""
    if type(value) in (list, tuple):
        return type(value).__name__, value, ()
    if type(value) in (set, frozenset):
        return type(value).__name__, (), value
    if type(value) is dict:
        return "dict", (), list(value.items())
    if isinstance(value, type):
        return "class", (value.__module__, value.__qualname__), ()
    if isinstance(value, ModuleType):
        return "module", (value.__name__,), ()
    if isinstance(value, np.ndarray):
        return "array", (value.shape, value.tolist()), ()
    if isinstance(value, np.random.RandomState):
        # Beside its state a pickle has what the state once came from.
        return "RandomState", (value.get_state(legacy=False),), ()
    if isinstance(value, np.random.Generator):
        return "Generator", (value.bit_generator.state,), ()
    if isinstance(value, FunctionType):
        return "function", _parts_of_function(value), ()
    return _parts_of_object(value)


def _parts_of_function(function):
    code, cells = function.__code__, function.__closure__ or ()
    closure = [cell.cell_contents for cell in cells]
    named = (function.__module__, function.__qualname__, code.co_code, code.co_names)
    # Functions inside it are constants of its code, whose own code says less than their names.
    constants = [x.co_code if hasattr(x, "co_code") else x for x in code.co_consts]
    return (*named, constants, closure, function.__defaults__, function.__kwdefaults__)


def _parts_of_object(value):
    """Take an object apart as a pickle would."""
    reduce = copyreg.dispatch_table.get(type(value))
    reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
    if isinstance(reduced, str):
        return "global", (getattr(value, "__module__", None), reduced), ()
    make, arguments, state, items, pairs = (*reduced[:5], None, None, None)[:5]
    if isinstance(state, dict) and callable(getattr(value, "rvs", None)):
        # A distribution is passed a generator whenever it draws; its own is that of the process.
        state = {name: part for name, part in state.items() if name != "_random_state"}
    ordered = (make, arguments, state, *([] if items is None else items))
    return "object", ordered, [] if pairs is None else list(pairs)


def _hash(kind, *parts):
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(part)
    return digest.digest()
