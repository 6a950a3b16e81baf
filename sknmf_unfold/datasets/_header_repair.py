"""Repair of WAV, RF64, AU and CAF headers in memory, of files that were never closed."""

from __future__ import annotations

import itertools
import mmap
import string
import struct
from collections.abc import Iterator
from pathlib import Path

# Position of the first chunk and format of the size of a chunk, by the first bytes of a file.
CHUNK_LAYOUTS = {b"RIFF": (12, "<I"), b"RF64": (12, "<I"), b"caff": (8, ">q")}
AU_MAGIC = b".snd"
# Length of the shortest header with the fields below.
MIN_HEADER_BYTES = 32
# Number of chunks to search for the samples; recordings have a few before them.
MAX_HEADER_CHUNKS = 100
MAX_FIELD_VALUES = {"<I": 2**32 - 1, ">I": 2**32 - 1, "<q": 2**63 - 1, ">q": 2**63 - 1}
TAG_CHARACTERS = frozenset((string.ascii_letters + string.digits + " _").encode())


def map_repaired(path: Path) -> mmap.mmap | None:
    """Map a file into memory with its actual length in the header, if the header has none.

    Recorders write the length when they close a file. One that was stopped, or that wrote to a
    pipe, leaves 0 in a WAV, RF64 or AU file and -1 in a CAF file, which libsndfile would use.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    content : mmap or None
        None for a file that needs no repair. The file itself is never changed.
    """
    with path.open("rb") as file:
        if file.read(4) not in (*CHUNK_LAYOUTS, AU_MAGIC) or path.stat().st_size < MIN_HEADER_BYTES:
            return None
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    found = _find_length(content)
    if found is None:
        return None
    position, form, start = found
    (length,) = struct.unpack_from(form, content, position)
    if length > 0 or start >= len(content) or _is_chunk(content, start, form):
        return None
    struct.pack_into(form, content, position, min(len(content) - start, MAX_FIELD_VALUES[form]))
    return content


def _find_length(content: mmap.mmap) -> tuple[int, str, int] | None:
    """Find the position and the format of the length of the samples, and their position."""
    magic = content[:4]
    if magic == AU_MAGIC:
        return 8, ">I", struct.unpack_from(">I", content, 4)[0]
    begin, form = CHUNK_LAYOUTS[magic]
    chunks = itertools.islice(_walk_chunks(content, begin, form), MAX_HEADER_CHUNKS)
    for tag, position, start in chunks:
        if tag == b"data":
            # In an RF64 file the length is in the first chunk, with 64 bits.
            return (28, "<q", start) if magic == b"RF64" else (position, form, start)
    return None


def _walk_chunks(content: mmap.mmap, begin: int, form: str) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over the tag of each chunk, the position of its size and that of its content."""
    head = 4 + struct.calcsize(form)
    while begin + head <= len(content):
        (size,) = struct.unpack_from(form, content, begin + 4)
        yield content[begin : begin + 4], begin + 4, begin + head
        if size < 0:
            return
        # Chunks of RIFF begin at even bytes.
        begin += head + size + (size % 2 if form == "<I" else 0)


def _is_chunk(content: mmap.mmap, begin: int, form: str) -> bool:
    """Whether a chunk begins at a position, as after the samples of an empty recording."""
    head = 4 + struct.calcsize(form)
    if begin + head > len(content):
        return False
    (size,) = struct.unpack_from(form, content, begin + 4)
    is_tag = TAG_CHARACTERS.issuperset(content[begin : begin + 4])
    return is_tag and 0 <= size <= len(content) - begin - head
