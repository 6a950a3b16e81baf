"""Audio input: formats, repaired headers, broken files and names."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sknmf_unfold.datasets import load_audio, save_audio
from sknmf_unfold.datasets._audio_input import open_audio, read_blocks
from tests._refusals import refuses
from tests._sound_files import (
    SAYS_WHERE_FLAC_BREAKS_OFF,
    after,
    patch,
    write_cut,
    write_open_wav,
    write_unknown_flac,
)

RNG = np.random.RandomState(0)
# Whole 16-bit numbers, which PCM keeps as they are.
WAVE = RNG.randint(-8000, 8000, 20000).astype("int16")
LONG = RNG.randint(-8000, 8000, 80000).astype("int16")
FLOATS = (WAVE / 32768).astype("float32")


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "caf", "w64", "rf64", "flac"])
def test_lossless_formats_are_read_exactly(suffix, tmp_path):
    soundfile.write(tmp_path / f"a.{suffix}", WAVE, 16000)
    np.testing.assert_array_equal(load_audio(tmp_path / f"a.{suffix}")[0], FLOATS)


# A recorder leaves 0, or the bytes of the header; whoever writes to a pipe the largest number.
@pytest.mark.parametrize("lengths", [(0, 0), (0, 36), (0, 40036), (2**32 - 1, 2**32 - 1)])
def test_wav_that_was_never_closed(lengths, tmp_path):
    path = tmp_path / "open.wav"
    write_open_wav(path, WAVE, *lengths)
    content = path.read_bytes()
    np.testing.assert_array_equal(load_audio(path)[0], FLOATS)
    assert path.read_bytes() == content


def test_wav_that_was_never_closed_with_text_before_its_samples(tmp_path):
    write_open_wav(tmp_path / "a.wav", WAVE)
    content = (tmp_path / "a.wav").read_bytes()
    text = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    (tmp_path / "a.wav").write_bytes(content[:36] + text + content[36:])
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav")[0], FLOATS)


def test_other_containers_that_were_never_closed(tmp_path):
    names = {"a.rf64": (28, "<q", 0), "a.au": (8, ">I", 0), "a.caf": (b"data", ">q", -1)}
    for name, (place, form, value) in names.items():
        path = tmp_path / name
        soundfile.write(path, WAVE, 16000)
        patch(path, place if isinstance(place, int) else after(path, place), form, value)
        np.testing.assert_array_equal(load_audio(path)[0], FLOATS, err_msg=name)


def test_recordings_without_samples_stay_empty(tmp_path):
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), 16000)
    refuses("none.wav has no samples", lambda: load_audio(path))
    # What comes after the samples that are not there is a comment, no sound.
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 10) + b"INFOabcdef")
    refuses("none.wav has no samples", lambda: load_audio(path))


def test_headers_of_zeros_end(tmp_path):
    for magic in (b"RIFF", b"RF64", b"caff", b".snd"):
        (tmp_path / "zeros.wav").write_bytes(magic + bytes(10**6))
        refuses("is not an audio file that can be read", lambda: load_audio(tmp_path / "zeros.wav"))


def test_flac_of_unknown_length(tmp_path):
    write_unknown_flac(tmp_path / "a.flac", WAVE)
    np.testing.assert_array_equal(load_audio(tmp_path / "a.flac")[0], FLOATS)


def test_reading_leaves_the_errors_of_numpy_as_they_are(tmp_path):
    path, before = tmp_path / "a.wav", np.geterr()
    soundfile.write(path, LONG, 16000)
    with open_audio(path) as file:
        states = [np.geterr() for _ in read_blocks(file, path, 1000)]
    assert len(states) > 1 and all(state == before for state in states)


@pytest.mark.parametrize("n_times", [7, 1000, None])
@pytest.mark.parametrize("suffix", ["mp3", "ogg", "flac", "wav"])
def test_blocks_of_any_size_are_the_whole(suffix, n_times, tmp_path):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, LONG, 16000)
    expected, _ = soundfile.read(path, dtype="float32")
    with open_audio(path) as file:
        blocks = list(read_blocks(file, path, n_times))
    if n_times:
        assert {len(block) for block in blocks[:-1]} == {n_times}
    # A decoder of MP3 that is sought in is off by as much as the sound itself.
    np.testing.assert_allclose(np.concatenate(blocks), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "wav", "au", "aiff"])
def test_a_cut_file_is_as_long_as_what_it_holds(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    write_cut(path, LONG)
    expected, _ = soundfile.read(path, frames=len(LONG), dtype="float32")
    assert 0.1 * len(LONG) < len(expected) < 0.8 * len(LONG)
    np.testing.assert_allclose(load_audio(path)[0], expected, rtol=0, atol=1e-6)


@SAYS_WHERE_FLAC_BREAKS_OFF
def test_a_file_that_stops_to_be_audio_is_refused(tmp_path):
    write_cut(tmp_path / "cut.flac", WAVE)
    message = "cut.flac is not an audio file that can be read to its end: .*lost sync"
    refuses(message, lambda: load_audio(tmp_path / "cut.flac"))


@pytest.mark.parametrize("rate", [1, 7, 999, 10**7 + 1, 2**31 - 1])
def test_rates_that_nothing_is_recorded_at(rate, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, WAVE, 16000)
    patch(path, 24, "<I", rate)
    refuses(f"a.wav has a sampling rate of {rate} Hz in its header", lambda: load_audio(path))
    np.testing.assert_array_equal(load_audio(path, None)[0], FLOATS)


def test_rates_with_nothing_in_common(tmp_path):
    path = tmp_path / "a.wav"
    for rate in (9_999_991, 44101):
        soundfile.write(path, WAVE, rate)
        assert len(load_audio(path)[0]) == round(20000 * 16000 / rate)


NO_PATHS = {
    "file": (lambda folder: (folder / "a.wav").open("rb"), "BufferedReader.*Pass the file's name"),
    "text": (lambda folder: (folder / "a.wav").open(), "TextIOWrapper.*Pass the file's name"),
    "bytes in memory": (lambda _: io.BytesIO(bytes(10**6)), "BytesIO.*soundfile.read"),
    "list": (lambda _: [io.BytesIO(b"RIFF")], r"paths\[0\] is <_io.BytesIO.*soundfile.read"),
    "bytes": (lambda _: b"RIFF" * 10**6, "bytes.*os.fsdecode"),
    "content": (lambda _: ["a.wav", b"RIFF" * 10**6], r"paths\[1\] is b'RIFF.*os.fsdecode"),
}


@pytest.mark.parametrize("case", NO_PATHS)
def test_open_files_are_refused_in_a_line(case, tmp_path):
    soundfile.write(tmp_path / "a.wav", WAVE, 16000)
    make, message = NO_PATHS[case]
    paths = make(tmp_path)
    with pytest.raises(TypeError, match=message) as raised:
        load_audio(paths)
    assert len(str(raised.value)) < 400
    getattr(paths, "close", lambda: None)()


def test_a_text_in_place_of_a_path_is_not_repeated_in_full():
    with pytest.raises(FileNotFoundError, match=r"1000000 characters.* does not exist") as raised:
        load_audio("x" * 10**6)
    assert len(str(raised.value)) < 1200


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_of_any_bytes(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    save_audio(path, FLOATS)
    assert [os.fsencode(file.name) for file in tmp_path.iterdir()] == [b"caf\xe9.wav"]
    np.testing.assert_array_equal(load_audio(path)[0], FLOATS)
    np.testing.assert_array_equal(load_audio([str(path)])[0], FLOATS)
    path.write_text("no sound")
    refuses("is not an audio file", lambda: load_audio(path))
