"""scikit-learn's callbacks, and their stand-ins for versions without them."""

import importlib
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

import sknmf_unfold.base.callbacks
from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.base.callbacks import FitTask
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.targets import check_targets

needs_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="scikit-learn has none"
)


def small(**settings):
    defaults = {"n_components": 4, "sparsity": 0.1, "random_state": 0, "max_epochs": 6}
    return DRNMFSeparator(**(defaults | settings))


class Recorder:
    """Records the calls of a fit, and stops it after an epoch."""

    def __init__(self, stop_after=None):
        self.calls, self.scores, self.losses = [], [], []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(f"end {context.task_name} {context.task_id}")
        self.scores.append(fitted_estimator.score(X, y))
        self.losses.append(fitted_estimator.history_["validation_loss"][-1])
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        self.calls.append("teardown")


@needs_callbacks
def test_callbacks_are_called_in_every_epoch(magnitudes):
    X, Y = magnitudes
    recorder = Recorder()
    separator = small().set_callbacks(recorder).fit(X, Y, validation_data=(X, Y))
    epochs = [f"{moment} epoch {i}" for i in range(6) for moment in ("begin", "end")]
    assert recorder.calls == ["setup", "begin fit 0", *epochs, "end fit 0", "teardown"]
    assert recorder.losses[:6] == separator.history_["validation_loss"][1:]
    # What is scored is the model as it was then.
    assert len(set(recorder.scores[:6])) == 6
    assert recorder.scores[-1] == separator.score(X, Y)
    three = small(max_epochs=3).fit(X, Y, validation_data=(X, Y))
    assert recorder.scores[2] == three.score(X, Y)


@needs_callbacks
def test_watching_is_identity(magnitudes):
    X, Y = magnitudes
    watched = small().set_callbacks(Recorder()).fit(X, Y)
    np.testing.assert_array_equal(watched.components_, small().fit(X, Y).components_)


@needs_callbacks
def test_a_monitor_stops_training(magnitudes, tmp_path):
    X, Y = magnitudes
    settings = {"checkpoint_dir": tmp_path}
    recorder = Recorder(stop_after=2)
    separator = small(**settings).set_callbacks(recorder).fit(X, Y, validation_data=(X, Y))
    assert separator.history_["epoch"] == [0, 1, 2]
    assert recorder.calls[-2:] == ["end fit 0", "teardown"]
    two = small(max_epochs=2).fit(X, Y, validation_data=(X, Y))
    np.testing.assert_array_equal(separator.components_, two.components_)
    assert list(tmp_path.iterdir()) == []


@needs_callbacks
def test_an_error_tears_down(magnitudes):
    X, Y = magnitudes
    recorder = Recorder()
    with pytest.raises(ValueError, match="X has 3 items"):
        small().set_callbacks(recorder).fit(X, Y[:2])
    assert recorder.calls == ["setup", "begin fit 0", "teardown"]


@needs_callbacks
def test_progress_bars_of_a_pipeline_and_a_search(speech, capsys):
    from sklearn.callback import ProgressBar

    X, Y = speech
    nmf = SupervisedNMFSeparator(4, sparsity=0.1, max_iter=3)
    pipe = make_pipeline(STFT(), small(max_epochs=2, nmf=nmf))
    clone(pipe).set_callbacks(ProgressBar()).fit(X, Y)
    shown = capsys.readouterr().out
    assert "DRNMFSeparator" in shown and "100%" in shown
    search = GridSearchCV(pipe, {"drnmfseparator__n_layers": [1, 2]}, cv=2, error_score="raise")
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)
    assert "DRNMFSeparator" in capsys.readouterr().out


class Iterations(Recorder):
    """Stops an NMF; there is no score and no history to look at."""

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(f"end {context.task_name} {context.task_id}")
        self.scores.append(fitted_estimator.transform(X[:1])[0].sum())
        return context.task_name == "iteration" and context.task_id + 1 == self.stop_after


@needs_callbacks
def test_a_monitor_stops_an_nmf(magnitudes):
    X, _ = magnitudes
    recorder = Iterations(stop_after=3)
    settings = {"n_components": 4, "sparsity": 0.1, "random_state": 0}
    nmf = SparseNMF(**settings).set_callbacks(recorder).fit(X)
    assert nmf.n_iter_ == 3
    assert recorder.calls[-3:] == ["end iteration 2", "end fit 0", "teardown"]
    assert len(set(recorder.scores)) == 3, "the last two are of the same components"
    three = SparseNMF(max_iter=3, **settings).fit(X)
    np.testing.assert_array_equal(nmf.components_, three.components_)


@needs_callbacks
def test_callbacks_get_checked_data_as_users_pass_them(magnitudes):
    class Arguments(Recorder):
        def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
            self.calls.append((X, y))

    X, Y = magnitudes
    recorder = Arguments()
    nmf = SparseNMF(2).set_callbacks(recorder)
    mixtures = check_sequences(nmf, X, reset=True)
    task = FitTask(nmf._init_callback_context(), nmf, mixtures, check_targets(Y, mixtures))
    task.end(lambda: {"components_": np.ones((2, 3))})
    [(passed, targets)] = [call for call in recorder.calls if isinstance(call, tuple)]
    assert passed is mixtures.items and isinstance(targets, list)


@needs_callbacks
def test_scikit_learns_monitor_logs_the_scores(magnitudes):
    from sklearn.callback import ScoringMonitor

    X, Y = magnitudes
    monitor = ScoringMonitor(scoring={"score": DRNMFSeparator.score})
    separator = small().set_callbacks(monitor).fit(X, Y, validation_data=(X, Y))
    scores = [row["score"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 6
    assert scores[-1] == pytest.approx(separator.score(X, Y))


def test_without_callbacks_in_scikit_learn_fits_are_the_same(magnitudes, monkeypatch):
    X, Y = magnitudes
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    try:
        module = importlib.reload(sknmf_unfold.base.callbacks)
        mixin, decorator, task = module.CallbackSupportMixin, module.with_callbacks, module.FitTask
    finally:
        monkeypatch.undo()
        importlib.reload(sknmf_unfold.base.callbacks)

    class Estimator(mixin):
        @decorator
        def fit(self, X, Y):
            """Documented."""
            context = self._init_callback_context(max_subtasks=2)
            whole = task(context, self, X, Y)
            self.stops = [whole.part("epoch").end(dict) for _ in range(2)]
            whole.end(dict)
            return self

    assert Estimator().fit(X, Y).stops == [False, False]
    assert Estimator.fit.__doc__ == "Documented."
    with pytest.raises(ImportError, match=r"`set_callbacks` needs scikit-learn 1\.9 or newer"):
        Estimator().set_callbacks(Recorder())
