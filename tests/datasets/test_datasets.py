import time

import numpy as np
import pytest
import soundfile
from sklearn.model_selection import GroupKFold

from sknmf_unfold import STFT
from sknmf_unfold.datasets import load_audio, make_noisy_speech, mix_at_snr, save_audio
from sknmf_unfold.datasets._synthetic_speech import draw_speaker
from sknmf_unfold.metrics import sdr
from sknmf_unfold.signal.stft import stft


def tone(freq, seconds=0.5, rate=16000, level=0.5):
    return level * np.sin(2 * np.pi * freq * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("snr_db", [-6, 0, 9.5])
@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
def test_mix_at_snr_measures_as_asked(snr_db, level):
    rng = np.random.default_rng(0)
    target, noise = level * rng.standard_normal(4000), rng.standard_normal(5000)
    copies = target.copy(), noise.copy()
    mixture = mix_at_snr(target, noise, snr_db)
    rest = mixture - target
    measured = 20 * np.log10(np.linalg.norm(target) / np.linalg.norm(rest))
    assert measured == pytest.approx(snr_db, abs=1e-6)
    # What was added is the beginning of the interference, and nothing else.
    np.testing.assert_allclose(rest / rest[0], noise[:4000] / noise[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(target, copies[0])
    np.testing.assert_array_equal(noise, copies[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mix_at_snr_keeps_the_dtype_and_returns_what_it_added(dtype):
    rng = np.random.default_rng(0)
    target, noise = rng.standard_normal((2, 4000)).astype(dtype)
    mixture, scaled = mix_at_snr(target, noise, 7.5, return_interference=True)
    assert mixture.dtype == scaled.dtype == dtype
    np.testing.assert_array_equal(mixture, target + scaled)
    powers = [sum(float(value) ** 2 for value in waveform) for waveform in (target, scaled)]
    assert 10 * np.log10(powers[0] / powers[1]) == pytest.approx(7.5, abs=1e-4)
    assert mix_at_snr(target, noise.astype("float64"), 0).dtype == "float64"


def test_mix_at_snr_of_silence():
    silence, noise = np.zeros(100), np.ones(100)
    np.testing.assert_array_equal(mix_at_snr(noise, silence, 0), noise)
    mixture, scaled = mix_at_snr(silence, noise, 0, return_interference=True)
    np.testing.assert_array_equal(mixture, noise)
    # Whoever works on in place must not change the interference that came in.
    assert not np.shares_memory(scaled, noise) and not np.shares_memory(mixture, noise)


def test_mix_at_snr_says_so_when_it_overflows():
    with pytest.raises(ValueError, match="overflows float32 at `snr_db`=0"):
        mix_at_snr(np.ones(3, "float32"), np.full(3, 1e-42, "float32"), 0)
    with pytest.raises(ValueError, match="overflows float64"):
        mix_at_snr(np.full(3, 1e200), np.ones(3), 0)
    with pytest.raises(ValueError, match="`snr_db` must be a finite number >= -300 and <= 300"):
        mix_at_snr(np.ones(3), np.ones(3), -1e6)


def test_mix_at_snr_refuses_short_interference():
    with pytest.raises(ValueError, match="`interference` has 99 samples but `target` has 100"):
        mix_at_snr(np.ones(100), np.ones(99), 0)


def test_noisy_speech_is_as_described():
    X, Y, speakers = make_noisy_speech(
        12, duration=(0.5, 1.5), snr_db=(-6, 9), n_speakers=3, random_state=0, return_speakers=True
    )
    assert sorted(np.bincount(speakers)) == [4, 4, 4]
    lengths = [len(x) for x in X]
    assert min(lengths) >= 8000 and max(lengths) <= 24000 and len(set(lengths)) > 6
    for x, y in zip(X, Y, strict=True):
        assert x.dtype == y.dtype == np.float32 and x.shape == y.shape
        assert -46.01 < level_db(y) < -25.99
        snr = 10 * np.log10(np.sum(y**2) / np.sum((x - y) ** 2))
        assert -6.1 < snr < 9.1
        assert abs(y.mean()) < 1e-3


def level_db(waveform):
    return 20 * np.log10(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


def test_levels_are_spread_and_can_be_chosen():
    X, Y = make_noisy_speech(30, duration=0.3, random_state=0)
    levels = [level_db(y) for y in Y]
    assert max(levels) - min(levels) > 15
    for chosen in (-26, (-26, -26)):
        same = make_noisy_speech(30, duration=0.3, level_db=chosen, random_state=0)
        assert [level_db(y) for y in same[1]] == pytest.approx([-26] * 30, abs=0.01)
    # Nothing else has changed.
    for part, other in zip((X, Y), same, strict=True):
        for x, louder, level in zip(part, other, levels, strict=True):
            np.testing.assert_allclose(x * 10 ** ((-26 - level) / 20), louder, rtol=1e-4, atol=1e-6)


def test_same_seed_same_recordings_other_seed_other_speakers():
    first, second = (make_noisy_speech(2, duration=0.5, random_state=3) for _ in range(2))
    for a, b in zip(first[0] + first[1], second[0] + second[1], strict=True):
        np.testing.assert_array_equal(a, b)
    other = make_noisy_speech(2, duration=0.5, random_state=4)
    assert not np.allclose(first[1][0], other[1][0])
    # Speakers are drawn first, so a seed names its speakers.
    pitches = [draw_speaker(np.random.RandomState(seed))["pitch"] for seed in range(20)]
    assert len(set(pitches)) == 20


def test_speakers_are_groups_to_hold_out():
    X, Y, speakers = make_noisy_speech(
        6, duration=0.2, n_speakers=3, random_state=0, return_speakers=True
    )
    for train, test in GroupKFold(3).split(X, Y, groups=speakers):
        assert not set(speakers[train]) & set(speakers[test])


@pytest.mark.parametrize("n_times", [1, 16, 800, 3200])
def test_short_recordings_are_not_silent(n_times):
    X, Y = make_noisy_speech(20, duration=n_times / 16000, random_state=2)
    for x, y in zip(X, Y, strict=True):
        assert len(x) == len(y) == n_times and np.isfinite(x).all()
        assert -46.01 < level_db(y) < -25.99


def test_global_random_state_is_not_drawn_from():
    from sklearn.utils import check_random_state

    before = check_random_state(None).get_state()[1].copy()
    make_noisy_speech(1, duration=0.2, random_state=0)
    np.testing.assert_array_equal(before, check_random_state(None).get_state()[1])


@pytest.mark.parametrize("sample_rate", [8000, 22050, 48000])
def test_other_sample_rates(sample_rate):
    X, Y = make_noisy_speech(2, duration=0.7, sample_rate=sample_rate, random_state=0)
    assert [len(x) for x in X] == [round(0.7 * sample_rate)] * 2
    # Voices have their energy where they had it at 16 kHz: below 4 kHz.
    spectrum = np.abs(np.fft.rfft(Y[0])) ** 2
    freqs = np.fft.rfftfreq(len(Y[0]), 1 / sample_rate)
    assert spectrum[freqs < 4000].sum() > 0.8 * spectrum.sum()


def test_frames_join_without_clicks():
    # A click where frames of 8 ms meet would put the energy of the curvature there.
    _, Y = make_noisy_speech(30, random_state=5)
    curvature = [np.square(np.diff(y.astype(float), n=2))[: 374 * 128] for y in Y]
    by_position = np.mean([c.reshape(-1, 128).mean(axis=0) for c in curvature], axis=0)
    assert by_position.max() < 1.3 * np.median(by_position)


def test_vowels_have_harmonics_at_the_pitch():
    _, Y = make_noisy_speech(1, duration=1.0, random_state=0)
    frames = np.abs(stft(Y[0].astype(float), 2048, 256))
    loudest = frames[frames.sum(axis=1).argmax()]
    cepstrum = np.fft.irfft(np.log(loudest + 1e-6))
    lags = np.arange(16000 // 300, 16000 // 75)
    peak = lags[cepstrum[lags].argmax()]
    assert cepstrum[peak] > 5 * np.median(np.abs(cepstrum[lags]))


def test_speech_pauses_and_noise_changes():
    X, Y = make_noisy_speech(8, duration=3.0, random_state=0)
    for x, y in zip(X, Y, strict=True):
        power = np.square(y[: len(y) // 320 * 320].reshape(-1, 320)).mean(axis=1)
        assert 0.05 < np.mean(power < 1e-4 * power.max()) < 0.7
        noise = np.square((x - y)[: len(y) // 1600 * 1600].reshape(-1, 1600)).mean(axis=1)
        assert noise.max() > 1.5 * np.median(noise)


def test_ideal_masks_separate_well():
    X, Y = make_noisy_speech(6, duration=2.0, random_state=0)
    transform = STFT()
    estimates = []
    for x, y in zip(X, Y, strict=True):
        mixture, target, rest = transform.transform([x, y, x - y])
        mask = target.magnitude() / (target.magnitude() + rest.magnitude() + 1e-9)
        estimates.append(mixture.masked(mask).inverse())
    # Overlapping enough to be a task, and separable by a mask.
    assert np.mean(sdr(Y, estimates)) > np.mean(sdr(Y, X)) + 8


def test_one_minute_takes_little_time():
    make_noisy_speech(1, random_state=0)
    start = time.process_time()
    make_noisy_speech(20, duration=3.0, random_state=0)
    seconds = time.process_time() - start
    print(f"one minute of audio takes {seconds:.2f} s of processor time")
    assert seconds < 4, "2 s on an idle machine"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_samples": 0}, "`n_samples` must be a whole number >= 1"),
        ({"n_speakers": 0}, "`n_speakers`"),
        ({"duration": 0.0}, "`duration`"),
        ({"duration": (2.0, 1.0)}, r"`duration` must be \(lowest, highest\)"),
        ({"snr_db": (1, 2, 3)}, "`snr_db` must be a number or a pair"),
        ({"snr_db": 1000}, "`snr_db` must be a finite number >= -300"),
        (
            {"level_db": (-26, 101)},
            "`level_db` must be a finite number >= -100 and <= 100; got 101",
        ),
        ({"sample_rate": 100}, "`sample_rate` must be a whole number >= 8000"),
    ],
)
def test_bad_parameters(settings, message):
    with pytest.raises(ValueError, match=message):
        make_noisy_speech(**({"n_samples": 1, "duration": 0.1} | settings))


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
