import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator
from sknmf_unfold.streaming import StreamingSeparator

QUICK = {"n_layers": 4, "n_components": 6, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(speech):
    pipe = Pipeline([("stft", STFT()), ("sep", DeepNMFSeparator(**QUICK))])
    # Watched on what it is trained on, so that some training is kept.
    return pipe.fit(*speech, sep__validation_data=speech)


def test_untrained_it_is_the_nmf_that_it_starts_from(speech, spectrograms):
    # Both begin at the same activations up to their level, which the first update mends.
    settings = {"inference": "mu", "n_iter": 200, "beta_loss": 1, "random_state": 0}
    nmf = SupervisedNMFSeparator(6, **settings).fit(spectrograms, speech[1])
    many = QUICK | {"n_layers": 200, "max_epochs": 0}
    separator = DeepNMFSeparator(nmf=FrozenEstimator(nmf), **many).fit(spectrograms, speech[1])
    masks = zip(separator.predict_mask(spectrograms), nmf.predict_mask(spectrograms), strict=True)
    loud = [x.magnitude() > 0.1 for x in spectrograms]
    errors = [np.abs(a - b)[part] for (a, b), part in zip(masks, loud, strict=True)]
    assert np.quantile(np.concatenate(errors), 0.9) < 0.05


def test_training_lowers_the_loss(speech):
    settings = QUICK | {"max_epochs": 10}
    pipe = Pipeline([("stft", STFT()), ("sep", DeepNMFSeparator(**settings))]).fit(*speech)
    losses = pipe["sep"].history_["validation_loss"]
    assert min(losses) < 0.95 * losses[0]


def test_the_trained_layers(fitted):
    separator = fitted["sep"]
    assert separator.components_.shape == (2, 12, 257)
    np.testing.assert_allclose(np.linalg.norm(separator.components_, axis=-1), 1, rtol=1e-5)
    # And the exponent of the mask.
    assert separator.n_parameters_ == 3 * 12 * 257 + 1
    changes = np.abs(separator.components_ - separator.initial_components_).max(axis=(1, 2))
    assert (changes > 1e-3).all()


@pytest.mark.parametrize("n_trained_layers", [1, 5])
def test_few_and_all_layers_trained(n_trained_layers, speech, spectrograms):
    separator = DeepNMFSeparator(**QUICK, n_trained_layers=n_trained_layers)
    separator.fit(spectrograms, speech[1])
    assert len(separator.components_) == n_trained_layers - 1
    assert separator.transform(spectrograms)[0].shape == (len(spectrograms[0]), 12)
    assert len(separator.get_feature_names_out()) == 12


def test_frames_do_not_depend_on_each_other(fitted, spectrograms):
    magnitude = spectrograms[0].magnitude()
    order = np.random.default_rng(0).permutation(len(magnitude))
    separator = DeepNMFSeparator(**QUICK)
    separator.__dict__.update(vars(fitted["sep"]))
    masks = separator.predict_mask([magnitude, magnitude[order]])
    np.testing.assert_allclose(masks[0][order], masks[1], rtol=0, atol=1e-5)


def test_it_streams(fitted, speech):
    x = speech[0][0]
    stream = StreamingSeparator(fitted)
    parts = [stream.process(x[i : i + 777]) for i in range(0, len(x), 777)]
    actual = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(actual, fitted.predict([x])[0], rtol=0, atol=1e-5)


def test_it_goes_on_from_its_weights(speech, spectrograms):
    separator = DeepNMFSeparator(**QUICK, warm_start=True).fit(spectrograms, speech[1])
    before = min(separator.history_["validation_loss"])
    separator.fit(spectrograms, speech[1])
    assert separator.history_["validation_loss"][0] == pytest.approx(before, rel=1e-5)
    separator.n_trained_layers = 2
    with pytest.raises(ValueError, match="`n_trained_layers` is 2, but the fitted model has 3"):
        separator.fit(spectrograms, speech[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_layers", 0),
        ("n_components", 0),
        ("n_trained_layers", 0),
        ("n_trained_layers", 6),
        ("beta_loss", "itakura-saito"),
        ("beta_loss", 3),
        ("sparsity", -1),
        ("loss", "sdr"),
    ],
)
def test_bad_parameters_are_named(name, value, speech, spectrograms):
    with pytest.raises((ValueError, TypeError), match=f"`{name}`"):
        DeepNMFSeparator(**(QUICK | {name: value})).fit(spectrograms, speech[1])
