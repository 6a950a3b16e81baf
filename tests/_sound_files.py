"""Sound files as recorders, pipes and broken transfers leave them."""

import struct

import pytest
import soundfile

# Older ones decode what they can and then stop.
SAYS_WHERE_FLAC_BREAKS_OFF = pytest.mark.skipif(
    tuple(map(int, soundfile.__libsndfile_version__.split("."))) < (1, 2, 1),
    reason="this libsndfile says nothing about a FLAC file that breaks off",
)


def patch(path, position, form, value):
    """Overwrite a number in the header of a file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, position, value)
    path.write_bytes(content)


def after(path, mark):
    """Where the bytes after a mark begin."""
    return path.read_bytes().index(mark) + len(mark)


def write_cut(path, waveform, share=0.5, rate=16000):
    """Write a file of which only the first part arrives."""
    soundfile.write(path, waveform, rate)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def write_unknown_flac(path, waveform, rate=16000):
    """Write FLAC as a pipe gets it: 36 bits with the number of samples are 0."""
    soundfile.write(path, waveform, rate)
    # "fLaC", four bytes before the block, and ten of block and frame sizes.
    content = path.read_bytes()
    (fields,) = struct.unpack_from(">Q", content, 18)
    assert fields & (2**36 - 1) == len(waveform)
    patch(path, 18, ">Q", fields >> 36 << 36)


def write_open_wav(path, waveform, n_data=0, n_file=0, rate=16000):
    """Write a WAV file that was never closed: its header has these numbers of bytes."""
    soundfile.write(path, waveform, rate)
    patch(path, after(path, b"data"), "<I", n_data)
    patch(path, 4, "<I", n_file)
