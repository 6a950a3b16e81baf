"""`ComponentsDisplay`: order, levels, changes, layers and bad input."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sknmf_unfold.plotting import ComponentsDisplay
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator
from tests._factories import drnmf, nmf, stft, supervised

RNG = np.random.default_rng(0)
X = [RNG.gamma(0.5, 2.0, (n, 9)) for n in (30, 20)]
Y = [x * np.linspace(1, 0, 9) for x in X]
draw = ComponentsDisplay.from_estimator


@pytest.fixture(scope="module")
def separator():
    model = drnmf(n_layers=2).fit(X, Y)
    # Far from where it started: by its own centroids the columns would have another order.
    drawn = np.random.default_rng(1).gamma(0.5, 1.0, model.components_.shape)
    model.components_ = drawn / np.linalg.norm(drawn, axis=2, keepdims=True)
    return model


def values_of(display):
    return [[np.asarray(image.get_array()) for image in row] for row in display.images_]


def by_centroid(components):
    """Indices of the rows by their mean frequency, one row at a time."""
    means = [sum(k * w for k, w in enumerate(row)) / (sum(row) or 1) for row in components]
    return sorted(range(len(means)), key=lambda i: means[i])


def decibels(components, loudest):
    """Levels re `loudest`, one number at a time, of shape (n_freqs, n_components)."""
    rows = [
        [max(20 * np.log10(w / loudest), -60.0) if w > 0 else -60.0 for w in row]
        for row in components
    ]
    return np.array(rows).T


def test_components_of_an_nmf_are_sorted_by_centroid():
    model = nmf(n_components=4).fit(X)
    model.components_ = np.zeros((4, 65))
    model.components_[[0, 1, 2], [50, 10, 30]] = [1.0, 0.5, 0.1]  # the last one is silent
    display = draw(model, sample_rate=8000)
    [[values]] = values_of(display)
    assert values.shape == (65, 4)
    assert np.argmax(values, axis=0).tolist() == [0, 10, 30, 50]
    np.testing.assert_allclose(values.max(axis=0), [-60, 20 * np.log10(0.5), -20, 0])
    [[ax]] = display.axes_
    assert ax.get_ylim() == (0, 4000) and ax.get_title() == "Components"
    assert ax.get_ylabel() == "Frequency (Hz)"
    assert display.order["components"].tolist() == [3, 1, 2, 0]
    left, right, bottom, top = display.images_[0, 0].get_extent()
    assert (left, right) == (-0.5, 3.5) and bottom == -8000 / 256 and top == 4000 + 8000 / 256
    display.figure_.draw_without_rendering()


def test_target_and_interference_apart():
    model = supervised().fit(X, Y)
    display = draw(model)
    parts = model.target_components_, model.interference_components_
    loudest = max(part.max() for part in parts)
    for values, part in zip(values_of(display)[0], parts, strict=True):
        np.testing.assert_allclose(values, decibels(part[by_centroid(part)], loudest))
    assert [ax.get_title() for ax in display.axes_[0]] == ["Target", "Interference"]
    assert display.colorbars_[0].ax.get_ylabel() == "Level (dB re maximum)"


def test_every_column_is_one_component_before_and_after(separator):
    display = draw(separator, compare_to="start", layer=0)
    display.figure_.draw_without_rendering()
    before, after = separator.initial_components_, separator.components_[0]
    loudest = max(before.max(), after.max())
    for j, part in enumerate([slice(3), slice(3, None)]):
        order = by_centroid(before[part])
        assert order != by_centroid(after[part])
        one, other, change = (row[j] for row in values_of(display))
        np.testing.assert_allclose(one, decibels(before[part][order], loudest))
        np.testing.assert_allclose(other, decibels(after[part][order], loudest))
        np.testing.assert_allclose(change, other - one, atol=1e-9)
        # As in the table, where columns are components.
        summary = separator.component_summary(layer=0)["change_db"][part]
        np.testing.assert_allclose(np.sqrt(np.mean(change**2, axis=0)), summary.to_numpy()[order])
    titles = [ax.get_title() for ax in display.axes_[:, 0]]
    assert titles == [
        "Target, before",
        "Target, after, layer 1 of 2",
        "Target, change, layer 1 of 2",
    ]


def labels_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_ticks_are_the_indices_of_the_components(separator):
    summary = separator.component_summary()
    display = draw(separator)
    for j, source in enumerate(["target", "interference"]):
        # The table has a centroid and an index for each component.
        expected = summary[summary["source"] == source].sort_values("centroid_hz").index
        assert display.indices_[source].tolist() == expected.tolist()
        axis = display.axes_[0, j].xaxis
        assert labels_of(axis) == [str(i) for i in expected]
        assert axis.get_majorticklocs().tolist() == [0, 1, 2]
        assert axis.get_label_text() == "Component index, by spectral centroid"


def test_ticks_of_a_comparison_are_sorted_by_the_start(separator):
    display = draw(separator, compare_to="start")
    order = by_centroid(separator.initial_components_[3:])
    assert labels_of(display.axes_[-1, 1].xaxis) == [str(3 + i) for i in order]


@pytest.mark.parametrize("n_components", [1, 12, 13, 40])
def test_labels_do_not_overlap(n_components):
    part = np.random.default_rng(0).random((n_components, 9))
    display = ComponentsDisplay([{"target": part, "interference": part}]).plot()
    display.figure_.draw_without_rendering()
    boxes = [label.get_window_extent() for label in display.axes_[0, 1].get_xticklabels()]
    assert len(boxes) == n_components
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
    assert display.figure_.bbox.y0 <= min(box.y0 for box in boxes)


def test_ticks_of_many_components_are_ranks():
    few, many = ({"components": np.eye(n)} for n in (40, 41))
    axes = ComponentsDisplay([few]).plot().axes_
    # Also on axes that had the labels of others.
    [[ax]] = (
        ComponentsDisplay([many], order={"components": np.arange(41)[::-1]}).plot(ax=axes).axes_
    )
    ax.figure.draw_without_rendering()
    assert ax.get_xlabel() == "Component rank by spectral centroid"
    shown = {float(x): text for x, text in zip(ax.get_xticks(), labels_of(ax.xaxis), strict=True)}
    assert shown[10.0] == "10" and len(shown) < 20


def test_changes_are_centred_at_zero(separator):
    display = draw(separator, compare_to="start", layer="all")
    assert display.axes_.shape == (5, 2)
    clims = {image.get_clim() for image in display.images_[3:].flat}
    [(low, high)] = clims
    assert low == -high and high >= 1
    assert {image.get_clim() for image in display.images_[:3].flat} == {(-60, 0)}
    assert [bar.ax.get_ylabel() for bar in display.colorbars_][1] == "Change (dB)"


def test_all_layers_have_the_order_of_the_last(separator):
    rows = values_of(draw(separator, layer="all"))
    assert len(rows) == 2
    order = by_centroid(separator.components_[1][:3])
    loudest = separator.components_.max()
    for k, row in enumerate(rows):
        expected = decibels(separator.components_[k][:3][order], loudest)
        np.testing.assert_allclose(row[0], expected)
    # A layer by itself, too.
    [first] = values_of(draw(separator, layer=-2))
    np.testing.assert_array_equal(first[0].argmax(axis=0), rows[0][0].argmax(axis=0))


def test_an_estimator_compared_with_itself_has_not_changed(separator):
    for model in (separator, supervised().fit(X, Y), nmf().fit(X)):
        change = values_of(draw(model, compare_to=model))[-1]
        assert not any(each.any() for each in change)


def test_negligible_bins_have_not_changed():
    models = [nmf().fit(X) for _ in range(2)]
    for model, quiet in zip(models, (1e-5, 0.0), strict=True):
        model.components_ = np.eye(3, 9) + quiet
    change = values_of(draw(models[0], compare_to=models[1]))[-1][0]
    assert np.abs(change).max() < 1e-3


def test_pipelines_and_frozen_estimators():
    waves = [0.1 * RNG.standard_normal(600) for _ in range(3)]
    pipe = make_pipeline(stft(), supervised()).fit(waves, [0.5 * wave for wave in waves])
    expected = values_of(draw(pipe[-1]))[0][0]
    for other in (pipe, FrozenEstimator(pipe[-1])):
        np.testing.assert_array_equal(values_of(draw(other))[0][0], expected)
    with pytest.raises(ValueError, match=r"`sample_rate` is 8000 but the STFT .* 16000 Hz; pass"):
        draw(pipe, sample_rate=8000)


def test_a_deep_nmf_of_fixed_updates_has_the_dictionary_it_started_from():
    model = DeepNMFSeparator(2, nmf=supervised(), n_trained_layers=1, max_epochs=1, random_state=0)
    model.fit(X, Y)
    [row] = values_of(draw(model))
    part = model.initial_components_[:3]
    expected = decibels(part[by_centroid(part)], model.initial_components_.max())
    np.testing.assert_allclose(row[0], expected)


def test_data_of_ones_own():
    layers = [{"components": np.eye(3)}, {"components": np.eye(3)[::-1]}]
    display = ComponentsDisplay(layers).plot()
    assert [ax.get_title() for ax in display.axes_[:, 0]] == [
        "Components, layer 1",
        "Components, layer 2",
    ]
    axes = Figure().subplots(2, 1)
    assert list(display.plot(ax=axes).axes_[:, 0]) == list(axes)
    with pytest.raises(ValueError, match="`ax` must be 2 axes, one a panel; got 1"):
        display.plot(ax=axes[0])


def test_silent_and_single_components():
    model = nmf(n_components=1).fit(X)
    model.components_ = np.zeros((1, 9))
    draw(model).figure_.draw_without_rendering()


def test_bad_input(separator):
    with pytest.raises(TypeError, match=r"`estimator` must be one of SparseNMF, .* got 3"):
        draw(3)
    with pytest.raises(TypeError, match="`estimator` must be one of"):
        draw(LSTMSeparator())
    with pytest.raises(NotFittedError):
        draw(nmf())
    with pytest.raises(TypeError, match="`compare_to` must be one of"):
        draw(separator, compare_to=3)
    with pytest.raises(ValueError, match="`compare_to` must be a fitted estimator or 'start'"):
        draw(separator, compare_to="before")
    with pytest.raises(ValueError, match="compare_to='start' needs the NMF that training"):
        draw(nmf().fit(X), compare_to="start")
    with pytest.raises(ValueError, match="`compare_to` has dictionaries of shapes"):
        draw(separator, compare_to=nmf().fit(X))
    with pytest.raises(ValueError, match="`compare_to` has dictionaries of shapes"):
        draw(separator, compare_to=supervised(n_components=4).fit(X, Y))
    with pytest.raises(ValueError, match="`layer` must be a whole number >= -2 and <= 1; got 2"):
        draw(separator, layer=2)
    with pytest.raises(ValueError, match="`layer` must be a whole number or 'all'; got 'first'"):
        draw(separator, layer="first")
    with pytest.raises(ValueError, match="`sample_rate` must be"):
        draw(separator, sample_rate=-1)
    with pytest.raises(TypeError, match="`ax` must be matplotlib axes or None"):
        draw(separator, ax=3)
