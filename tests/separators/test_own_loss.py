"""The user's own function as `loss`."""

import io
import math
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from sknmf_unfold.training.loop import Trainer
from sknmf_unfold.training.losses import INPUTS
from tests._refusals import refuses

QUICK = {"n_components": 4, "max_epochs": 2, "random_state": 0}


def squared(mask, mixture, target):
    """Signal approximation, sequence by sequence."""
    return (mask * mixture - target).square().mean(dim=(1, 2))


def absolute(mask, mixture, target):
    return (mask * mixture - target).abs().mean(dim=(1, 2))


def spectral(mask, mixture, target):
    """The error of complex frames."""
    return (mask * mixture - target).abs().mean(dim=(1, 2))


spectral.input = "complex"


class Power:
    """A loss with a parameter."""

    def __init__(self, power):
        self.power = power

    def __call__(self, mask, mixture, target):
        return (mask * mixture - target).abs().pow(self.power).mean(dim=(1, 2))


@pytest.mark.parametrize("estimator", [DRNMFSeparator, DeepNMFSeparator, LSTMSeparator])
def test_it_trains_as_the_built_in_one_that_it_copies(estimator, magnitudes):
    # Of one length, so that means over sequences and over entries are the same.
    X, Y = ([x[:20] for x in part] for part in magnitudes)
    settings = {"max_epochs": 3, "random_state": 0, "sequence_length": 10, "batch_size": 4}
    settings |= {"n_units": 8} if estimator is LSTMSeparator else {"n_components": 4}
    fits = [
        estimator(**settings, loss=loss).fit(X, Y) for loss in ("signal_approximation", squared)
    ]
    for name in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(*(fit.history_[name][1:] for fit in fits), rtol=1e-9)


@pytest.mark.parametrize("remix", [False, True])
@pytest.mark.parametrize(
    "estimator", [DRNMFSeparator, DeepNMFSeparator, LSTMSeparator, RNNSeparator]
)
def test_every_network_trains_for_it(estimator, remix, speech):
    settings = {"max_epochs": 6, "random_state": 0, "learning_rate": 1e-2, "remix": remix}
    settings |= {"n_components": 6} if hasattr(estimator(), "n_components") else {"n_units": 20}
    pipe = Pipeline([("stft", STFT()), ("sep", estimator(**settings, loss=spectral))])
    pipe.fit(*speech, sep__validation_data=speech)
    losses = pipe["sep"].history_["validation_loss"]
    assert losses[pipe["sep"].best_epoch_] == min(losses) < losses[0]


@pytest.mark.parametrize("frames", INPUTS)
def test_it_gets_whole_frames_of_its_kind_and_no_padding(frames, speech, spectrograms):
    lock, seen = threading.Lock(), []

    def watch(mask, mixture, target):
        with lock:
            seen.append([x.detach().clone() for x in (mask, mixture, target)])
        return absolute(mask, mixture, target)

    watch.input = frames
    separator = DRNMFSeparator(**QUICK, loss=watch, remix=False, sequence_length=10**4)
    separator.fit(spectrograms, speech[1])
    is_complex = frames == "complex"
    for mask, mixture, target in seen:
        assert mask.shape == mixture.shape == target.shape
        assert mixture.is_complex() == target.is_complex() == is_complex
        assert not mask.is_complex() and 0 <= mask.min() <= mask.max() <= 1
    lengths = {len(item) for item in spectrograms}
    assert {mixture.shape[1] for _, mixture, _ in seen} == lengths
    # The first call is the trial on the first recording.
    item, scale = spectrograms[0], separator.input_scale_
    X, Y = item.stft(), item.of(speech[1][0]).stft()
    expected = {
        "magnitude": (np.abs(X), np.abs(Y)),
        "in_phase": (np.abs(X), (Y * X.conj()).real / np.abs(X)),
        "complex": (X, Y),
    }
    for actual, wanted in zip(seen[0][1:], expected[frames], strict=True):
        assert len(actual) == 2
        for row in actual:
            np.testing.assert_allclose(row.cpu().numpy(), scale * wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["magnitudes", "table"])
def test_magnitudes_and_tables(kind, magnitudes):
    X, Y = magnitudes
    if kind == "table":
        X, Y = (np.concatenate(part) for part in (X, Y))
    separator = DRNMFSeparator(**QUICK, loss=absolute).fit(X, Y)
    assert np.isfinite(separator.history_["validation_loss"]).all()
    separator.partial_fit(X, Y)
    assert np.isfinite(separator.history_["train_loss"][1:]).all()


@pytest.mark.parametrize("loss", [absolute, spectral, Power(1.5), torch.nn.functional.l1_loss])
def test_it_survives_clone_and_joblib(loss, magnitudes):
    separator = DRNMFSeparator(**QUICK, loss=loss)
    file = io.BytesIO()
    joblib.dump(separator, file)
    file.seek(0)
    for other in (clone(separator), joblib.load(file)):
        same = other.get_params()["loss"]
        assert same is loss or vars(same) == vars(loss)
    assert type(loss).__name__ in repr(separator) or loss.__name__ in repr(separator)


def test_a_search_over_losses(speech):
    grid = {"sep__loss": ["snr", absolute, spectral, Power(1.5)]}
    pipe = Pipeline([("stft", STFT()), ("sep", DRNMFSeparator(**QUICK))])
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(*speech)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert search.best_params_["sep__loss"] in grid["sep__loss"]


# What is refused

MEAN = "returned shape .*mean over frames and bins is .mean"
BAD = {
    "nothing": (lambda m, x, y: None, TypeError, "returned a NoneType"),
    "a number": (lambda m, x, y: 1.0, TypeError, r"torch.Tensor of shape \(2,\).* a float\."),
    "an array": (lambda m, x, y: m.detach().cpu().numpy(), TypeError, "returned a ndarray"),
    "one for all": (lambda m, x, y: squared(m, x, y).mean(), ValueError, MEAN),
    "one each frame": (lambda m, x, y: (m * x - y).mean(dim=2), ValueError, MEAN),
    "whole numbers": (lambda m, x, y: squared(m, x, y).long(), TypeError, "torch.int64"),
    "complex numbers": (lambda m, x, y: squared(m, x, y) * 1j, TypeError, "torch.complex"),
    "no gradient": (lambda m, x, y: squared(m.detach(), x, y), ValueError, "with a gradient"),
    "no mask": (
        lambda m, x, y: squared(x.clone().requires_grad_(), x, y),
        ValueError,
        "depend on the mask; <lambda> does not",
    ),
    "infinity": (lambda m, x, y: squared(m, x, y) + math.inf, ValueError, "finite .* inf for a"),
    "NaN": (lambda m, x, y: squared(m, x, 0 * y / 0), ValueError, "finite numbers; .* nan for a"),
    "a bad gradient": (
        lambda m, x, y: (m - m).sqrt().mean(dim=(1, 2)) + squared(m, x, y),
        ValueError,
        "finite gradient; that of <lambda> has (inf|nan)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_return_value_is_refused_before_anything_is_computed(name, magnitudes, monkeypatch):
    monkeypatch.setattr(SupervisedNMFSeparator, "fit", lambda *_: pytest.fail("computed"))
    loss, error, message = BAD[name]
    for fit in ("fit", "partial_fit"):
        separator = DRNMFSeparator(**QUICK, loss=loss)
        refuses(f"`loss` must .*{message}", lambda: getattr(separator, fit)(*magnitudes), error)  # noqa: B023
        assert vars(separator).keys() == separator.get_params(deep=False).keys()


def test_bad_parameters_are_refused(magnitudes):
    def strange(mask, mixture, target):
        return absolute(mask, mixture, target)

    strange.input = "waveform"
    names = "'signal_approximation', 'phase_sensitive', 'snr', 'si_sdr', 'snr_compressed'"
    for loss, error, message in (
        ("l1", ValueError, f"must be one of {names}, or a function loss.* got 'l1'"),
        (3, ValueError, "or a function loss.*; got 3"),
        (Power, TypeError, "is the class Power; pass an instance"),
        (strange, ValueError, "`input` of `loss` must be one of .*'complex'; got 'waveform'"),
        (spectral, ValueError, "`loss`=<function spectral.*> needs the phase of spectrograms"),
    ):
        separator = DRNMFSeparator(**QUICK, loss=loss)
        refuses(message, lambda: separator.fit(*magnitudes), error)  # noqa: B023


class Stop(Exception):
    pass


@pytest.mark.parametrize("n_calls", [0, 1, 5])
def test_what_it_raises_passes_through(n_calls, magnitudes):
    error, calls = Stop("mine"), []

    def stops(mask, mixture, target):
        calls.append(1)
        if len(calls) > n_calls:
            raise error
        return absolute(mask, mixture, target)

    separator = DRNMFSeparator(**QUICK, batch_size=1, loss=stops)
    with pytest.raises(Stop) as raised:
        separator.fit(*magnitudes)
    assert raised.value is error
    assert error.__cause__ is None and error.args == ("mine",)
    assert vars(separator).keys() == separator.get_params(deep=False).keys()


def test_a_loss_that_becomes_infinite_later_is_refused(magnitudes):
    calls = []

    def breaks(mask, mixture, target):
        calls.append(1)
        return absolute(mask, mixture, target) * (math.inf if len(calls) > 5 else 1)

    separator = DRNMFSeparator(**QUICK, batch_size=1, loss=breaks)
    refuses("`loss` must return finite numbers", lambda: separator.fit(*magnitudes))


def test_divergence_is_no_fault_of_the_loss(magnitudes):
    settings = QUICK | {"max_epochs": 4, "learning_rate": 1e4, "sparsity": 0.1}
    with pytest.warns(ConvergenceWarning, match="The loss became nan in epoch"):
        DRNMFSeparator(**settings, batch_size=1, loss=absolute).fit(*magnitudes)


# Checkpoints


class Killed(BaseException):
    pass


def killed(separator, data, monkeypatch):
    """Kill a fit in its third epoch."""
    original = Trainer.epoch

    def epoch(self, batches=None):
        if self.n_epochs == 2:
            raise Killed
        return original(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "epoch", epoch)
        with pytest.raises(Killed):
            separator.fit(*data)


@pytest.mark.parametrize("losses", [(absolute, squared), (Power(1.5), Power(2.5))])
def test_its_checkpoint_is_that_of_the_same_function(losses, magnitudes, tmp_path, monkeypatch):
    settings = QUICK | {"max_epochs": 4, "checkpoint_dir": tmp_path}
    whole = DRNMFSeparator(**settings, loss=losses[0]).fit(*magnitudes)
    killed(DRNMFSeparator(**settings, loss=losses[0]), magnitudes, monkeypatch)
    [file] = tmp_path.glob("*.checkpoint")
    content = file.read_bytes()
    other = DRNMFSeparator(**settings, loss=losses[1]).fit(*magnitudes)
    assert file.read_bytes() == content
    epochs, epoch = [], Trainer.epoch
    monkeypatch.setattr(
        Trainer, "epoch", lambda self, *x: epochs.append(self.n_epochs) or epoch(self, *x)
    )
    resumed = DRNMFSeparator(**settings, loss=losses[0]).fit(*magnitudes)
    assert epochs == [2, 3]
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    assert not np.array_equal(other.components_, whole.components_)
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_loss_that_no_other_process_knows_again_is_refused(magnitudes, tmp_path):
    lock = threading.Lock()

    def locked(mask, mixture, target):
        with lock:
            return absolute(mask, mixture, target)

    separator = DRNMFSeparator(**QUICK, loss=locked, checkpoint_dir=tmp_path)
    message = "`loss` is a function that other processes cannot recognise: .*checkpoint_dir=None"
    refuses(message, lambda: separator.fit(*magnitudes), TypeError)
    separator.set_params(checkpoint_dir=None).fit(*magnitudes)
