"""Fingerprints of parameters and data, by which a fit recognises its checkpoint.

They are the same in every process: a hash of the content, never of an address. A function counts by
its module, name and code, with the values that it closes over; an object by its class and state,
and by the code of its ``__call__``. Functions that are called from there are not looked at. A
recording in a file counts by path, size and time of the last change.
"""

from __future__ import annotations

import copyreg
import hashlib
import pickle
from types import CodeType, FunctionType, ModuleType

import numpy as np
import torch

from sknmf_unfold.validation.lazy import is_lazy

# The first character of fingerprints that are hashes.
HASHED = "#"
PLAIN_TYPES = (str, bytes, bool, int, float, complex, type(None), type(Ellipsis))


def fingerprint(value: object) -> str:
    """Describe a value in a short string, the same in every process.

    Parameters
    ----------
    value : object
        A plain value, a function, or anything that can be pickled: arrays, estimators,
        distributions, random generators.

    Returns
    -------
    fingerprint : str
        The value itself where it is plain, else a hash of its content.

    Raises
    ------
    TypeError
        If it holds something that means nothing to another process, such as an open file.

    Examples
    --------
    >>> fingerprint("auto"), fingerprint(0.5)
    ("'auto'", '0.5')
    >>> fingerprint([1, 2]) == fingerprint([1, 2]) != fingerprint([2, 1])
    True
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    try:
        return HASHED + _digest(value, ()).hex()[:32]
    # ValueError: a closure over a variable that has no value yet.
    except (AttributeError, TypeError, ValueError, pickle.PicklingError, RecursionError) as error:
        kind = type(value).__name__
        raise TypeError(f"a {kind} that other processes cannot recognise: {error}") from error


def _digest(value, above):
    """Hash a value from the hashes of its parts; `above` has the ids of the values around it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN_TYPES) and type(value) in PLAIN_TYPES:
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
    if is_lazy(value):
        return "file", (value.fingerprint,), ()
    if isinstance(value, torch.Tensor):
        return "tensor", (value.requires_grad, value.detach().cpu().numpy()), ()
    if is_lazy(value):
        return "lazy waveform", (value.fingerprint,), ()
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
    if isinstance(value, CodeType):
        return "code", (value.co_code, value.co_names, value.co_consts), ()
    return _parts_of_object(value)


def _parts_of_function(function):
    named = (function.__module__, function.__qualname__, function.__code__)
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return (*named, closure, function.__defaults__, function.__kwdefaults__, vars(function))


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
    # A torch module computes in `forward`.
    methods = [getattr(type(value), name, None) for name in ("__call__", "forward")]
    code = [method.__code__ for method in methods if isinstance(method, FunctionType)]
    ordered = (make, arguments, state, code, *([] if items is None else items))
    return "object", ordered, [] if pairs is None else list(pairs)


def _hash(kind, *parts):
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(part)
    return digest.digest()
