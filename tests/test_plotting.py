"""Plots: numbers, places, canvases and bad input."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from sknmf_unfold.plotting import plot_components, plot_history, plot_separation
from sknmf_unfold.signal.stft import stft

N_TIMES = 4000


@pytest.fixture
def recording():
    rng = np.random.default_rng(0)
    clean = 0.1 * rng.standard_normal(N_TIMES)
    noisy = clean + 0.1 * rng.standard_normal(N_TIMES)
    mask = rng.uniform(size=stft(noisy).shape)
    return noisy, mask, 0.5 * noisy, clean


def images_of(axes):
    return [ax.images[0] for ax in axes]


def test_separation_has_four_aligned_panels(recording):
    fig = plot_separation(*recording)
    fig.draw_without_rendering()
    panels = fig.axes[:4]
    assert [ax.get_title() for ax in panels] == ["Noisy", "Mask", "Enhanced", "Clean"]
    assert len(fig.axes) == 6  # and two colour bars
    edges = {(round(ax.get_position().x0, 6), round(ax.get_position().x1, 6)) for ax in panels}
    assert len(edges) == 1
    for ax, image in zip(panels, images_of(panels), strict=True):
        assert ax.get_xlim() == (0, N_TIMES / 16000) and ax.get_ylim() == (0, 8000)
        assert image.get_extent() == panels[0].images[0].get_extent()
        assert image.origin == "lower"


def test_without_a_clean_recording_there_are_three_panels(recording):
    noisy, mask, enhanced, _ = recording
    fig = plot_separation(noisy, mask, enhanced)
    fig.draw_without_rendering()
    assert [ax.get_title() for ax in fig.axes[:3]] == ["Noisy", "Mask", "Enhanced"]
    assert len(fig.axes) == 5
    whole = images_of(plot_separation(*recording[:3], noisy).axes[:3])
    for one, other in zip(images_of(fig.axes[:3]), whole, strict=True):
        np.testing.assert_array_equal(one.get_array(), other.get_array())


def test_spectrograms_share_a_scale_in_db(recording):
    noisy, mask, _, clean = recording
    images = images_of(plot_separation(noisy, mask, 0.1 * noisy, clean).axes[:4])
    assert images[0].get_clim() == images[2].get_clim() == images[3].get_clim() == (-80, 0)
    assert images[1].get_clim() == (0, 1)
    np.testing.assert_array_equal(images[1].get_array(), mask.T)
    np.testing.assert_allclose(images[0].get_array() - images[2].get_array(), 20, atol=1e-9)


def test_a_click_and_a_tone_are_drawn_where_they_are():
    t = np.arange(N_TIMES)
    click = np.where(t == 2000, 1.0, 0.0)
    tone = np.sin(2 * np.pi * 3000 * t / 16000)
    fig = plot_separation(tone, np.ones(stft(tone).shape), click, tone)
    tone_image, _, click_image, _ = images_of(fig.axes[:4])
    left, right, bottom, top = click_image.get_extent()
    n_freqs, n_frames = click_image.get_array().shape
    loudest = np.argmax(click_image.get_array()[40])
    centre = left + (loudest + 0.5) * (right - left) / n_frames
    assert centre == pytest.approx(2000 / 16000, abs=64 / 16000)
    row = np.argmax(tone_image.get_array()[:, 10])
    assert bottom + (row + 0.5) * (top - bottom) / n_freqs == pytest.approx(3000)


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e4])
def test_silent_quiet_and_loud_recordings_can_be_drawn(recording, scale):
    noisy, mask, enhanced, clean = recording
    fig = plot_separation(scale * noisy, mask, scale * enhanced, scale * clean)
    fig.draw_without_rendering()
    assert np.isfinite(fig.axes[0].images[0].get_array()).all()


def test_settings_and_figure_are_used():
    fig = Figure()
    noisy = np.random.default_rng(0).standard_normal(500)
    shape = stft(noisy, 64, 16).shape
    drawn = plot_separation(
        noisy, np.ones(shape), noisy, noisy, sample_rate=8000, n_fft=64, hop_length=16, fig=fig
    )
    assert drawn is fig
    assert fig.axes[0].get_ylim() == (0, 4000) and fig.axes[0].get_xlim() == (0, 500 / 8000)
    panel = Figure(layout="constrained").subfigures(1, 2)[1]
    assert plot_separation(noisy, np.ones((7, 257)), noisy, noisy, fig=panel) is panel


def test_separation_errors(recording):
    noisy, mask, enhanced, clean = recording
    with pytest.raises(ValueError, match=r"mask has shape \(257, 35\) but .* \(35, 257\)"):
        plot_separation(noisy, mask.T, enhanced, clean)
    with pytest.raises(ValueError, match="noisy has 4000 samples but clean has 3999"):
        plot_separation(noisy, mask, enhanced, clean[1:])
    with pytest.raises(ValueError, match="pick one recording"):
        plot_separation([noisy], mask, [enhanced], [clean])
    with pytest.raises(ValueError, match="`sample_rate`"):
        plot_separation(noisy, mask, enhanced, clean, sample_rate=0)


def test_components_are_sorted_by_centroid():
    components = np.zeros((4, 65))
    components[[0, 1, 2], [50, 10, 30]] = [1.0, 0.5, 0.1]  # the last one is silent
    ax = plot_components(components, sample_rate=8000)
    values = ax.images[0].get_array()
    assert values.shape == (65, 4)
    assert np.argmax(values, axis=0).tolist() == [0, 10, 30, 50]
    np.testing.assert_allclose(values.max(axis=0), [-60, 20 * np.log10(0.5), -20, 0])
    assert ax.get_ylim() == (0, 4000)
    ax.figure.draw_without_rendering()


def test_components_must_be_a_dictionary():
    with pytest.raises(ValueError, match="Negative values"):
        plot_components(-np.ones((3, 5)))
    with pytest.raises(ValueError, match="2D"):
        plot_components(np.ones(5))


def test_history_marks_the_best_validation_epoch():
    history = {"train_loss": [3.0, 2.0, 1.0], "validation_loss": [3.0, np.nan, 2.5], "seconds": [1]}
    ax = plot_history(history)
    assert ax.get_legend_handles_labels()[1] == ["Training", "Validation", "Best epoch (3)"]
    assert ax.lines[0].get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert ax.lines[2].get_xydata().tolist() == [[3, 2.5]]
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("losses", [{}, {"validation_loss": []}, {"validation_loss": [None]}])
def test_history_without_validation(losses):
    ax = plot_history({"train_loss": np.array([1.0])} | losses)
    assert "Best" not in " ".join(ax.get_legend_handles_labels()[1])


def test_history_needs_a_training_loss():
    with pytest.raises(ValueError, match=r"'train_loss'; got \['loss'\]"):
        plot_history({"loss": [1.0]})


def test_axes_are_used(recording):
    left, right = Figure().subplots(1, 2)
    assert plot_components(np.ones((3, 9)), ax=left) is left
    assert plot_history({"train_loss": [1.0]}, ax=right) is right


def test_missing_matplotlib_names_the_extra(monkeypatch, recording):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (
        lambda: plot_separation(*recording),
        lambda: plot_components(np.ones((3, 9))),
        lambda: plot_history({"train_loss": [1.0]}),
    ):
        with pytest.raises(ImportError, match=r'pip install "sknmf_unfold\[demo\]"'):
            draw()


def test_history_counts_epochs_as_the_separator_does():
    # Entry 0 is the loss before training.
    history = {"epoch": [0, 1, 2], "train_loss": [np.nan, 2.0, 1.0], "validation_loss": [3, 1, 2]}
    labels = [text.get_text() for text in plot_history(history).get_legend().get_texts()]
    assert labels[-1] == "Best epoch (1)"
