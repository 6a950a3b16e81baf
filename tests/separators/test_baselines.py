import numpy as np
import pytest
import torch
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.networks.stacked_rnn import StackedRNN, draw_stacked_rnn
from sknmf_unfold.separators import LSTMSeparator, RNNSeparator
from sknmf_unfold.streaming import StreamingSeparator

QUICK = {"n_units": 8, "max_epochs": 2, "random_state": 0}


def network(n_layers=2, n_units=5, n_freqs=9, dtype="float64", kind="lstm"):
    rng = np.random.RandomState(0)
    frames = rng.gamma(0.5, 2.0, (50, n_freqs)).astype(dtype)
    values = draw_stacked_rnn(frames, n_layers, n_units, rng, kind)
    values = {name: torch.from_numpy(np.array(x)) for name, x in values.items()}
    return StackedRNN(values), frames


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_frame(gates, c):
    """Output and memory, gate by gate (Hochreiter and Schmidhuber 1997, with forget gates)."""
    enter, forget, change, out = np.split(gates, 4)
    c = sigmoid(forget) * c + sigmoid(enter) * np.tanh(change)
    return sigmoid(out) * np.tanh(c), c


def relu_frame(gates, c):
    """Output of a layer of the paper's equation 5."""
    return np.maximum(gates, 0), c


FRAMES = {"lstm": lstm_frame, "relu": relu_frame}


def loop(values, magnitude, kind):
    """Masks of one sequence, frame by frame."""
    x = (np.log(magnitude + values["floor"]) - values["offset"]) / values["scale"]
    n_layers = sum(name.startswith("weight_hh") for name in values)
    for k in range(n_layers):
        weights = [values[f"{name}_l{k}"] for name in ("weight_ih", "weight_hh")]
        bias = values[f"bias_ih_l{k}"] + values[f"bias_hh_l{k}"]
        h = c = np.zeros(weights[1].shape[1])
        outputs = []
        for frame in x:
            h, c = FRAMES[kind](weights[0] @ frame + weights[1] @ h + bias, c)
            outputs.append(h)
        x = np.array(outputs)
    return sigmoid(x @ values["output_weights"].T + values["output_biases"])


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("kind", FRAMES)
def test_the_network_is_the_loop_over_frames(kind, n_layers):
    net, frames = network(n_layers, kind=kind)
    values = {name: x.numpy() for name, x in net.values().items()}
    with torch.no_grad():
        masks, _ = net(torch.from_numpy(frames[np.newaxis]))
    np.testing.assert_allclose(masks[0, 0], loop(values, frames, kind), rtol=0, atol=1e-12)
    np.testing.assert_allclose(masks.sum(dim=1), 1, rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", FRAMES)
def test_the_state_carries_on(kind):
    net, frames = network(kind=kind)
    magnitude = torch.from_numpy(frames).reshape(5, 10, 9)
    with torch.no_grad():
        whole, last = net(magnitude)
        first, state = net(magnitude[:, :4])
        second, end = net(magnitude[:, 4:], state)
        forgetful, _ = net(magnitude[:, 4:])
    torch.testing.assert_close(torch.cat([first, second], dim=2), whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(end, last, rtol=0, atol=1e-14)
    assert (forgetful - second).abs().max() > 1e-3


def test_what_goes_in_is_standardised():
    net, frames = network()
    logs = (np.log(frames + float(net.floor)) - net.offset.numpy()) / net.scale.numpy()
    np.testing.assert_allclose(logs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(logs.std(axis=0), 1, atol=1e-12)


def test_constant_and_silent_bins_stay_finite():
    for level in (0.0, 3.0):
        values = draw_stacked_rnn(
            np.full((20, 4), level, np.float32), 1, 3, np.random.RandomState(0)
        )
        net = StackedRNN({name: torch.from_numpy(np.array(x)) for name, x in values.items()})
        with torch.no_grad():
            assert torch.isfinite(net(torch.zeros(2, 5, 4))[0]).all()


def test_no_global_random_state_is_touched():
    state = torch.get_rng_state()
    network()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture(scope="module")
def fitted(speech):
    pipe = Pipeline([("stft", STFT()), ("sep", LSTMSeparator(**QUICK))])
    return pipe.fit(*speech)


@pytest.mark.parametrize("estimator", [LSTMSeparator, RNNSeparator])
def test_training_lowers_the_loss(estimator, speech):
    settings = QUICK | {"max_epochs": 15, "n_units": 30, "learning_rate": 1e-2}
    pipe = Pipeline([("stft", STFT()), ("sep", estimator(**settings))]).fit(*speech)
    losses = pipe["sep"].history_["validation_loss"]
    assert min(losses) < 0.95 * losses[0]
    assert losses[pipe["sep"].best_epoch_] == min(losses)
    # Averaged over the steps of an epoch; the first number is before training.
    train = pipe["sep"].history_["train_loss"]
    assert min(train[1:]) < 0.8 * train[1]


@pytest.mark.parametrize("estimator", [LSTMSeparator, RNNSeparator])
def test_a_gpu_trains_without_a_warning(estimator, speech):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    pipe = Pipeline([("stft", STFT()), ("sep", estimator(**QUICK, device="cuda"))]).fit(*speech)
    gpu = pipe.predict(speech[0][:1])[0]
    cpu = pipe.set_params(sep__device="cpu").predict(speech[0][:1])[0]
    np.testing.assert_allclose(gpu, cpu, atol=1e-4)


def test_the_number_of_parameters(fitted):
    n, f = 8, 257
    layers = 4 * n * (f + n + 2) + 4 * n * (n + n + 2)
    assert fitted["sep"].n_parameters_ == layers + n * f + f


def test_the_rnn_has_a_quarter_of_the_gates(speech, spectrograms):
    n, f = 8, 257
    separator = RNNSeparator(**QUICK).fit(spectrograms, speech[1])
    layers = n * (f + n + 2) + n * (n + n + 2)
    assert separator.n_parameters_ == layers + n * f + f


def test_the_same_seed_gives_the_same_bits(fitted, speech):
    again = Pipeline([("stft", STFT()), ("sep", LSTMSeparator(**QUICK))]).fit(*speech)
    for name, value in fitted["sep"].weights_.items():
        np.testing.assert_array_equal(again["sep"].weights_[name], value)


def test_a_batch_is_as_one_by_one(fitted, speech):
    X, _ = speech
    for x, together in zip(X, fitted.predict(X), strict=True):
        assert together.shape == x.shape and together.dtype == x.dtype
        np.testing.assert_allclose(fitted.predict([x])[0], together, rtol=0, atol=1e-5)


@pytest.mark.parametrize("estimator", [LSTMSeparator, RNNSeparator])
def test_it_streams(estimator, speech):
    x = speech[0][0]
    fitted = Pipeline([("stft", STFT()), ("sep", estimator(**QUICK, device="cpu"))])
    fitted.fit(*speech)
    stream = StreamingSeparator(fitted)
    parts = [stream.process(x[i : i + 1000]) for i in range(0, len(x), 1000)]
    actual = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(actual, fitted.predict([x])[0], rtol=0, atol=1e-5)


def test_transform_gives_hidden_units(fitted, spectrograms):
    units = fitted["sep"].transform(spectrograms)
    assert [x.shape for x in units] == [(len(item), 8) for item in spectrograms]
    assert len(fitted["sep"].get_feature_names_out()) == 8


def test_it_goes_on_from_its_weights(speech, spectrograms):
    Y = speech[1]
    separator = LSTMSeparator(**QUICK, warm_start=True).fit(spectrograms, Y)
    before = min(separator.history_["validation_loss"])
    separator.fit(spectrograms, Y)
    assert separator.history_["validation_loss"][0] == pytest.approx(before, rel=1e-5)
    separator.n_layers = 3
    with pytest.raises(ValueError, match="`n_layers` is 3 and `n_units` is 8, but the fitted"):
        separator.fit(spectrograms, Y)


def test_partial_fit_trains_once_more(speech, spectrograms):
    separator = LSTMSeparator(**QUICK).partial_fit(spectrograms, speech[1])
    first = {name: x.copy() for name, x in separator.weights_.items()}
    separator.partial_fit(spectrograms, speech[1])
    assert any(not np.array_equal(separator.weights_[name], x) for name, x in first.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_layers", 0),
        ("n_units", 0),
        ("n_units", 2.5),
        ("recipe", "other"),
        ("learning_rate", 0),
        ("batch_size", "many"),
        ("validation_fraction", 1.0),
        ("warm_start", "yes"),
        ("loss", "sdr"),
        ("remix", 1),
        ("verbose", "loud"),
    ],
)
def test_bad_parameters_are_named(name, value, speech, spectrograms):
    with pytest.raises((ValueError, TypeError), match=f"`{name}`"):
        LSTMSeparator(**(QUICK | {name: value})).fit(spectrograms, speech[1])


def test_the_paper_s_recipe():
    settings = LSTMSeparator(recipe="paper")._check_parameters()
    assert settings["learning_rate"] == 1e-4 and settings["max_gradient_norm"] == 1.0
    assert settings["patience"] == 50 and settings["sequence_length"] == 500
