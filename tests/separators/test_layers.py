"""Activations after any layer, against loops and shorter models."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sknmf_unfold.separators import DeepNMFSeparator, DRNMFSeparator, _blocks
from sknmf_unfold.separators._drnmf_weights import WEIGHT_ATTRIBUTES
from tests._factories import drnmf, stft, supervised
from tests.oracles.recurrence import MODELS, draw_weights, layer_loop

N_LAYERS, N_COMPONENTS, N_FREQS = 3, 6, 9
RNG = np.random.default_rng(0)
X = [RNG.gamma(0.5, 2.0, (n, N_FREQS)) for n in (7, 1, 4)]
Y = [0.5 * x for x in X]


def of_weights(weights):
    """A fitted separator with these weights, which takes magnitudes at the level they have."""
    half = len(weights["initial_activations"]) // 2
    model = DRNMFSeparator(N_LAYERS, half, max_epochs=0, level_frames=0, random_state=0)
    model.fit(X, Y)
    for name, attribute in WEIGHT_ATTRIBUTES.items():
        setattr(model, attribute, weights[name])
    model.input_scale_ = 1.0
    return model


@pytest.mark.parametrize("kind", MODELS)
def test_every_layer_is_that_of_the_loop(kind, monkeypatch):
    weights = draw_weights(N_LAYERS, N_COMPONENTS, N_FREQS, **MODELS[kind])
    model = of_weights(weights)
    # Several blocks, which a state connects.
    monkeypatch.setattr(_blocks, "BLOCK_FRAMES", 9)
    loops = [layer_loop(weights, x) for x in X]
    assert np.abs(loops[0][1:, 0] - loops[0][1:, -1]).max() > 0.1
    for layer in range(-N_LAYERS, N_LAYERS):
        for found, expected in zip(model.transform(X, layer=layer), loops, strict=True):
            np.testing.assert_allclose(found, expected[:, layer], rtol=1e-9, atol=1e-12)


def test_one_recording_and_single_precision():
    weights = draw_weights(N_LAYERS, N_COMPONENTS, N_FREQS, **MODELS["all"])
    [found] = of_weights(weights).transform([X[0].astype("float32")], layer=0)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, layer_loop(weights, X[0])[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer", range(N_LAYERS))
def test_a_single_frame_is_that_of_a_shorter_model(layer):
    # Later frames are not: they start from the last layer of the whole model.
    weights = draw_weights(N_LAYERS, N_COMPONENTS, N_FREQS, **MODELS["all"])
    cut = {name: weights[name][: layer + 1] for name in ("components", "envelopes")}
    cut |= {name: weights[name][: layer + 1] for name in ("step_sizes", "sparsity")}
    table = np.concatenate(X)
    shorter = of_weights(weights | cut).transform(table)
    np.testing.assert_allclose(of_weights(weights).transform(table, layer=layer), shorter)


def test_the_last_layer_is_the_default():
    model = drnmf(n_layers=2).fit(X, Y)
    for found, expected in zip(model.transform(X, layer=1), model.transform(X), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_trained_layers", [1, 3, 5])
def test_updates_of_a_deep_nmf_are_those_of_a_shorter_one(n_trained_layers):
    settings = {"n_layers": 4, "n_trained_layers": n_trained_layers, "nmf": supervised()}
    model = DeepNMFSeparator(**settings, max_epochs=1, random_state=0).fit(X, Y)
    # Far from what it started from, and each its own way.
    drawn = RNG.gamma(0.5, 1.0, model.components_.shape) + 1e-3
    model.components_ = drawn / np.linalg.norm(drawn, axis=2, keepdims=True)
    whole = [model.transform(X, layer=k) for k in range(4)]
    trained = model.components_
    for k in range(4):
        kept = max(k + 1 - (4 - len(trained)), 0)
        model.components_ = trained[:kept]
        model.set_params(n_layers=k + 1, n_trained_layers=kept + 1)
        for found, expected in zip(whole[k], model.transform(X), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.abs(whole[0][0] - whole[-1][0]).max() > 1e-2


def test_of_a_list_of_data_frames():
    model = drnmf(n_layers=2).fit(X, Y).set_output(transform="pandas")
    frame = model.transform(X, layer=0)[0]
    assert list(frame.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(
        frame, clone(model).set_output(transform="default").fit(X, Y).transform(X, layer=0)[0]
    )


def test_silence_has_no_activations():
    waves = [0.1 * RNG.standard_normal(n) for n in (400, 300)]
    model = drnmf(n_layers=2, max_epochs=0)
    model.fit(stft().transform(waves), [0.5 * wave for wave in waves])
    spectrograms = stft().transform([np.zeros(300), waves[0], np.zeros(1)])
    silent, loud, _ = activations = model.transform(spectrograms, layer=0)
    assert [len(each) for each in activations] == [len(each) for each in spectrograms]
    assert not silent.any() and loud.any()


@pytest.mark.parametrize("layer", [2, -3, 10**30])
def test_no_such_layer(layer):
    model = drnmf(n_layers=2).fit(X, Y)
    with pytest.raises(ValueError, match="`layer` must be a whole number >= -2 and <= 1; got"):
        model.transform(X, layer=layer)


@pytest.mark.parametrize("layer", [0.0, "0", None, True])
def test_a_layer_is_a_whole_number(layer):
    with pytest.raises(TypeError, match="`layer` must be a whole number"):
        drnmf(n_layers=2).fit(X, Y).transform(X, layer=layer)


def test_an_unfitted_separator_has_no_layers():
    with pytest.raises(NotFittedError):
        drnmf().transform(X, layer=0)
