"""The bound on attenuation: masks of at least so many decibels below 1, wherever they apply."""

import functools

import numpy as np
import pytest
import sklearn
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from sknmf_unfold.signal.stft import istft, stft
from sknmf_unfold.streaming import StreamingSeparator
from tests._factories import drnmf, supervised
from tests._refusals import refuses

SETTINGS = {"n_fft": 64, "hop_length": 16}
NETWORK = {"max_epochs": 1, "random_state": 0}
SEPARATORS = {
    "supervised": supervised(),
    "drnmf": drnmf(),
    "deep nmf": DeepNMFSeparator(n_components=3, **NETWORK),
    "lstm": LSTMSeparator(n_units=4, **NETWORK),
    "rnn": RNNSeparator(n_units=4, **NETWORK),
}


@pytest.fixture(scope="module", params=SEPARATORS)
def pipe(request, speech):
    X, Y = speech
    steps = [("stft", STFT(**SETTINGS)), ("sep", SEPARATORS[request.param])]
    return Pipeline(steps).fit(X[:4], Y[:4])


def unbounded_masks(pipe, X):
    return pipe["sep"].predict_mask(pipe["stft"].transform(X))


def bounded_by_hand(x, mask, decibels):
    """The separated waveform: frames times the mask, each at least so many decibels below 1."""
    floor = np.exp(-decibels * np.log(10) / 20)
    gains = np.where(mask < floor, floor, mask)
    return istft(stft(x, **SETTINGS) * gains, len(x), **SETTINGS)


def median_attenuation(pipe, X):
    """A bound that half of the masks exceed."""
    return -20 * np.log10(np.median(np.concatenate(unbounded_masks(pipe, X))))


@pytest.mark.parametrize("decibels", [0, 3.5, "median", np.float32(40)])
def test_masks_have_a_floor(pipe, speech, decibels):
    X = speech[0][4:]
    masks = unbounded_masks(pipe, X)
    if decibels == "median":
        decibels = median_attenuation(pipe, X)
    expected = [bounded_by_hand(x, m, decibels) for x, m in zip(X, masks, strict=True)]
    actual = pipe.predict(X, max_attenuation=decibels)
    for x, one, other in zip(X, actual, expected, strict=True):
        assert one.dtype == x.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_streams_give_what_predict_gives(pipe, speech):
    x = speech[0][5]
    bound = median_attenuation(pipe, [x])
    stream = StreamingSeparator(pipe, max_attenuation=bound)
    parts = [stream.process(x[i : i + 333]) for i in range(0, len(x), 333)]
    actual = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(actual, pipe.predict([x], max_attenuation=bound)[0], atol=1e-5)
    assert np.abs(actual - pipe.predict([x])[0]).max() > 1e-5


def test_no_attenuation_leaves_the_mixture(pipe, speech):
    for x, y in zip(speech[0], pipe.predict(speech[0], max_attenuation=0), strict=True):
        np.testing.assert_allclose(y, x, atol=1e-6)


def test_none_and_a_bound_that_no_mask_reaches_change_nothing(pipe, speech):
    X = speech[0][4:]
    for bound in (None, 1e300):
        for one, other in zip(pipe.predict(X, max_attenuation=bound), pipe.predict(X), strict=True):
            np.testing.assert_array_equal(one, other)


def test_masks_magnitudes_and_tables(pipe, speech):
    spectrograms = pipe["stft"].transform(speech[0][4:6])
    [plain, _] = pipe["sep"].predict_mask(spectrograms)
    [bounded, _] = pipe["sep"].predict_mask(spectrograms, max_attenuation=6)
    np.testing.assert_array_equal(bounded, plain.clip(np.float32(10**-0.3)))
    magnitude = spectrograms[0].magnitude()
    for X, convert in ((magnitude, np.asarray), ([magnitude], lambda result: result[0])):
        mask = convert(pipe["sep"].predict_mask(X))
        separated = convert(pipe["sep"].predict(X, max_attenuation=6))
        np.testing.assert_allclose(separated, magnitude * mask.clip(10**-0.3), rtol=1e-5)


def test_bad_bounds_are_refused(pipe, speech):
    X = speech[0][:1]
    calls = (
        lambda bound: pipe.predict(X, max_attenuation=bound),
        lambda bound: pipe["sep"].predict_mask(pipe["stft"].transform(X), max_attenuation=bound),
        lambda bound: StreamingSeparator(pipe, max_attenuation=bound),
    )
    for call in calls:
        for bound in (-1, np.nan, np.inf):
            message = "`max_attenuation` must be a finite number >= 0"
            refuses(message, functools.partial(call, bound))
        for bound in ("12", True, [12]):
            message = "`max_attenuation` must be a finite number"
            refuses(message, functools.partial(call, bound), TypeError)


def test_routed_as_metadata(pipe, speech):
    X = speech[0][:1]
    expected = pipe.predict(X, max_attenuation=6)[0]
    with sklearn.config_context(enable_metadata_routing=True):
        asking = Pipeline([pipe.steps[0], ("sep", pipe["sep"])])
        try:
            asking["sep"].set_predict_request(max_attenuation=True)
            np.testing.assert_array_equal(asking.predict(X, max_attenuation=6)[0], expected)
        finally:
            asking["sep"].set_predict_request(max_attenuation=None)
