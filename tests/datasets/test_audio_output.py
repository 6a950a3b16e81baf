"""Audio output: files are written completely or not at all, in every format."""

import errno
import io
import os
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from sknmf_unfold.datasets import save_audio
from sknmf_unfold.datasets._audio_output import AudioOutput
from tests._refusals import refuses
from tests._small_disk import small_disk

NOISE = 0.1 * np.random.RandomState(0).randn(60_000)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_on_a_full_disk_a_file_is_whole_or_refused(suffix, tmp_path):
    name = f"a.{suffix}"
    save_audio(tmp_path / name, NOISE)
    (tmp_path / "small").mkdir()
    n_refused = 0
    with small_disk(tmp_path / "small", (tmp_path / name).stat().st_size // 4096 * 4) as folder:
        # Among them those whose end alone is too long, which encoders write when they are closed.
        for n_times in range(len(NOISE), len(NOISE) - 24_000, -750):
            save_audio(tmp_path / name, NOISE[:n_times])
            try:
                save_audio(folder / name, NOISE[:n_times])
            except OSError as error:
                assert error.errno == errno.ENOSPC and error.filename == str(folder / name)
                assert not list(folder.iterdir())
                n_refused += 1
            else:
                # Ogg streams have random numbers in them, so that only lengths are the same.
                assert (folder / name).stat().st_size == (tmp_path / name).stat().st_size
                (folder / name).unlink()
    assert 0 < n_refused < 32


def test_a_full_disk_keeps_the_old_recording(tmp_path):
    with small_disk(tmp_path, 64) as folder:
        path = folder / "a.wav"
        save_audio(path, NOISE[:5000])
        before = path.read_bytes()
        refuses(r"No space left on device: '.*a\.wav'", lambda: save_audio(path, NOISE), OSError)
        assert path.read_bytes() == before and list(folder.iterdir()) == [path]


def test_a_limit_on_files_keeps_the_old_recording(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.wav"
    save_audio(path, NOISE[:5000])
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    try:
        refuses(r"File too large: '.*a\.wav'", lambda: save_audio(path, NOISE), OSError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_interrupt_keeps_the_old_recording(tmp_path, monkeypatch):
    path = tmp_path / "a.flac"
    save_audio(path, NOISE[:5000])
    before, begun = path.read_bytes(), threading.Event()
    write = soundfile.SoundFile.write

    def slow(self, block):
        if not begun.is_set():
            begun.set()
            os.kill(os.getpid(), signal.SIGINT)
        write(self, block)

    monkeypatch.setattr(soundfile.SoundFile, "write", slow)
    with pytest.raises(KeyboardInterrupt):
        save_audio(path, np.tile(NOISE, 10))
    assert begun.is_set()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_long_recordings_can_be_ogg(tmp_path):
    # libsndfile's encoder crashes on all of these samples at once.
    path = tmp_path / "long.ogg"
    save_audio(path, np.zeros(9_600_000, np.float32))
    assert soundfile.info(path).frames == 9_600_000


@pytest.mark.parametrize("method", ["write", "seek", "tell"])
def test_what_the_disk_says_is_raised(method, tmp_path):
    file, n_calls = io.BytesIO(), []
    whole = getattr(file, method)

    def broken(*arguments):
        n_calls.append(1)
        if len(n_calls) > 3:
            raise OSError(errno.EIO, "broken")
        return whole(*arguments)

    parts = {name: getattr(file, name) for name in ("write", "seek", "tell")} | {method: broken}
    with pytest.raises(OSError, match="broken"):
        with AudioOutput(SimpleNamespace(**parts), tmp_path / "a.wav", 16000) as output:
            output.write(NOISE)
    assert len(n_calls) > 3


def test_a_rate_that_a_format_does_not_have_is_refused_by_name(tmp_path):
    refuses(r"a\.mp3: .*sample rate", lambda: save_audio(tmp_path / "a.mp3", NOISE, 12345))
    assert list(tmp_path.iterdir()) == []
