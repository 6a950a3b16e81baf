"""`TrainingDisplay` and `ObjectiveDisplay`: curves, labels and bad input."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sknmf_unfold.plotting import ObjectiveDisplay, TrainingDisplay
from tests._factories import drnmf, nmf, stft, supervised

RNG = np.random.default_rng(0)
WAVES = [0.1 * RNG.standard_normal(n) for n in (900, 700)]
TARGETS = [0.5 * wave for wave in WAVES]
X = [RNG.gamma(0.5, 2.0, (n, 9)) for n in (30, 20)]
Y = [0.5 * x for x in X]


def plot(history, **settings):
    return TrainingDisplay(history, **settings).plot()


def test_the_best_validation_epoch_is_marked():
    history = {"train_loss": [3.0, 2.0, 1.0], "validation_loss": [3.0, np.nan, 2.5], "seconds": [1]}
    display = plot(history)
    labels = display.ax_.get_legend_handles_labels()[1]
    assert labels == ["Training", "Validation", "Best epoch (3)"]
    assert display.lines_[0].get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert display.best_.get_xydata().tolist() == [[3, 2.5]]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Epoch", "Loss")
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("losses", [{}, {"validation_loss": []}, {"validation_loss": [None]}])
def test_without_validation_no_epoch_is_best(losses):
    display = plot({"train_loss": np.array([1.0])} | losses)
    assert display.best_ is None
    assert "Best" not in " ".join(display.ax_.get_legend_handles_labels()[1])


def test_epochs_are_counted_as_the_separator_does():
    # Entry 0 is the loss before training.
    history = {"epoch": [0, 1, 2], "train_loss": [np.nan, 2.0, 1.0], "validation_loss": [3, 1, 2]}
    labels = [text.get_text() for text in plot(history).ax_.get_legend().get_texts()]
    assert labels[-1] == "Best epoch (1)"


def test_curves_of_an_estimator_name_the_loss():
    pipe = make_pipeline(stft(), drnmf(max_epochs=2)).fit(WAVES, TARGETS)
    for estimator in (pipe, pipe[-1]):
        display = TrainingDisplay.from_estimator(estimator)
        assert display.ax_.get_ylabel() == "Loss snr (dB)"
        expected = pipe[-1].history_["validation_loss"]
        np.testing.assert_array_equal(display.lines_[1].get_ydata(), expected)
    on_magnitudes = TrainingDisplay.from_estimator(drnmf().fit(X, Y))
    assert on_magnitudes.ax_.get_ylabel() == "Loss signal_approximation (squared magnitude)"


def own_loss(mask, mixture, target):
    return ((mask * mixture - target) ** 2).mean(dim=(1, 2))


def test_a_loss_of_ones_own_has_no_unit():
    display = TrainingDisplay.from_estimator(drnmf(loss=own_loss).fit(X, Y))
    assert display.ax_.get_ylabel() == "Loss"


BAD_HISTORIES = {
    "no history": ({"loss": [1.0]}, r"must have an entry 'train_loss'; got \['loss'\]", ValueError),
    "no dict": (nmf(), "`history` must be a dict", TypeError),
    "words": ({"train_loss": ["a"]}, r"must be a list of numbers; got \['a'\]", TypeError),
    "no list": ({"train_loss": 3}, r"must have a number for each epoch; got \(\)", ValueError),
    "no epochs": ({"train_loss": []}, r"must have a number for each epoch; got \(0,\)", ValueError),
    "epochs": (
        {"train_loss": [2.0, 1.0], "epoch": [1]},
        r"`history`\['epoch'\] has shape \(1,\) but 'train_loss' has \(2,\)",
        ValueError,
    ),
    "validation": (
        {"train_loss": [2.0, 1.0], "validation_loss": [1.0]},
        r"`history`\['validation_loss'\] has shape \(1,\) but 'train_loss' has \(2,\)",
        ValueError,
    ),
}


@pytest.mark.parametrize("case", BAD_HISTORIES)
def test_bad_histories(case):
    history, message, error = BAD_HISTORIES[case]
    with pytest.raises(error, match=message):
        plot(history)


def test_estimators_without_epochs():
    for other in (nmf(), supervised(), 3):
        with pytest.raises(TypeError, match="`estimator` must be a separator that is trained over"):
            TrainingDisplay.from_estimator(other)
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(drnmf())


def test_objectives_before_and_after_each_iteration():
    model = nmf().fit(X)
    display = ObjectiveDisplay.from_estimator(model)
    [line] = display.lines_
    assert line.get_xdata().tolist() == list(range(model.n_iter_ + 1))
    np.testing.assert_array_equal(line.get_ydata(), model.objective_curve_)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Iteration", "Objective")
    assert display.ax_.get_legend() is None
    display.figure_.draw_without_rendering()


def test_objectives_of_batches_begin_at_the_first_iteration():
    model = nmf(batch_size=16).fit(X)
    [line] = ObjectiveDisplay.from_estimator(model).lines_
    assert line.get_xdata().tolist() == list(range(1, model.n_iter_ + 1))


def test_lists_and_dicts_of_models():
    models = [nmf().fit(X), nmf(solver="mu").fit(X)]
    labels = [line.get_label() for line in ObjectiveDisplay.from_estimator(models).lines_]
    assert labels == ["NMF 1", "NMF 2"]
    pipe = make_pipeline(stft(), nmf()).fit(WAVES)
    display = ObjectiveDisplay.from_estimator({"cd": models[0], "pipe": pipe})
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["cd", "pipe"]
    styles = {line.get_linestyle() for line in display.lines_}
    assert len(styles) == 2


def test_axes_are_used():
    left, right = Figure().subplots(1, 2)
    assert ObjectiveDisplay({"a": [2.0, 1.0]}).plot(ax=left).ax_ is left
    display = TrainingDisplay({"train_loss": [1.0]}).plot(ax=right)
    assert display.ax_ is right and display.figure_ is right.figure
    with pytest.raises(TypeError, match="`ax` must be matplotlib axes or None; got 3"):
        display.plot(ax=3)


def test_no_objectives():
    with pytest.raises(ValueError, match="`estimator` is empty; pass one fitted SparseNMF"):
        ObjectiveDisplay.from_estimator([])
    with pytest.raises(TypeError, match="`estimator` must be a SparseNMF"):
        ObjectiveDisplay.from_estimator([nmf().fit(X), supervised()])
    with pytest.raises(NotFittedError):
        ObjectiveDisplay.from_estimator(nmf())
