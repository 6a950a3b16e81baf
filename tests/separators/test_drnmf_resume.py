"""`partial_fit` and `warm_start`."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator


def small(**settings):
    defaults = {"n_layers": 2, "n_components": 4, "sparsity": 0.1, "random_state": 0}
    return DRNMFSeparator(**(defaults | settings))


def assert_same(one, other, exactly=True):
    for name in ("components_", "output_components_", "sparsity_", "initial_activations_"):
        compare = np.testing.assert_array_equal if exactly else np.testing.assert_allclose
        compare(getattr(one, name), getattr(other, name))


def test_fit_starts_afresh_without_warm_start(magnitudes):
    X, Y = magnitudes
    once = small(max_epochs=3).fit(X, Y)
    assert_same(small(max_epochs=3).fit(X, Y).fit(X, Y), once)
    # Nothing of partial_fit is left either.
    again = small(max_epochs=3).fit(X, Y).partial_fit(X, Y).fit(X, Y)
    assert_same(again, once)
    assert vars(again).keys() == vars(once).keys()


def test_warm_start_begins_where_the_last_fit_ended(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=4, warm_start=True).fit(X, Y, validation_data=(X, Y))
    first = separator.history_["validation_loss"][separator.best_epoch_]
    masks, start = separator.predict_mask(X), separator.initial_components_
    separator.set_params(max_epochs=0).fit(X, Y, validation_data=(X, Y))
    for before, after in zip(masks, separator.predict_mask(X), strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)
    separator.set_params(max_epochs=4).fit(X, Y, validation_data=(X, Y))
    losses = separator.history_["validation_loss"]
    assert losses[0] == pytest.approx(first, rel=1e-9)
    assert min(losses) < 0.95 * first
    assert len(losses) == 5
    np.testing.assert_array_equal(separator.initial_components_, start)


def test_warm_start_refuses_what_the_model_is_not_made_for(magnitudes, spectrograms, speech):
    X, Y = magnitudes
    separator = small(max_epochs=1, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="`n_layers` is 3, but the fitted model has 2 layers"):
        separator.set_params(n_layers=3).fit(X, Y)
    separator.set_params(n_layers=2)
    assert separator.dynamics_.shape == (8, 8)
    with pytest.raises(ValueError, match="`dynamics` is 'diagonal', but the fitted model has a m"):
        separator.set_params(dynamics="diagonal").fit(X, Y)
    separator.set_params(dynamics="full")
    with pytest.raises(
        ValueError, match="`context` is 2, but the fitted model has 8; training can"
    ):
        separator.set_params(context=2).fit(X, Y)
    separator.set_params(context=None)
    with pytest.raises(
        ValueError, match="`level_frames` is 1, but the fitted model has 250; training can"
    ):
        separator.set_params(level_frames=1).fit(X, Y)
    separator.set_params(level_frames=None)
    with pytest.raises(ValueError, match="`evidence` is False, but the fitted model has evidence"):
        separator.set_params(evidence=False).fit(X, Y)
    separator.set_params(evidence=None)
    with pytest.raises(ValueError, match="X has 9 features"):
        separator.fit([x[:, :9] for x in X], [y[:, :9] for y in Y])
    quick = SupervisedNMFSeparator(4, max_iter=3)
    separator = small(max_epochs=1, warm_start=True, nmf=quick).fit(spectrograms, speech[1])
    with pytest.raises(ValueError, match=r"X was made with .*'hop_length': 64.* was fitted on"):
        separator.fit(STFT(hop_length=64).transform(speech[0]), speech[1])


def test_gated_units_stay_as_many(magnitudes):
    X, Y = magnitudes
    settings = {"max_epochs": 2, "warm_start": True, "evidence": True}
    separator = small(n_gru_units=3, **settings).fit(X, Y)
    learned = separator.gru_evidence_
    separator.set_params(max_epochs=0).fit(X, Y)
    np.testing.assert_allclose(separator.gru_evidence_, learned, rtol=1e-12, atol=0)
    with pytest.raises(ValueError, match="`n_gru_units` is 4, but the fitted model has 3;"):
        separator.set_params(n_gru_units=4).fit(X, Y)


def test_evidence_can_be_added_to_a_fitted_model(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=2, warm_start=True, evidence=False).fit(X, Y)
    masks = separator.predict_mask(X)
    separator.set_params(evidence=True, max_epochs=0).fit(X, Y)
    assert separator.evidence_.shape == separator.components_.shape[1:]
    np.testing.assert_allclose(separator.predict_mask(X)[0], masks[0], rtol=0, atol=1e-12)
    separator.set_params(max_epochs=2).fit(X, Y, validation_data=(X, Y))
    assert np.abs(separator.evidence_).max() > 1e-3


def test_a_level_stays_the_one_of_the_first_fit(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=1, warm_start=True, level_frames=7).fit(X, Y)
    scale = separator.input_scale_
    loud = [10 * x for x in X], [10 * y for y in Y]
    assert separator.fit(*loud).input_scale_ == scale
    assert separator.partial_fit(*loud).input_scale_ == scale
    with pytest.raises(ValueError, match="`level_frames` is 8, but the fitted model has 7"):
        separator.set_params(level_frames=8).fit(X, Y)


@pytest.mark.parametrize("level_frames", [0, 1, 2000])
def test_training_goes_on_with_a_level_of_any_number_of_frames(magnitudes, level_frames):
    X, Y = ([x.astype(np.float32) for x in part] for part in magnitudes)
    separator = small(level_frames=level_frames)
    for _ in range(2):
        separator.partial_fit(X, Y)
    with pytest.raises(ValueError, match="`level_frames` is 30, but the fitted model has"):
        separator.set_params(level_frames=30).partial_fit(X, Y)


def test_the_first_partial_fit_is_an_epoch_from_the_nmf(magnitudes):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(4, sparsity=0.1, random_state=0).fit(X, Y)
    part = small(nmf=nmf).partial_fit(X, Y)
    # One epoch on the same data, watched on them too, so that all recordings are trained on.
    whole = small(nmf=nmf, max_epochs=1).fit(X, Y, validation_data=(X, Y))
    assert whole.best_epoch_ == part.best_epoch_ == 1
    assert_same(part, whole)
    np.testing.assert_array_equal(part.initial_components_, nmf.components_)
    assert part.history_["train_loss"][1] == whole.history_["train_loss"][1]
    assert np.isnan(part.history_["validation_loss"]).all()


def test_partial_fits_are_the_epochs_of_one_fit(magnitudes):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(4, sparsity=0.1, random_state=0).fit(X, Y)
    parts = small(nmf=nmf)
    for _ in range(5):
        parts.partial_fit(X, Y)
    whole = small(nmf=nmf, max_epochs=5).fit(X, Y, validation_data=(X, Y))
    assert whole.best_epoch_ == 5
    assert whole.history_["learning_rate"][-1] == 0.01
    assert_same(parts, whole)
    assert parts.history_["epoch"] == [0, 1, 2, 3, 4, 5]
    assert parts.history_["train_loss"][1:] == whole.history_["train_loss"][1:]


def test_partial_fit_learns_from_other_data_in_turn(magnitudes):
    X, Y = magnitudes
    separator = small(random_state=0)
    start = None
    for _ in range(8):
        for x, y in zip(X, Y, strict=True):
            separator.partial_fit([x], [y])
            start = separator.score(X, Y) if start is None else start
    assert separator.score(X, Y) > start + 1


def test_partial_fit_goes_on_after_fit_and_after_pickling(magnitudes):
    X, Y = magnitudes
    fitted = small(max_epochs=2).fit(X, Y)
    before = fitted.score(X, Y)
    for _ in range(5):
        fitted.partial_fit(X, Y)
    assert fitted.score(X, Y) > before
    twin = pickle.loads(pickle.dumps(fitted))
    assert_same(twin.partial_fit(X, Y), fitted.partial_fit(X, Y))
    assert b"torch" not in pickle.dumps(fitted)
    alone = small(max_epochs=2).fit(X, Y)
    assert not hasattr(alone, "_training_state")


def test_a_learning_rate_set_between_partial_fits_counts(magnitudes):
    X, Y = magnitudes
    separator = small().partial_fit(X, Y).set_params(learning_rate=1e-9)
    before = separator.components_
    separator.partial_fit(X, Y)
    assert separator.history_["learning_rate"][1:] == [0.01, 1e-9]
    # The moving average still comes closer to the weights, which do not move any more.
    separator.partial_fit(X, Y)
    assert not np.array_equal(separator.components_, before)


def test_partial_fit_checks_its_input(magnitudes):
    X, Y = magnitudes
    separator = small()
    with pytest.raises(NotFittedError):
        separator.predict(X)
    separator.partial_fit(X, Y)
    with pytest.raises(ValueError, match="X has 9 features"):
        separator.partial_fit([X[0][:, :9]], [Y[0][:, :9]])
    with pytest.raises(ValueError, match=r"X\[0\] has 40 frames but y\[0\] has 39"):
        separator.partial_fit(X[:1], [Y[0][:-1]])


def test_a_diverging_partial_fit_keeps_the_weights(magnitudes):
    X, Y = magnitudes
    separator = small().partial_fit(X, Y)
    before = separator.predict(X)
    separator.set_params(learning_rate=1e4, sequence_length=5, batch_size=1)
    with pytest.warns(ConvergenceWarning, match="in epoch 2; the weights of epoch 1 are kept"):
        separator.partial_fit(X, Y)
    for expected, now in zip(before, separator.predict(X), strict=True):
        np.testing.assert_allclose(now, expected, rtol=1e-9)
