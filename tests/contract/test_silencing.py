"""Warnings of sparsity weights that silence the data, and of training that diverged."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator, RNNSeparator
from sknmf_unfold.streaming import StreamingSeparator
from tests._refusals import refuses

RNG = np.random.RandomState(0)
LOUD = RNG.gamma(0.5, 20.0, (150, 12))
UNIT = normalize(LOUD)
SILENCED = "all activations are 0 though X is not"


def tf_idf():
    """Rows as of a dense tf-idf matrix: many zeros, unit norm."""
    words = RNG.poisson(0.05, (60, 200)) * RNG.gamma(2.0, 1.0, 200)
    return normalize(words[words.any(axis=1)])


def nmf(**settings):
    return SparseNMF(**({"n_components": 5, "max_iter": 20, "random_state": 0} | settings))


def supervised(**settings):
    quick = {"n_components": 3, "max_iter": 10, "n_iter": 5, "random_state": 0}
    return SupervisedNMFSeparator(**(quick | settings))


def drnmf(**settings):
    quick = {"n_components": 3, "max_epochs": 1, "random_state": 0, "device": "cpu"}
    return DRNMFSeparator(**(quick | settings))


def warnings_of(call):
    """The messages of silencing, all of which have to come from the line in this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [w for w in caught if SILENCED in str(w.message)]
    assert all(w.filename == __file__ for w in found), [w.filename for w in found]
    return [str(w.message) for w in found]


@pytest.mark.parametrize("solver", ["auto", "mu"])
@pytest.mark.parametrize(
    ("X", "suggested"),
    [(UNIT, "0.1"), (tf_idf(), "0.1"), (load_digits().data / 100, "0.06")],
    ids=["unit rows", "tf-idf", "digits"],
)
def test_data_that_the_default_sparsity_silences(X, suggested, solver):
    said = warnings_of(lambda: nmf(solver=solver).fit_transform(X))
    assert len(said) == 1, "once a call, of fit and of transform"
    assert f"for these data about {suggested}, or" in said[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        activations = nmf(solver=solver, sparsity=float(suggested)).fit_transform(X)
    # The advice is good: most rows have activations.
    assert (activations > 1e-6).any(axis=1).mean() > 0.5


CALLS = {
    "fit": lambda X, s: nmf(sparsity=s).fit(X),
    "fit of a list": lambda X, s: nmf(sparsity=s).fit([X[:100], X[100:]]),
    "fit in batches": lambda X, s: nmf(sparsity=s, batch_size=50).fit(X),
    "partial_fit": lambda X, s: nmf(sparsity=s).partial_fit(X),
    "set_output": lambda X, s: nmf(sparsity=s).set_output(transform="pandas").fit_transform(X),
    "pipeline": lambda X, s: make_pipeline(nmf(sparsity=s)).fit_transform(X),
    "supervised": lambda X, s: supervised(sparsity=s).fit(X, 0.5 * X),
    "supervised, a list": lambda X, s: supervised(sparsity=s).fit([X], [0.5 * X]),
    "DR-NMF": lambda X, s: drnmf(sparsity=s).fit([X, X], [0.5 * X, 0.5 * X]),
    "DR-NMF from an unfitted one": lambda X, s: drnmf(nmf=supervised(sparsity=s), sparsity=s).fit(
        X, 0.5 * X
    ),
    "DR-NMF from a dictionary": lambda X, s: drnmf(
        nmf=nmf(n_components=3, sparsity=0.01).fit(LOUD), sparsity=s
    ).fit(X, 0.5 * X),
    "DR-NMF from a fitted one": lambda X, s: drnmf(
        nmf=FrozenEstimator(supervised(sparsity=0.01).fit(LOUD, 0.5 * LOUD)), sparsity=s
    ).fit(X, 0.5 * X),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_way_to_fit_warns_once(call):
    (said,) = warnings_of(lambda: CALLS[call](LOUD, 1000))
    assert "`sparsity`=1000 is in the units of the frames (rows)" in said
    assert not warnings_of(lambda: CALLS[call](LOUD, 0.1))
    assert not warnings_of(lambda: CALLS[call](0 * LOUD, 1000)), "silence may be silent"


def test_other_divergences_are_not_accused():
    for beta_loss in (1, 0, 0.5, 1.5):
        assert not warnings_of(lambda b=beta_loss: nmf(beta_loss=b).fit_transform(UNIT))
    assert not warnings_of(
        lambda: DeepNMFSeparator(3, 2, max_epochs=1).fit([UNIT] * 2, [0.5 * UNIT] * 2)
    )
    assert not warnings_of(lambda: nmf(sparsity=0).fit_transform(1e-6 * UNIT))


METHODS = ("predict", "predict_mask", "transform")


@pytest.mark.parametrize("inference", ["auto", "mu", "ista", "warm_ista"])
@pytest.mark.parametrize("method", METHODS)
def test_separation_of_what_is_too_quiet_warns_once(method, inference):
    # Without a running level, recordings are as quiet as they are beside those of the fit.
    separator = supervised(inference=inference, n_iter=100, level_frames=0)
    use = getattr(separator.fit(LOUD, 0.5 * LOUD), method)
    quiet = 0.03 * LOUD
    for X in (quiet, [quiet[:80], quiet[80:]]):
        (said,) = warnings_of(lambda X=X: use(X))
        assert "`sparsity`=1 is in the units of the frames" in said
    # A few quiet frames are a pause, and a silent frame needs nothing.
    for X in (quiet[:20], 0.1 * LOUD[:5], 0 * LOUD, np.vstack([LOUD[:1], quiet[:50]]), LOUD):
        assert not warnings_of(lambda X=X: use(X))


def test_spectrograms_that_are_too_quiet_warn_once():
    waves = [RNG.uniform(-1, 1, n) for n in (3000, 2000)]
    stft = STFT(64, 16)
    separator = supervised(level_frames=0).fit(stft.transform(waves), [0.5 * x for x in waves])
    quiet = stft.transform([1e-3 * x for x in waves])
    for method in METHODS:
        assert len(warnings_of(lambda m=method: getattr(separator, m)(quiet))) == 1
    assert len(warnings_of(lambda: separator.score(quiet, waves))) == 1
    stream = StreamingSeparator(separator)
    # Sound as it comes has pauses.
    assert not warnings_of(lambda: stream.process(1e-3 * waves[0]))


def test_pauses_in_a_stream_of_batches_are_no_reason_to_warn():
    model = nmf().partial_fit(LOUD)
    assert not warnings_of(lambda: model.partial_fit(UNIT))
    model = nmf()
    assert not warnings_of(lambda: model.partial_fit(0.1 * UNIT[:20]))
    assert len(warnings_of(lambda: model.partial_fit(UNIT))) == 1
    assert len(warnings_of(lambda: model.partial_fit(UNIT))) == 1, "nothing is learned yet"


def test_training_that_diverged_is_told_by_transform():
    rnn = RNNSeparator(2, 4, max_epochs=1, random_state=0, device="cpu").fit(
        [LOUD] * 2, [0.5 * LOUD] * 2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(rnn.transform([LOUD])[0]).all()
    # Weights as a learning rate of 1 leaves them: finite, but not what they make of sound.
    rnn.weights_ = {name: np.abs(x) for name, x in rnn.weights_.items()}
    rnn.weights_["weight_hh_l0"] = 1e30 * rnn.weights_["weight_hh_l0"]
    rnn.weights_["bias_ih_l0"] = 100 + rnn.weights_["bias_ih_l0"]
    X = [LOUD.astype("float32")]
    with pytest.warns(RuntimeWarning, match="infinite activations: .* lower `learning_rate`"):
        rnn.transform(X)
    signs = np.where(np.eye(12, 4), 1, -1)
    rnn.weights_["output_weights"] = signs * rnn.weights_["output_weights"]
    refuses("masks of these mixtures are no numbers: .*lower", lambda: rnn.predict(X))
    refuses("masks of these mixtures are no numbers: .*lower", lambda: rnn.predict_mask(X))
