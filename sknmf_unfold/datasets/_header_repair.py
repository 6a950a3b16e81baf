"""Sound files that were never closed: their headers say that they have no samples."""

from __future__ import annotations

import itertools
import mmap
import string
import struct

# Where the first chunk begins and how chunks write their size, by the first bytes of a file.
CHUNKED = {b"RIFF": (12, "<I"), b"RF64": (12, "<I"), b"caff": (8, ">q")}
SUN_AU = b".snd"
# Bytes of the shortest header with the fields that are looked at.
MIN_BYTES = 32
# Chunks in front of the samples; recordings have a handful.
MAX_CHUNKS = 100
LARGEST = {"<I": 2**32 - 1, ">I": 2**32 - 1, "<q": 2**63 - 1, ">q": 2**63 - 1}
TAG_CHARACTERS = frozenset((string.ascii_letters + string.digits + " _").encode())


def map_repaired(path):
    """Map a file into memory, with the length that it has in its header.

    Recorders write the length when they close a file. One that was cut off, or that wrote to a
    pipe, leaves 0 in a WAV, RF64 or AU file and -1 in a CAF file, and libsndfile believes it.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    content : mmap or None
        None for a file that does not need it. Nothing is written to the file itself.
    """
    with path.open("rb") as file:
        if file.read(4) not in (*CHUNKED, SUN_AU) or path.stat().st_size < MIN_BYTES:
            return None
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    found = _find_length(content)
    if found is None:
        return None
    position, form, start = found
    (length,) = struct.unpack_from(form, content, position)
    if length > 0 or start >= len(content) or _is_chunk(content, start, form):
        return None
    struct.pack_into(form, content, position, min(len(content) - start, LARGEST[form]))
    return content


def _find_length(content):
    """Find where the length of the samples stands, in what format, and where they begin."""
    magic = content[:4]
    if magic == SUN_AU:
        return 8, ">I", struct.unpack_from(">I", content, 4)[0]
    begin, form = CHUNKED[magic]
    for tag, position, start in itertools.islice(_walk_chunks(content, begin, form), MAX_CHUNKS):
        if tag == b"data":
            # The first chunk of an RF64 file has its 64 bits.
            return (28, "<q", start) if magic == b"RF64" else (position, form, start)
    return None


def _walk_chunks(content, begin, form):
    """Iterate over the tag of each chunk, where its size stands and where its content begins."""
    head = 4 + struct.calcsize(form)
    while begin + head <= len(content):
        (size,) = struct.unpack_from(form, content, begin + 4)
        yield content[begin : begin + 4], begin + 4, begin + head
        if size < 0:
            return
        # Chunks of RIFF begin at even bytes.
        begin += head + size + (size % 2 if form == "<I" else 0)


def _is_chunk(content, begin, form):
    """Whether another chunk begins there, as it does after the samples of an empty recording."""
    head = 4 + struct.calcsize(form)
    if begin + head > len(content):
        return False
    (size,) = struct.unpack_from(form, content, begin + 4)
    is_tag = TAG_CHARACTERS.issuperset(content[begin : begin + 4])
    return is_tag and 0 <= size <= len(content) - begin - head
