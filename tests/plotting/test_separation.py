"""`SeparationDisplay`: numbers, places, axes and bad input."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline

from sknmf_unfold.plotting import SeparationDisplay
from sknmf_unfold.signal.stft import stft
from tests import _factories

N_TIMES = 4000
draw = SeparationDisplay.from_predictions


@pytest.fixture
def recording():
    rng = np.random.default_rng(0)
    clean = 0.1 * rng.standard_normal(N_TIMES)
    noisy = clean + 0.1 * rng.standard_normal(N_TIMES)
    mask = rng.uniform(size=stft(noisy).shape)
    return noisy, 0.5 * noisy, clean, mask


@pytest.fixture(scope="module")
def pipe():
    waves = [0.1 * np.random.default_rng(i).standard_normal(900) for i in range(3)]
    steps = _factories.stft(sample_rate=8000, highpass=200.0), _factories.supervised()
    return make_pipeline(*steps).fit(waves, [0.5 * wave for wave in waves])


def values_of(display):
    return [image.get_array() for image in display.images_]


def test_four_aligned_panels(recording):
    noisy, enhanced, clean, mask = recording
    display = draw(noisy, enhanced, clean, mask=mask)
    display.figure_.draw_without_rendering()
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == ["Noisy", "Mask", "Enhanced", "Clean"]
    # And two colour bars.
    assert len(display.figure_.axes) == 6 and len(display.colorbars_) == 2
    places = [ax.get_position() for ax in display.axes_]
    assert len({(round(place.x0, 6), round(place.x1, 6)) for place in places}) == 1
    for ax, image in zip(display.axes_, display.images_, strict=True):
        assert ax.get_xlim() == (0, N_TIMES / 16000) and ax.get_ylim() == (0, 8000)
        assert image.get_extent() == display.images_[0].get_extent()
        assert image.origin == "lower"
        assert ax.get_ylabel() == "Frequency (Hz)"
    assert display.axes_[-1].get_xlabel() == "Time (s)"


def test_panels_that_are_not_known_are_left_out(recording):
    noisy, enhanced, _, mask = recording
    titles = [ax.get_title() for ax in draw(noisy, enhanced, mask=mask).axes_]
    assert titles == ["Noisy", "Mask", "Enhanced"]
    display = draw(noisy, enhanced)
    display.figure_.draw_without_rendering()
    assert [ax.get_title() for ax in display.axes_] == ["Noisy", "Enhanced"]
    assert len(display.colorbars_) == 1
    whole = values_of(draw(noisy, enhanced, noisy, mask=mask))
    np.testing.assert_array_equal(values_of(display)[1], whole[2])


def test_spectrograms_share_a_scale_in_db(recording):
    noisy, _, clean, mask = recording
    images = draw(noisy, 0.1 * noisy, clean, mask=mask).images_
    assert images[0].get_clim() == images[2].get_clim() == images[3].get_clim() == (-80, 0)
    assert images[1].get_clim() == (0, 1)
    np.testing.assert_array_equal(images[1].get_array(), mask.T)
    np.testing.assert_allclose(images[0].get_array() - images[2].get_array(), 20, atol=1e-9)


def test_a_click_and_a_tone_are_drawn_where_they_are():
    t = np.arange(N_TIMES)
    click = np.where(t == 2000, 1.0, 0.0)
    tone = np.sin(2 * np.pi * 3000 * t / 16000)
    tone_image, click_image = draw(tone, click).images_
    left, right, bottom, top = click_image.get_extent()
    n_freqs, n_frames = click_image.get_array().shape
    loudest = np.argmax(click_image.get_array()[40])
    centre = left + (loudest + 0.5) * (right - left) / n_frames
    assert centre == pytest.approx(2000 / 16000, abs=64 / 16000)
    row = np.argmax(tone_image.get_array()[:, 10])
    assert bottom + (row + 0.5) * (top - bottom) / n_freqs == pytest.approx(3000)


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e4])
def test_silent_quiet_and_loud_recordings_can_be_drawn(recording, scale):
    *waveforms, mask = recording
    display = draw(*(scale * waveform for waveform in waveforms), mask=mask)
    display.figure_.draw_without_rendering()
    assert np.isfinite(values_of(display)[0]).all()


def test_one_sample():
    mask = np.ones(stft(np.ones(1)).shape)
    draw([0.5], [0.1], mask=mask).figure_.draw_without_rendering()


def test_settings_and_axes_are_used():
    axes = Figure().subplots(1, 3)
    noisy = np.random.default_rng(0).standard_normal(500)
    mask = np.ones(stft(noisy, 64, 16).shape)
    settings = {"sample_rate": 8000, "n_fft": 64, "hop_length": 16}
    display = draw(noisy, noisy, mask=mask, **settings, ax=axes)
    assert list(display.axes_) == list(axes) and display.figure_ is axes[0].figure
    assert axes[2].get_ylim() == (0, 4000) and axes[0].get_xlim() == (0, 500 / 8000)
    # Twice, elsewhere.
    assert display.plot() is display and display.figure_ is not axes[0].figure


def test_an_estimator_is_drawn_as_its_predictions(pipe):
    rng = np.random.default_rng(5)
    noisy, clean = 0.1 * rng.standard_normal((2, 700))
    display = SeparationDisplay.from_estimator(pipe, noisy, clean, sample_rate=8000)
    items = pipe[0].transform([noisy])
    [mask] = pipe[-1].predict_mask(items)
    np.testing.assert_allclose(values_of(display)[1], mask.T)
    [enhanced] = pipe.predict([noisy])
    # The noisy and the clean waveform are high-passed, the enhanced one has been.
    filtered, target = items[0].stft(), pipe[0].transform([clean])[0].stft()
    spectra = [np.abs(x) for x in (filtered, stft(enhanced, 64, 16), target)]
    loudest = max(x.max() for x in spectra)
    for i, spectrum in zip((0, 2, 3), spectra, strict=True):
        levels = np.maximum(20 * np.log10(np.maximum(spectrum / loudest, 1e-30)), -80)
        np.testing.assert_allclose(values_of(display)[i], levels.T, atol=1e-5)
    assert display.axes_[0].get_xlim() == (0, 700 / 8000)
    assert display.axes_[0].get_ylim() == (0, 4000)


def test_a_mask_must_fit(recording):
    noisy, enhanced, clean, mask = recording
    with pytest.raises(ValueError, match=r"mask has shape \(257, 35\) but .* \(35, 257\)"):
        draw(noisy, enhanced, clean, mask=mask.T)
    with pytest.raises(ValueError, match="Input mask contains NaN"):
        draw(noisy, enhanced, clean, mask=np.nan * mask)


def test_waveforms_must_be_those_of_one_recording(recording, pipe):
    noisy, enhanced, clean, _ = recording
    with pytest.raises(ValueError, match="noisy has 4000 samples but clean has 3999"):
        draw(noisy, enhanced, clean[1:])
    with pytest.raises(ValueError, match="pick one recording"):
        draw([noisy], [enhanced], [clean])
    with pytest.raises(ValueError, match="pick one recording"):
        SeparationDisplay.from_estimator(pipe, [noisy], sample_rate=8000)
    with pytest.raises(ValueError, match="`sample_rate`"):
        draw(noisy, enhanced, clean, sample_rate=0)


def test_an_estimator_must_be_a_fitted_pipeline_of_the_rate(recording, pipe):
    noisy, *_ = recording
    for_estimator = SeparationDisplay.from_estimator
    with pytest.raises(ValueError, match=r"`sample_rate` is 16000 but the STFT .* 8000 Hz; pass"):
        for_estimator(pipe, noisy)
    for other in (pipe[-1], Pipeline([("stft", pipe[0])]), 3):
        with pytest.raises(TypeError, match="`pipe` must be a Pipeline of STFT and"):
            for_estimator(other, noisy)
    with pytest.raises(TypeError, match="`pipe` must end in a separator"):
        for_estimator(make_pipeline(_factories.stft(), _factories.nmf()), noisy)
    with pytest.raises(NotFittedError):
        for_estimator(make_pipeline(_factories.stft(), _factories.supervised()), noisy)


@pytest.mark.parametrize("ax", [3, "a", [1, 2]])
def test_axes_must_be_axes(recording, ax):
    with pytest.raises(TypeError, match="`ax` must be matplotlib axes or None"):
        draw(*recording[:2], ax=ax)


def test_axes_must_be_as_many_as_panels(recording):
    axes = Figure().subplots(3)
    with pytest.raises(ValueError, match="`ax` must be 2 axes, one a panel; got 3"):
        draw(*recording[:2], ax=axes)
    assert not any(ax.images for ax in axes)
