import numpy as np
import pytest

from sknmf_unfold import STFT, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr
from sknmf_unfold.runtime.level import MIN_RELATIVE_LEVEL, REFERENCE_LEVEL
from tests.oracles.ista import warm_ista_loop
from tests.oracles.level import at_running_level


def fitted(data, **settings):
    X, Y = data
    settings = {"n_components": 4, "sparsity": 0.1, "random_state": 0} | settings
    return SupervisedNMFSeparator(**settings).fit(X, Y)


def snr(target, estimate):
    return 10 * np.log10(np.sum(target**2) / np.sum((target - estimate) ** 2))


@pytest.mark.parametrize("inference", ["auto", "cd", "mu", "ista", "warm_ista"])
def test_separates_what_was_planted(magnitudes, inference):
    X, Y = magnitudes
    predicted = fitted(magnitudes, inference=inference).predict(X)
    for x, y, z in zip(X, Y, predicted, strict=True):
        assert snr(y, z) > snr(y, x) + 10


@pytest.mark.parametrize("beta_loss", ["kullback-leibler", "itakura-saito", 0.5])
def test_other_divergences_separate(magnitudes, beta_loss):
    X, Y = magnitudes
    predicted = fitted(magnitudes, beta_loss=beta_loss, sparsity=0.01).predict(X)
    assert snr(Y[0], predicted[0]) > snr(Y[0], X[0]) + 5


def test_dictionaries_are_unit_norm_and_in_order(magnitudes):
    separator = fitted(magnitudes)
    for components in (separator.target_components_, separator.interference_components_):
        assert components.shape == (4, 12)
        assert components.min() >= 0
        np.testing.assert_allclose(np.linalg.norm(components, axis=1), 1, rtol=1e-12)
    # Planted low bins are the target's, high bins the interference's.
    assert separator.target_components_[:, :6].sum() > separator.target_components_[:, 6:].sum()
    low, high = np.hsplit(separator.interference_components_, 2)
    assert high.sum() > low.sum()


def test_target_dictionary_is_that_of_sparse_nmf_on_the_targets(magnitudes):
    X, Y = magnitudes
    nmf = SparseNMF(4, sparsity=0.1, random_state=1).fit(Y)
    separator = SupervisedNMFSeparator(4, sparsity=0.1, random_state=0)
    separator.fit_interference(X, nmf.components_)
    np.testing.assert_allclose(separator.target_components_, nmf.components_, rtol=1e-12)


def test_mask_is_the_share_of_the_target(magnitudes):
    X, _ = magnitudes
    separator = fitted(magnitudes)
    activations, masks = separator.transform(X), separator.predict_mask(X)
    target = activations[1][:, :4] @ separator.target_components_
    rest = activations[1][:, 4:] @ separator.interference_components_
    np.testing.assert_allclose(masks[1], target / (target + rest), rtol=1e-10)
    np.testing.assert_allclose(separator.predict(X)[1], masks[1] * X[1], rtol=1e-12)


@pytest.mark.parametrize("n_iter", [1, 2, 5])
def test_warm_ista_equals_the_loop(magnitudes, n_iter):
    X, _ = magnitudes
    separator = fitted(magnitudes, inference="warm_ista", n_iter=n_iter)
    for x, activations in zip(X, separator.transform(X), strict=True):
        x = at_running_level(x, 250, REFERENCE_LEVEL, MIN_RELATIVE_LEVEL)
        expected = warm_ista_loop(x, separator.components_, 0.1, separator.step_size_, n_iter)
        np.testing.assert_allclose(activations, expected, rtol=0, atol=1e-10)


def test_inferences_agree_where_they_converge(magnitudes):
    X, _ = magnitudes
    separator = fitted(magnitudes, n_iter=3000)
    masks = {
        inference: separator.set_params(inference=inference).predict_mask(X)[0]
        for inference in ("auto", "cd", "mu", "ista", "warm_ista")
    }
    np.testing.assert_array_equal(masks["auto"], masks["cd"])
    np.testing.assert_allclose(masks["mu"], masks["ista"], atol=1e-3)
    np.testing.assert_allclose(masks["cd"], masks["ista"], atol=5e-2)
    np.testing.assert_allclose(masks["ista"], masks["warm_ista"], atol=1e-6)


def test_waveforms_come_back_at_their_lengths(speech, spectrograms):
    X, Y = speech
    separator = SupervisedNMFSeparator(20, max_iter=50, random_state=0).fit(spectrograms, Y)
    predicted = separator.predict(spectrograms)
    assert [x.shape for x in predicted] == [x.shape for x in X]
    assert all(x.dtype == np.float32 and np.isfinite(x).all() for x in predicted)
    score = separator.score(spectrograms, Y)
    assert score == pytest.approx(np.mean(sdr(Y, predicted)))
    assert score > np.mean(sdr(Y, X)) + 3


def test_a_table_is_independent_rows(magnitudes):
    X, Y = magnitudes
    table, targets = np.concatenate(X), np.concatenate(Y)
    separator = SupervisedNMFSeparator(4, inference="warm_ista", n_iter=3, random_state=0)
    separator.fit(table, targets)
    order = np.random.RandomState(0).permutation(len(table))
    np.testing.assert_allclose(separator.predict(table)[order], separator.predict(table[order]))
    as_list = separator.predict([table])[0]
    assert not np.allclose(as_list, separator.predict(table)), "a list has a past, a table has none"


def test_silence_stays_silence(spectrograms, speech):
    _, Y = speech
    separator = SupervisedNMFSeparator(5, max_iter=20, random_state=0).fit(spectrograms, Y)
    silent = STFT().transform([np.zeros(3000, dtype="float32")])
    for inference in ("cd", "mu", "ista", "warm_ista"):
        separator.set_params(inference=inference, n_iter=5)
        assert not separator.predict(silent)[0].any()
        assert np.all(separator.predict_mask(silent)[0] == 0.5)


def test_predict_leaves_the_input_and_the_estimator_alone(magnitudes):
    X, _ = magnitudes
    separator = fitted(magnitudes)
    for level in (1e-8, 1.0, 1e4):
        scaled = [x * level for x in X]
        copies = [x.copy() for x in scaled]
        before = set(vars(separator))
        separator.predict(scaled)
        assert set(vars(separator)) == before
        for x, copy in zip(scaled, copies, strict=True):
            np.testing.assert_array_equal(x, copy)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "`n_components` must be a whole number >= 1; got 0"),
        ({"sparsity": -1.0}, "`sparsity` must be a finite number >= 0; got -1.0"),
        (
            {"inference": "fista"},
            "`inference` must be one of 'auto', 'cd', 'mu', 'ista', 'warm_ista'",
        ),
        ({"n_iter": 0}, "`n_iter`"),
        ({"step_size": 0.0}, "`step_size` must be a finite number > 0"),
        ({"inference": "ista", "beta_loss": 1}, "beta_loss='frobenius' only"),
    ],
)
def test_bad_parameters(magnitudes, settings, message):
    with pytest.raises(ValueError, match=message):
        fitted(magnitudes, **settings)


def test_a_model_refuses_another_sample_rate(speech):
    X, Y = speech
    separator = SupervisedNMFSeparator(3, max_iter=5, random_state=0)
    separator.fit(STFT().transform(X), Y)
    with pytest.raises(ValueError, match=r"'sample_rate': 8000.*fitted on"):
        separator.predict(STFT(sample_rate=8000).transform(X))


def test_targets_that_do_not_pair_up(speech, spectrograms):
    _, Y = speech
    separator = SupervisedNMFSeparator(3)
    with pytest.raises(ValueError, match=r"X has 8 items but y has 7"):
        separator.fit(spectrograms, Y[:-1])
    cut = [*Y[:3], Y[3][:-1], *Y[4:]]
    with pytest.raises(ValueError, match=rf"X\[3\] has {len(Y[3])} samples but y\[3\] has"):
        separator.fit(spectrograms, cut)
