"""The synthetic corpus: its levels, speakers, sounds and cost."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold

from sknmf_unfold import STFT
from sknmf_unfold.datasets import _synthetic_speech, make_noisy_speech
from sknmf_unfold.datasets._synthetic_speech import draw_speaker
from sknmf_unfold.metrics import sdr
from sknmf_unfold.signal.stft import stft
from sknmf_unfold.validation.recordings import check_waveform
from tests._calls import count_calls


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


@pytest.mark.parametrize("n_samples", [1, 20])
def test_cost_is_three_transforms_a_recording(n_samples, monkeypatch):
    calls = {
        function.__name__: count_calls(monkeypatch, function)
        for function in (_synthetic_speech.stft, _synthetic_speech.istft, check_waveform)
    }
    make_noisy_speech(n_samples, duration=0.5, random_state=0)
    counts = {name: len(made) for name, made in calls.items()}
    # Source and breath; their sum; and no check of what is made here.
    assert counts == {"stft": 2 * n_samples, "istft": n_samples, "check_waveform": 0}


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
