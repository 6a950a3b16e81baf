"""Training on mixtures that a dataset draws every epoch, in place of those passed to fit."""

import numpy as np
import pytest

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import MixtureDataset, make_noisy_speech
from sknmf_unfold.separators import LSTMSeparator, _drawn_pairs
from sknmf_unfold.separators._drawn_pairs import DrawnPairs
from sknmf_unfold.signal.stft import stft
from sknmf_unfold.training.losses import LOSSES
from sknmf_unfold.validation.sequences import Sequences

QUICK = {"max_epochs": 2, "random_state": 0}
SMALL = QUICK | {"n_components": 4}


@pytest.fixture(scope="module")
def speech():
    return make_noisy_speech(4, duration=0.5, random_state=0)


@pytest.fixture(scope="module")
def dataset(speech):
    X, Y = speech
    interference = [x - y for x, y in zip(X, Y, strict=True)]
    return MixtureDataset(Y[2:], interference, snr_db=[0.0], random_state=5)


@pytest.fixture(scope="module")
def spectrograms(speech):
    return STFT().fit_transform(speech[0])


@pytest.mark.parametrize("loss", ["signal_approximation", "snr"])
def test_frames_are_those_of_the_drawn_mixtures(loss, dataset, spectrograms):
    drawn = DrawnPairs(LOSSES[loss], dataset, Sequences(spectrograms, "spectrograms"), 2.0)
    for epoch in (1, 2):
        (pairs,) = drawn(epoch)
        for found, waveforms in zip(
            (pairs.mixtures, pairs.targets), dataset.draw(epoch), strict=True
        ):
            for frames, waveform in zip(found, waveforms, strict=True):
                expected = 2 * stft(waveform, 512, 128, "sqrt_hann")
                expected = expected if loss == "snr" else np.abs(expected)
                np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=1e-5)


def test_training_has_the_drawn_mixtures_and_the_start_those_of_fit(speech, spectrograms):
    """A tone that only the drawn mixtures have is what the trained model takes away."""
    _, Y = speech
    tone = 0.3 * np.sin(2 * np.pi * 3000 / 16000 * np.arange(16000)).astype("float32")
    dataset = MixtureDataset(Y, [tone], snr_db=[-3.0])
    separator = DRNMFSeparator(n_components=4, max_epochs=20, random_state=0)
    plain = DRNMFSeparator(n_components=4, max_epochs=0, random_state=0).fit(spectrograms, Y)
    separator.fit(spectrograms, Y, training_mixtures=dataset)
    np.testing.assert_array_equal(separator.initial_components_, plain.initial_components_)
    assert separator.input_scale_ == plain.input_scale_
    mixed = STFT().fit_transform([y + tone[: len(y)] for y in Y])
    bins = slice(94, 99)
    drawn, start = (
        np.concatenate(each.predict_mask(mixed))[:, bins].mean() for each in (separator, plain)
    )
    assert drawn < 0.5 * start


@pytest.mark.parametrize("separator", [DRNMFSeparator(**SMALL), LSTMSeparator(1, 4, **QUICK)])
def test_other_seeds_of_the_dataset_train_another_model(separator, speech, dataset, spectrograms):
    _, Y = speech
    weights = []
    for seed in (5, 5, 6):
        other = MixtureDataset(dataset.targets, dataset.interference, random_state=seed)
        fitted = separator.fit(spectrograms, Y, training_mixtures=other)
        weights.append(np.concatenate(fitted.predict_mask(spectrograms)))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_waveforms_of_another_dtype_are_converted(speech, spectrograms):
    X, Y = ([x.astype("float64") for x in part] for part in speech)
    dataset = MixtureDataset(Y, X)
    separator = DRNMFSeparator(**SMALL).fit(spectrograms, speech[1], training_mixtures=dataset)
    assert separator.components_.dtype == np.float32


def test_a_checkpoint_belongs_to_one_dataset(monkeypatch, tmp_path, speech, dataset, spectrograms):
    separator = DRNMFSeparator(**SMALL, checkpoint_dir=tmp_path)
    whole = DRNMFSeparator(**SMALL).fit(spectrograms, speech[1], training_mixtures=dataset)
    plan = _drawn_pairs.plan_mixtures

    def interrupted(dataset, epoch, order):
        if epoch == 2:
            raise KeyboardInterrupt
        return plan(dataset, epoch, order)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_drawn_pairs, "plan_mixtures", interrupted)
        separator.fit(spectrograms, speech[1], training_mixtures=dataset)
    (left,) = tmp_path.iterdir()
    other = MixtureDataset(dataset.targets, dataset.interference, random_state=7)
    separator.fit(spectrograms, speech[1], training_mixtures=other)
    assert list(tmp_path.iterdir()) == [left]
    separator.fit(spectrograms, speech[1], training_mixtures=dataset)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(separator.components_, whole.components_)


@pytest.mark.parametrize(
    ("parameters", "training_mixtures", "message"),
    [
        ({}, [np.ones(9)], r"`training_mixtures` must be a MixtureDataset; got \[array"),
        ({"remix": False}, None, "which remix=False forbids"),
        ({"gain_db": [0.0]}, None, r"`gain_db`=\[0.0\] does not apply to `training_mixtures`"),
        ({"speed_factors": [1.0]}, None, r"`speed_factors`=\[1.0\] does not apply"),
    ],
)
def test_contradictions_are_refused(
    parameters, training_mixtures, message, speech, dataset, spectrograms
):
    separator = DRNMFSeparator(**SMALL, **parameters)
    with pytest.raises((TypeError, ValueError), match=message):
        separator.fit(spectrograms, speech[1], training_mixtures=training_mixtures or dataset)


def test_another_sampling_rate_is_refused(speech, dataset, spectrograms):
    other = MixtureDataset(dataset.targets, dataset.interference, sample_rate=8000)
    with pytest.raises(ValueError, match="have sample_rate=8000 Hz, but X has 16000 Hz"):
        DRNMFSeparator(**SMALL).fit(spectrograms, speech[1], training_mixtures=other)


def test_magnitudes_are_refused(speech, dataset, spectrograms):
    magnitudes = [item.magnitude() for item in spectrograms]
    with pytest.raises(ValueError, match="so X must be spectrograms"):
        DRNMFSeparator(**SMALL).fit(
            magnitudes, [0.5 * x for x in magnitudes], training_mixtures=dataset
        )
