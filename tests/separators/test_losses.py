"""The built-in losses, and remixing, through the estimators."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.metrics import sdr
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, _drawn_pairs
from sknmf_unfold.separators._drawn_pairs import remixed_pairs
from sknmf_unfold.separators._pairs import make_pairs
from sknmf_unfold.training.losses import LOSSES
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.targets import check_targets

QUICK = {"n_components": 6, "max_epochs": 2, "random_state": 0}


def sequences(speech, spectrograms):
    mixtures = check_sequences(DRNMFSeparator(), spectrograms, reset=True)
    return mixtures, check_targets(speech[1], mixtures)


def test_the_phase_sensitive_loss_is_the_error_of_complex_frames(speech, spectrograms):
    pairs = make_pairs(LOSSES["phase_sensitive"], *sequences(speech, spectrograms))
    items = zip(spectrograms, speech[1], pairs.mixtures, pairs.targets, strict=True)
    differences = []
    for item, waveform, mixture, target in items:
        X, Y = item.stft(), item.of(waveform).stft()
        rest = np.sum(np.abs(Y) ** 2) - np.sum(target.astype(np.float64) ** 2)
        for seed in range(3):
            mask = np.random.default_rng(seed).uniform(size=X.shape)
            complex_error = np.sum(np.abs(Y - mask * X) ** 2)
            differences.append(complex_error - np.sum((target - mask * mixture) ** 2) - rest)
            assert abs(differences[-1]) < 1e-5 * complex_error


@pytest.mark.parametrize("loss", ["phase_sensitive", "snr", "si_sdr", "snr_compressed"])
@pytest.mark.parametrize("estimator", [DRNMFSeparator, LSTMSeparator, DeepNMFSeparator])
def test_every_network_trains_for_every_loss(estimator, loss, speech):
    settings = {"max_epochs": 6, "random_state": 0, "loss": loss, "learning_rate": 1e-2}
    settings |= {"n_units": 20} if estimator is LSTMSeparator else {"n_components": 6}
    pipe = Pipeline([("stft", STFT()), ("sep", estimator(**settings, remix=False))])
    pipe.fit(*speech, sep__validation_data=speech)
    losses = pipe["sep"].history_["validation_loss"]
    assert losses[pipe["sep"].best_epoch_] == min(losses) < losses[0]
    assert np.isfinite(losses).all()


def test_the_snr_loss_is_what_it_says(speech):
    """Of whole recordings it is the negative ratio up to what their mixtures are."""
    X, Y = speech
    settings = QUICK | {"loss": "snr", "max_epochs": 0}
    pipe = Pipeline([("stft", STFT()), ("sep", DRNMFSeparator(**settings))])
    pipe.fit(X, Y, sep__validation_data=(X[:3], Y[:3]))
    estimates = pipe.predict(X[:3])
    ratios = [
        10 * np.log10(np.sum((y - e) ** 2, dtype=float) / np.sum(x**2, dtype=float) + 1e-3)
        for x, y, e in zip(X, Y, estimates, strict=False)
    ]
    # The frames at both ends reach beyond the recording.
    [loss] = pipe["sep"].history_["validation_loss"]
    assert loss == pytest.approx(np.mean(ratios), abs=0.05)


def test_a_loss_that_needs_a_phase_says_so(speech, spectrograms):
    magnitudes = [item.magnitude() for item in spectrograms]
    targets = [0.5 * x for x in magnitudes]
    for loss in ("phase_sensitive", "snr", "si_sdr", "snr_compressed"):
        with pytest.raises(ValueError, match=f"`loss`='{loss}' needs the phase"):
            DRNMFSeparator(**QUICK, loss=loss).fit(magnitudes, targets)
    DRNMFSeparator(**QUICK).fit(magnitudes, targets)
    with pytest.raises(ValueError, match="`remix`=True mixes waveforms"):
        DRNMFSeparator(**QUICK, remix=True).fit(magnitudes, targets)


@pytest.mark.parametrize("loss", ["signal_approximation", "phase_sensitive", "snr", "si_sdr"])
def test_remixed_epochs_have_the_targets_and_other_mixtures(loss, speech, spectrograms):
    mixtures, targets = sequences(speech, spectrograms)
    remix = remixed_pairs(LOSSES[loss], mixtures, targets, seed=3)
    plain = make_pairs(LOSSES[loss], mixtures, targets)
    (first,), (second,), (again,) = remix(1), remix(2), remix(1)
    for i in range(len(plain)):
        if loss != "phase_sensitive":
            np.testing.assert_array_equal(first.targets[i], plain.targets[i])
        np.testing.assert_array_equal(first.mixtures[i], again.mixtures[i])
        assert first.mixtures[i].shape == plain.mixtures[i].shape
        assert not np.allclose(first.mixtures[i], plain.mixtures[i], rtol=0.1)
        assert not np.allclose(first.mixtures[i], second.mixtures[i], rtol=0.1)


@pytest.mark.parametrize("speed_factors", [[1.0], [0.8, 1.25]])
def test_what_would_not_fit_into_memory_is_remixed_in_parts(
    speed_factors, speech, spectrograms, monkeypatch
):
    mixtures, targets = sequences(speech, spectrograms)
    monkeypatch.setattr(_drawn_pairs, "MAX_REMIXED_BYTES", sum(x.nbytes for x in speech[1]) / 1.25)
    remix = remixed_pairs(LOSSES["snr"], mixtures, targets, seed=3, speed_factors=speed_factors)
    plain = [np.asarray(y) for y in make_pairs(LOSSES["snr"], mixtures, targets).targets]
    orders = []
    for epoch in (1, 2, 1):
        parts = list(remix(epoch))
        assert [len(part) for part in parts] == [
            len(x) for x in np.array_split(range(len(plain)), 3)
        ]
        pairs = [pair for part in parts for pair in zip(part.mixtures, part.targets, strict=True)]
        for x, y in pairs:
            x, y = np.asarray(x), np.asarray(y)
            products = np.sum((x * y.conj()).real, dtype=np.float64)
            assert products > 0.3 * np.linalg.norm(x) * np.linalg.norm(y)
        found = [[i for i, y in enumerate(plain) if np.array_equal(y, x)] for _, x in pairs]
        orders.append([i for each in found for i in each])
    assert orders[0] == orders[2]
    if speed_factors == [1.0]:
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(len(plain)))
        assert orders[0] != orders[1] != sorted(orders[1])


@pytest.mark.parametrize("loss", ["signal_approximation", "phase_sensitive", "snr"])
def test_remixed_epochs_at_other_speeds_have_targets_that_fit(loss, speech, spectrograms):
    mixtures, targets = sequences(speech, spectrograms)
    (pairs,) = remixed_pairs(LOSSES[loss], mixtures, targets, seed=3, speed_factors=[0.8, 1.25])(1)
    lengths = [len(np.asarray(x)) for x in pairs.targets]
    assert lengths == [len(np.asarray(x)) for x in pairs.mixtures]
    for length, item in zip(lengths, spectrograms, strict=True):
        assert length == pytest.approx(len(item) / 0.8, abs=6) or length == pytest.approx(
            len(item) / 1.25, abs=6
        )
    # The targets are those of these mixtures: closer to them than silence is.
    for x, y in zip(pairs.mixtures, pairs.targets, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        products = np.sum((x * y.conj()).real, dtype=np.float64)
        assert products > 0.3 * np.linalg.norm(x) * np.linalg.norm(y)


@pytest.mark.parametrize("loss", LOSSES)
def test_remixed_epochs_are_not_checked_again(loss, speech, spectrograms):
    """What `MixtureDataset` draws goes into training as it is."""
    mixtures, targets = sequences(speech, spectrograms)
    remix = remixed_pairs(LOSSES[loss], mixtures, targets, seed=3, speed_factors=[0.8, 1.25])
    checks = []

    def count(frame, event, _):
        code = frame.f_code
        if event == "call" and Path(code.co_filename).parent.name == "validation":
            checks.append(code.co_name)

    sys.setprofile(count)
    try:
        for pairs in remix(1):
            for frames in (*pairs.mixtures, *pairs.targets):
                np.asarray(frames)
    finally:
        sys.setprofile(None)
    # Properties of the sequences, no checks.
    assert not [name for name in checks if "check" in name]


def test_speeds_are_those_of_the_recipe_unless_given(speech):
    stft, histories = STFT(), {}
    spectrograms = stft.fit_transform(speech[0])
    hundredths = range(80, 121, 2)
    for speed_factors in (None, [hundredth / 100 for hundredth in hundredths], [0.9, 1.0, 1.1]):
        separator = DRNMFSeparator(
            **(QUICK | {"max_epochs": 1, "remix": True, "speed_factors": speed_factors})
        )
        histories[str(speed_factors)] = separator.fit(spectrograms, speech[1]).history_[
            "train_loss"
        ][1]
    recipe, given, other = histories.values()
    assert recipe == given != other
    with pytest.raises(ValueError, match="`speed_factors` is empty"):
        DRNMFSeparator(**QUICK, speed_factors=[]).fit(spectrograms, speech[1])


def test_remixing_trains_on_something_else_each_epoch(speech):
    fits = {}
    for remix in (False, True):
        settings = QUICK | {"max_epochs": 4, "remix": remix}
        pipe = Pipeline([("stft", STFT()), ("sep", DRNMFSeparator(**settings))])
        fits[remix] = pipe.fit(*speech)
    losses = [fit["sep"].history_["train_loss"][1] for fit in fits.values()]
    assert losses[0] != pytest.approx(losses[1], rel=1e-5)
    # They are watched on the same recordings, as they are.
    watched = [fit["sep"].history_["validation_loss"][0] for fit in fits.values()]
    assert watched[0] == watched[1]
    for fit in fits.values():
        assert np.mean(sdr(speech[1], fit.predict(speech[0]))) > 3


def test_remixing_repeats_and_goes_on_after_a_kill(speech, tmp_path):
    settings = QUICK | {"max_epochs": 4, "remix": True}

    def fit(**more):
        pipe = Pipeline([("stft", STFT()), ("sep", DRNMFSeparator(**(settings | more)))])
        return pipe.fit(*speech)["sep"]

    whole = fit()
    np.testing.assert_array_equal(fit().components_, whole.components_)

    separator = DRNMFSeparator(**settings, checkpoint_dir=tmp_path)
    killed = _killed_after(2, separator, *speech)
    resumed = killed.fit(STFT().fit_transform(speech[0]), speech[1])
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    losses = [each.history_["train_loss"] for each in (resumed, whole)]
    np.testing.assert_array_equal(*losses)


class _Killed(BaseException):
    pass


def _killed_after(n_epochs, separator, X, Y):
    from sknmf_unfold.training.loop import Trainer

    original, count = Trainer.epoch, 0

    def epoch(self, batches):
        nonlocal count
        if count == n_epochs:
            raise _Killed
        count += 1
        return original(self, batches)

    Trainer.epoch = epoch
    try:
        with pytest.raises(_Killed):
            separator.fit(STFT().fit_transform(X), Y)
    finally:
        Trainer.epoch = original
    return separator


def test_partial_fit_trains_for_the_loss(speech, spectrograms):
    fits = [
        DRNMFSeparator(**QUICK, loss=loss).partial_fit(spectrograms, speech[1])
        for loss in ("signal_approximation", "snr")
    ]
    assert fits[1].history_["train_loss"][-1] < 0 < fits[0].history_["train_loss"][-1]


@pytest.mark.parametrize("loss", ["signal_approximation", "phase_sensitive", "snr", "si_sdr"])
def test_frames_computed_batch_by_batch_train_the_same(loss, speech, spectrograms, monkeypatch):
    from sknmf_unfold.separators import _frames
    from sknmf_unfold.training.batches import LazyFrames

    kept = DRNMFSeparator(**QUICK, loss=loss).fit(spectrograms, speech[1])
    monkeypatch.setattr(_frames, "MAX_KEPT_BYTES", 0)
    pairs = make_pairs(LOSSES[loss], *sequences(speech, spectrograms))
    assert all(isinstance(x, LazyFrames) for x in pairs.mixtures + pairs.targets)
    computed = DRNMFSeparator(**QUICK, loss=loss).fit(spectrograms, speech[1])
    # The STFT of a part of the frames may round otherwise.
    for name in ("components_", "output_components_", "sparsity_"):
        np.testing.assert_allclose(getattr(computed, name), getattr(kept, name), rtol=1e-3)
    losses = [fit.history_["train_loss"][1:] for fit in (computed, kept)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
