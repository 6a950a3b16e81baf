"""Checksum of a model's state, which detects damaged files."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np


def digest_of(value: object, crc: int = 0) -> int:
    """Compute a checksum of nested dicts, lists, arrays and plain values.

    It does not depend on how an array lies in memory, on the machine's byte order, on the order of
    a dict, or on whether a number is numpy's or Python's. Other objects are all equal.

    Parameters
    ----------
    value : object
    crc : int, default=0
        Checksum of the values before this one.

    Returns
    -------
    crc : int
        CRC-32, computed at about 1 GB/s: it detects accidents, not forgery.

    Examples
    --------
    >>> digest_of({"a": [1, 2.5]}) == digest_of({"a": (np.int8(1), np.float64(2.5))})
    True
    >>> digest_of(np.zeros(3)) == digest_of(np.zeros(3, np.float32))
    False
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        return _of_array(value, crc)
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: (type(item[0]).__name__, str(item[0])))
        value = [each for item in items for each in item]
    if isinstance(value, (list, tuple)):
        crc = zlib.crc32(f"list {len(value)}".encode(), crc)
        for each in value:
            crc = digest_of(each, crc)
        return crc
    return zlib.crc32(_as_text(value).encode(), crc)


def _of_array(array, crc):
    crc = zlib.crc32(f"{array.dtype.str[1:]} {array.shape}".encode(), crc)
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return zlib.crc32(little.reshape(-1).view(np.uint8).data, crc)


def _as_text(value):
    if isinstance(value, (bool, str, bytes, complex)) or value is None:
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, int):
        # Python limits the number of decimal digits, but not of hexadecimal ones.
        return f"int {value:x}"
    return f"float {value.hex()}" if isinstance(value, float) else "other"
