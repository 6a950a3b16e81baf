"""`ActivationsDisplay`: levels, order, times and bad input."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.pipeline import make_pipeline

from sknmf_unfold.plotting import ActivationsDisplay, ComponentsDisplay
from sknmf_unfold.separators import LSTMSeparator
from tests._factories import drnmf, nmf, stft, supervised

RNG = np.random.default_rng(0)
WAVES = [0.1 * RNG.standard_normal(n) for n in (900, 700)]
TARGETS = [0.5 * wave for wave in WAVES]
draw = ActivationsDisplay.from_estimator


@pytest.fixture(scope="module")
def pipe():
    return make_pipeline(stft(), drnmf(n_layers=2)).fit(WAVES, TARGETS)


def values_of(display):
    return [np.asarray(image.get_array()) for image in display.images_]


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_activations_of_a_layer_in_db(pipe, layer):
    display = draw(pipe, WAVES[0], layer=layer)
    [activations] = pipe[-1].transform(pipe[0].transform([WAVES[0]]), layer=layer)
    order = ComponentsDisplay.from_estimator(pipe).order
    loudest = activations.max()
    for j, source in enumerate(["target", "interference"]):
        for row, i in enumerate(order[source]):
            expected = [
                max(20 * np.log10(h / loudest), -60) if h else -60
                for h in activations[:, 3 * j + i]
            ]
            np.testing.assert_allclose(values_of(display)[j][row], expected, rtol=1e-9)
    assert [ax.get_title() for ax in display.axes_] == ["Target", "Interference"]
    assert display.axes_[-1].get_xlabel() == "Time (s)"
    assert display.axes_[0].get_xlim() == (0, 900 / 16000)
    display.figure_.draw_without_rendering()


def test_ticks_are_the_indices_of_the_components(pipe):
    summary = pipe[-1].component_summary()
    display = draw(pipe, WAVES[0])
    for ax, source in zip(display.axes_, ["target", "interference"], strict=True):
        expected = summary[summary["source"] == source].sort_values("centroid_hz").index
        assert display.indices_[source].tolist() == expected.tolist()
        assert [label.get_text() for label in ax.get_yticklabels()] == [str(i) for i in expected]
        assert ax.get_ylabel() == "Component index, by centroid"


@pytest.mark.parametrize("n_components", [1, 12, 40, 41])
def test_labels_do_not_overlap(n_components):
    values, order = np.ones((5, n_components)), np.arange(n_components)
    sources = ["target", "interference"]
    display = ActivationsDisplay(dict.fromkeys(sources, values), dict.fromkeys(sources, order))
    display.plot().figure_.draw_without_rendering()
    ax = display.axes_[1]
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(one.y1 < other.y0 for one, other in itertools.pairwise(boxes))
    is_rank = n_components > 40
    assert (len(boxes) < n_components) == is_rank
    assert ax.get_ylabel().startswith("Component rank by" if is_rank else "Component index, by")


def test_frames_are_drawn_at_their_centres(pipe):
    image = draw(pipe, WAVES[0]).images_[0]
    left, right, *_ = image.get_extent()
    n_frames = image.get_array().shape[1]
    hop = (right - left) / n_frames
    assert hop == pytest.approx(16 / 16000)
    # Frame t has the samples from (t + 1) * 16 - 64 on.
    assert left + 0.5 * hop == pytest.approx((16 - 32) / 16000)


@pytest.mark.parametrize("make", [nmf, supervised])
def test_estimators_without_layers(make):
    pipe = make_pipeline(stft(), make()).fit(WAVES, TARGETS)
    display = draw(pipe, WAVES[1])
    [activations] = pipe.transform([WAVES[1]])
    levels = np.concatenate(values_of(display))
    assert levels.shape == activations.T.shape and levels.max() == 0
    with pytest.raises(ValueError, match="`layer` must be a whole number >= -1 and <= 0; got 1"):
        draw(pipe, WAVES[1], layer=1)


def test_data_frames_silence_and_one_sample(pipe):
    expected = values_of(draw(pipe, WAVES[0]))
    pipe = make_pipeline(stft(), drnmf(n_layers=2)).fit(WAVES, TARGETS)
    pipe.set_output(transform="pandas")
    for found, values in zip(values_of(draw(pipe, WAVES[0])), expected, strict=True):
        np.testing.assert_array_equal(found, values)
    for waveform in (np.zeros(300), [0.1]):
        display = draw(pipe, waveform)
        display.figure_.draw_without_rendering()
        assert all(np.isfinite(values).all() for values in values_of(display))


def test_axes_are_used(pipe):
    axes = Figure().subplots(1, 2)
    assert list(draw(pipe, WAVES[0], ax=axes).axes_) == list(axes)
    with pytest.raises(ValueError, match="`ax` must be 2 axes, one a panel; got 1"):
        draw(pipe, WAVES[0], ax=axes[0])


def test_bad_input(pipe):
    with pytest.raises(ValueError, match="`layer` must be a whole number >= -2 and <= 1; got 5"):
        draw(pipe, WAVES[0], layer=5)
    with pytest.raises(TypeError, match="`pipe` must be a Pipeline of STFT"):
        draw(pipe[-1], WAVES[0])
    with pytest.raises(ValueError, match="pick one recording"):
        draw(pipe, WAVES)
    with pytest.raises(ValueError, match=r"`sample_rate` is 8000 but the STFT .* 16000 Hz"):
        draw(pipe, WAVES[0], sample_rate=8000)
    with pytest.raises(TypeError, match="`pipe` must be one of SparseNMF"):
        draw(make_pipeline(stft(), LSTMSeparator()), WAVES[0])
