"""The STFT and its inverse as functions: reconstruction, framing, windows."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from sknmf_unfold import STFT
from sknmf_unfold.signal.stft import istft, n_frames_of, stft
from sknmf_unfold.signal.windows import MIN_OVERLAP_RATIO, analysis_window, synthesis_window
from tests.oracles.stft import frame_starts, istft_loop, stft_loop

ROUNDING = {"float64": 2e-15, "float32": 1e-6}
LEVELS = (1e-8, 1.0, 1e4)
SAMPLES = np.random.default_rng(3).uniform(0.2, 1.0, 16)
PAIRS = [
    (512, 128, "sqrt_hann"),
    (512, 256, "sqrt_hann"),
    (512, 100, "sqrt_hann"),
    (400, 160, "hann"),
    (255, 64, "hann"),
    (33, 7, "sqrt_hann"),
    (512, 171, "hamming"),
    (256, 64, ("kaiser", 8.6)),
    (64, 64, "boxcar"),
    (16, 5, SAMPLES),
    (2, 1, "sqrt_hann"),
    (3, 1, "hann"),
]
IDS = [
    f"{n_fft}-{hop}-{window if isinstance(window, str) else type(window).__name__}"
    for n_fft, hop, window in PAIRS
]


def noise(n_times, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(n_times).astype(dtype)


def relative_error(estimate, waveform):
    return np.abs(estimate - waveform).max() / np.abs(waveform).max()


def lengths_around(n_fft, hop):
    return sorted({1, 2, max(1, hop - 1), hop, hop + 1, n_fft - 1, n_fft, n_fft + 1, 3 * n_fft + 5})


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("n_fft", "hop", "window"), PAIRS, ids=IDS)
def test_inverse_reconstructs_every_length_and_level(n_fft, hop, window, dtype):
    for n_times in lengths_around(n_fft, hop):
        for level in LEVELS:
            waveform = (level * noise(n_times)).astype(dtype)
            frames = stft(waveform, n_fft, hop, window)
            assert frames.shape == (n_frames_of(n_times, n_fft, hop), n_fft // 2 + 1)
            assert frames.dtype == np.result_type(dtype, np.complex64)
            inverse = istft(frames, n_times, n_fft, hop, window)
            assert inverse.shape == (n_times,)
            assert inverse.dtype == dtype
            assert relative_error(inverse, waveform) < ROUNDING[dtype], (n_times, level)


@st.composite
def analyses(draw):
    n_fft = draw(st.integers(2, 48))
    hop = draw(st.integers(1, n_fft))
    samples = st.lists(st.floats(0, 1).map(np.float32), min_size=n_fft, max_size=n_fft)
    names = ["sqrt_hann", "hann", "hamming", "blackman", "boxcar", ("kaiser", 8.6), ("tukey", 0.5)]
    window = draw(st.sampled_from(names) | samples)
    return n_fft, hop, window, draw(st.integers(1, 200)), draw(st.sampled_from(LEVELS))


@settings(deadline=None, derandomize=True)
@given(analyses())
def test_any_analysis_is_inverted_or_refused_for_a_reason(analysis):
    n_fft, hop, window, n_times, level = analysis
    squares = analysis_window(window, n_fft) ** 2
    overlap = np.array([squares[i::hop].sum() for i in range(hop)])
    if not overlap.min() > MIN_OVERLAP_RATIO * overlap.max():
        with pytest.raises(ValueError, match="must cover every sample to be invertible"):
            synthesis_window(window, n_fft, hop)
        return
    waveform = level * noise(n_times)
    inverse = istft(stft(waveform, n_fft, hop, window), n_times, n_fft, hop, window)
    assert inverse.shape == (n_times,)
    # The dips between windows amplify rounding by up to 1 / sqrt(MIN_OVERLAP_RATIO).
    assert relative_error(inverse, waveform) < 10 * ROUNDING["float64"]


ODD = [pair for pair in PAIRS if pair[0] in (33, 64, 16, 2, 3)]


@pytest.mark.parametrize(("n_fft", "hop", "window"), ODD)
def test_frames_equal_the_loop(n_fft, hop, window):
    for n_times in (1, n_fft, 2 * n_fft + 3):
        waveform = noise(n_times)
        expected = stft_loop(waveform, analysis_window(window, n_fft), hop)
        frames = stft(waveform, n_fft, hop, window)
        assert frames.shape == expected.shape
        np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("n_fft", "hop", "window"), ODD)
def test_inverse_of_masked_frames_is_the_nearest_waveform(n_fft, hop, window):
    for n_times in (1, n_fft, 2 * n_fft + 3):
        frames = stft(noise(n_times), n_fft, hop, window)
        frames = frames * np.random.default_rng(1).uniform(size=frames.shape)
        expected = istft_loop(frames, n_times, analysis_window(window, n_fft), hop)
        inverse = istft(frames, n_times, n_fft, hop, window)
        np.testing.assert_allclose(inverse, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("n_fft", "hop", "window"), [*PAIRS[:8], PAIRS[9]])
def test_frames_equal_those_of_scipy(n_fft, hop, window):
    n_times = 3 * n_fft + 1
    waveform = noise(n_times)
    frames = stft(waveform, n_fft, hop, window)
    values = analysis_window(window, n_fft)
    before, after = np.zeros(n_fft - hop), np.zeros(n_fft)
    _, _, expected = scipy.signal.stft(
        np.concatenate([before, waveform, after]),
        window=values,
        nperseg=n_fft,
        noverlap=n_fft - hop,
        boundary=None,
        padded=False,
    )
    expected = expected.T[: len(frames)] * values.sum()
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n_fft", "hop", "window"), PAIRS[:5], ids=IDS[:5])
def test_a_constant_keeps_its_level_at_both_ends(n_fft, hop, window):
    n_times = 4 * n_fft + 17
    inverse = istft(stft(np.ones(n_times), n_fft, hop, window), n_times, n_fft, hop, window)
    np.testing.assert_allclose(inverse[:n_fft], 1, rtol=0, atol=2e-15)
    np.testing.assert_allclose(inverse[-n_fft:], 1, rtol=0, atol=2e-15)


def test_every_frame_touches_a_sample_and_no_frame_is_missing():
    for n_fft in range(2, 12):
        for hop in range(1, n_fft + 1):
            for n_times in range(1, 30):
                expected = len(frame_starts(n_times, n_fft, hop))
                assert n_frames_of(n_times, n_fft, hop) == expected


def test_a_frame_needs_no_later_sample():
    n_fft, hop, t = 64, 16, 5
    waveform = noise(300)
    changed = waveform.copy()
    changed[(t + 1) * hop :] += 1
    same = stft(waveform, n_fft, hop) == stft(changed, n_fft, hop)
    assert same[: t + 1].all()
    # The window is 0 at its first sample only, so that the next frame changes.
    assert not same[t + 1].any()


@pytest.mark.parametrize("window", ["hann", "sqrt_hann"])
def test_a_tone_peaks_at_its_bin(window):
    n_fft, hop, amplitude = 512, 128, 0.3
    height = amplitude * analysis_window(window, n_fft).sum() / 2
    for k in (10, 64, 200):
        tone = amplitude * np.sin(2 * np.pi * k * np.arange(4096) / n_fft + 0.7)
        magnitude = STFT(n_fft, hop, window).transform([tone])[0].magnitude()[4:-4]
        assert (magnitude.argmax(axis=1) == k).all()
        # The Hann window's spectrum is 0 from the second bin on; its root's is small there.
        np.testing.assert_allclose(
            magnitude[:, k], height, rtol=1e-12 if window == "hann" else 2e-3
        )


def test_windows_made_once_for_all_cannot_be_overwritten():
    for window in ("sqrt_hann", "hann", ("kaiser", 8.6)):
        with pytest.raises(ValueError, match="read-only"):
            analysis_window(window, 16)[3] = 0


def test_dual_of_the_square_root_hann_window_is_itself_scaled():
    for hop, scale in ((256, 1.0), (128, 2.0), (64, 4.0)):
        dual = synthesis_window("sqrt_hann", 512, hop)
        np.testing.assert_allclose(dual, analysis_window("sqrt_hann", 512) / scale, atol=1e-15)
