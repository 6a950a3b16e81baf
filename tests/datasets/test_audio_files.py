"""Audio files written and read again."""

import numpy as np
import pytest
import soundfile

from sknmf_unfold.datasets import load_audio, save_audio


def tone(freq, seconds=0.5, rate=16000, level=0.5):
    return level * np.sin(2 * np.pi * freq * np.arange(int(seconds * rate)) / rate)


def test_audio_round_trip(tmp_path):
    waveform = tone(440).astype("float32")
    for name in ("a.wav", "a.flac"):
        save_audio(tmp_path / name, waveform)
        # One step of 16 bits.
        np.testing.assert_allclose(load_audio(tmp_path / name)[0], waveform, rtol=0, atol=3.1e-5)


def test_loud_audio_is_never_clipped(tmp_path):
    loud = 3 * tone(440)
    save_audio(tmp_path / "loud.wav", loud)
    np.testing.assert_allclose(load_audio([tmp_path / "loud.wav"])[0], loud, atol=1e-6)
    with pytest.raises(ValueError, match="would clip"):
        save_audio(tmp_path / "loud.flac", loud)


def test_one_sample_survives_resampling(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), 44100)
    [waveform] = load_audio(tmp_path / "one.wav")
    assert waveform.shape == (1,) and np.isfinite(waveform).all()


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.wav: there is no folder .*missing"):
        save_audio(tmp_path / "missing" / "a.wav", [0.0, 0.1])
    with pytest.raises(ValueError, match="`sample_rate` must be a whole number >= 1; got 0"):
        save_audio(tmp_path / "a.wav", [0.0, 0.1], sample_rate=0)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        save_audio(tmp_path / "folder.wav", [0.0, 0.1])


def test_mix_down_and_resampling(tmp_path):
    # 3 kHz is below the new Nyquist frequency of 4 kHz, 6 kHz above it.
    kept, lost = tone(3000, rate=44100), tone(6000, rate=44100)
    soundfile.write(tmp_path / "s.wav", np.stack([kept + lost, kept - lost / 2], 1), 44100, "FLOAT")
    [waveform] = load_audio([tmp_path / "s.wav"], sample_rate=8000)
    assert waveform.dtype == np.float32 and len(waveform) == 4000
    inner = waveform[400:-400]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner)))) / (len(inner) / 4)
    freqs = np.fft.rfftfreq(len(inner), 1 / 8000)
    assert spectrum.max() == pytest.approx(0.5, rel=0.02)
    assert freqs[spectrum.argmax()] == pytest.approx(3000, abs=5)
    assert spectrum[np.abs(freqs - 2000) < 200].max() < 1e-2, "an alias of 6 kHz"


def test_files_of_different_rates(tmp_path):
    for rate in (8000, 16000):
        soundfile.write(tmp_path / f"{rate}.wav", tone(100, rate=rate), rate)
    paths = [tmp_path / "8000.wav", tmp_path / "16000.wav"]
    assert [len(x) for x in load_audio(paths)] == [8000, 8000]
    with pytest.raises(ValueError, match=r"16000.wav has 16000 Hz but .*8000.wav has 8000 Hz"):
        load_audio(paths, sample_rate=None)


def test_files_that_are_no_audio(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "headerless.raw").write_bytes(bytes(40))
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan]), 16000, "FLOAT")
    for name, message in [
        ("empty.wav", "empty.wav is not an audio file"),
        ("text.wav", "text.wav is not an audio file"),
        ("headerless.raw", "headerless.raw is not an audio file"),
        ("none.wav", "none.wav has no samples"),
        ("nan.wav", "nan.wav contains NaN at sample 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_audio([tmp_path / name])
    with pytest.raises(FileNotFoundError, match=r"missing.wav does not exist"):
        load_audio(tmp_path / "missing.wav")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        load_audio(tmp_path)
    with pytest.raises(ValueError, match="empty list"):
        load_audio([])


@pytest.mark.parametrize("paths", [None, 3, [3], b"a.wav", np.zeros(2)])
def test_what_is_no_path(paths):
    with pytest.raises(TypeError, match="`paths` must be a path or a list of paths"):
        load_audio(paths)
