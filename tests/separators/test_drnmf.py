import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator

# The model of the paper, from which the default one goes further.
PAPER = {"dynamics": "identity", "context": 1, "evidence": False}


def small(**settings):
    defaults = {"n_layers": 2, "n_components": 4, "sparsity": 0.1, "random_state": 0} | PAPER
    return DRNMFSeparator(**(defaults | settings))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_untrained_equals_warm_start_ista(magnitudes, n_layers, dtype):
    X, Y = ([x.astype(dtype) for x in part] for part in magnitudes)
    nmf = SupervisedNMFSeparator(
        4, sparsity=0.1, inference="warm_ista", n_iter=n_layers, random_state=0
    ).fit(X, Y)
    untrained = small(n_layers=n_layers, nmf=nmf, max_epochs=0).fit(X, Y)
    atol = 1e-5 if dtype == "float32" else 1e-10
    for expected, mask in zip(nmf.predict_mask(X), untrained.predict_mask(X), strict=True):
        assert mask.dtype == dtype
        assert 0.05 < np.std(expected), "a constant mask would prove nothing"
        np.testing.assert_allclose(mask, expected, rtol=0, atol=atol)


def test_training_lowers_the_loss_and_raises_the_score(magnitudes):
    X, Y = magnitudes
    start = small(max_epochs=0).fit(X, Y)
    trained = small(max_epochs=30, validation_fraction=0.3).fit(X, Y)
    assert trained.score(X, Y) > start.score(X, Y) + 1
    losses = trained.history_["validation_loss"]
    assert min(losses) == losses[trained.best_epoch_] < 0.8 * losses[0]
    assert len(losses) == len(trained.history_["train_loss"]) == len(trained.history_["epoch"])


def test_recorded_loss_is_that_of_the_kept_weights(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=10).fit(X, Y, validation_data=(X, Y))
    masks = separator.predict_mask(X)
    errors = [(y - m * x) ** 2 for x, y, m in zip(X, Y, masks, strict=True)]
    loss = separator.history_["validation_loss"][separator.best_epoch_]
    # At the reference level.
    error = separator.input_scale_**2 * np.concatenate(errors).mean()
    assert error == pytest.approx(loss, rel=1e-9)


def test_dictionaries_stay_non_negative_with_unit_norm(magnitudes):
    X, Y = magnitudes
    separator = small(n_layers=3, max_epochs=20).fit(X, Y)
    assert separator.components_.shape == (3, 8, 12)
    assert separator.output_components_.shape == (8, 12)
    assert separator.initial_activations_.shape == (8,)
    assert separator.sparsity_.shape == (3, 8)
    for name in ("components_", "output_components_", "initial_activations_", "sparsity_"):
        assert getattr(separator, name).min() >= 0, name
    np.testing.assert_allclose(np.linalg.norm(separator.components_, axis=-1), 1, rtol=1e-12)
    # Untied: training moved every layer, and each its own way.
    assert not np.allclose(separator.components_[0], separator.initial_components_)
    assert not np.allclose(separator.components_[0], separator.components_[1])


def test_sparsity_weights_and_the_mask_exponent_are_learned_by_the_default_recipe_only(magnitudes):
    X, Y = magnitudes
    model = {"dynamics": "identity", "context": 1, "evidence": False, "level_frames": 0}
    fixed = small(max_epochs=3, **model, recipe="paper").fit(X, Y)
    np.testing.assert_allclose(fixed.sparsity_, 0.1, rtol=1e-12)
    assert fixed.mask_exponent_ == 1
    learned = small(max_epochs=3, **model, recipe="default").fit(X, Y)
    assert np.ptp(learned.sparsity_) > 1e-3
    assert abs(learned.mask_exponent_ - 1) > 1e-3
    assert learned.n_parameters_ - fixed.n_parameters_ == fixed.sparsity_.size + 1
    # What was learned is what masks.
    before = learned.predict_mask(X)[0]
    learned.mask_exponent_ = 2.0 * learned.mask_exponent_
    odds = before / (1 - before)
    np.testing.assert_allclose(learned.predict_mask(X)[0], odds**2 / (1 + odds**2), atol=1e-6)


def test_evidence_is_learned_only_if_asked(magnitudes):
    X, Y = magnitudes
    fixed = small(max_epochs=3).fit(X, Y)
    assert fixed.evidence_.shape == (0, 12)
    unmoved = small(max_epochs=0, evidence=True).fit(X, Y)
    untrained = small(max_epochs=0).fit(X, Y)
    np.testing.assert_array_equal(unmoved.predict_mask(X)[0], untrained.predict_mask(X)[0])
    learned = small(max_epochs=3, evidence=True).fit(X, Y)
    assert learned.evidence_.shape == (8, 12)
    assert learned.n_parameters_ - fixed.n_parameters_ == learned.evidence_.size
    assert min(np.abs(learned.evidence_).max(axis=1)) > 1e-3
    # What was learned is what masks: the odds are those without it, times what it says.
    masks, activations = learned.predict_mask(X), learned.transform(X)
    votes = [h / (np.linalg.norm(h, axis=1, keepdims=True) + 1) for h in activations]
    votes = [vote @ learned.evidence_ for vote in votes]
    learned.evidence_ = 0 * learned.evidence_
    for mask, before, vote in zip(masks, learned.predict_mask(X), votes, strict=True):
        np.testing.assert_allclose(mask, 1 / (1 + (1 / before - 1) * np.exp(-vote)), atol=1e-9)
    # One recording goes another way than several.
    [alone] = learned.set_params(max_epochs=0).predict_mask([X[0]])
    np.testing.assert_allclose(alone, learned.predict_mask(X)[0], rtol=0, atol=1e-6)


def test_gated_units_add_to_the_evidence(magnitudes):
    X, Y = magnitudes
    plain = small(max_epochs=3, evidence=True).fit(X, Y)
    assert plain.gru_evidence_.shape == (0, 12)
    silent = small(max_epochs=0, evidence=True, n_gru_units=5).fit(X, Y)
    np.testing.assert_array_equal(silent.gru_evidence_, 0)
    assert silent.gru_weight_ih_.std() > 0.1
    start = small(max_epochs=0).fit(X, Y)
    for one, other in zip(silent.predict_mask(X), start.predict_mask(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    learned = small(max_epochs=3, evidence=True, n_gru_units=5).fit(X, Y)
    sizes = {"gru_weight_ih_": (15, 8), "gru_weight_hh_": (15, 5), "gru_bias_": (2, 15)}
    sizes["gru_evidence_"] = (5, 12)
    assert {name: getattr(learned, name).shape for name in sizes} == sizes
    n_added = sum(np.prod(shape) for shape in sizes.values())
    assert learned.n_parameters_ - plain.n_parameters_ == n_added
    assert min(np.abs(learned.gru_evidence_).max(axis=1)) > 1e-3
    # What is inferred beside them stays as it is.
    activations, masks = learned.transform(X), learned.predict_mask(X)
    assert activations[0].shape == (len(X[0]), 8)
    # What was learned is what they hear, remember and say: the loop over frames.
    inputs, transitions = learned.gru_weight_ih_, learned.gru_weight_hh_
    votes = []
    for h in activations:
        units, said = np.zeros(5), []
        for share in h / (np.linalg.norm(h, axis=1, keepdims=True) + 1):
            heard = np.split(inputs @ share + learned.gru_bias_[0], 3)
            carried = np.split(transitions @ units + learned.gru_bias_[1], 3)
            reset, update = 1 / (1 + np.exp(-np.add(heard[:2], carried[:2])))
            units = update * units + (1 - update) * np.tanh(heard[2] + reset * carried[2])
            said.append(units @ learned.gru_evidence_)
        votes.append(said)
    learned.gru_evidence_ = 0 * learned.gru_evidence_
    without = learned.predict_mask(X)
    np.testing.assert_array_equal(learned.transform(X)[0], activations[0])
    assert np.abs(without[0] - masks[0]).max() > 1e-4
    for mask, before, vote in zip(masks, without, votes, strict=True):
        odds = (1 / before - 1) * np.exp(-np.array(vote))
        np.testing.assert_allclose(mask, 1 / (1 + odds), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "model", [{"evidence": False}, {"evidence": True}, {"evidence": True, "n_gru_units": 5}]
)
def test_a_mask_is_explained(magnitudes, model):
    X, Y = magnitudes
    separator = small(max_epochs=3, **model).fit(X, Y)
    activations, masks = separator.transform(X), separator.predict_mask(X)
    for h, mask, terms in zip(activations, masks, separator.explain_mask(X), strict=True):
        assert list(terms) == ["estimates", "evidence", "gru_units"]
        total = sum(terms.values())
        np.testing.assert_allclose(1 / (1 + np.exp(-total)), mask, rtol=0, atol=1e-9)
        target, rest = np.split(separator.output_components_, 2)
        ratio = np.log(h[:, :4] @ target + 1e-30) - np.log(h[:, 4:] @ rest + 1e-30)
        heard = np.abs(ratio) < 20
        assert heard.mean() > 0.5
        estimates = separator.mask_exponent_ * ratio
        np.testing.assert_allclose(terms["estimates"][heard], estimates[heard], atol=1e-6)
        said = np.zeros_like(mask)
        if model["evidence"]:
            said = h / (np.linalg.norm(h, axis=1, keepdims=True) + 1) @ separator.evidence_
        np.testing.assert_allclose(terms["evidence"], said, rtol=0, atol=1e-9)
        assert (np.abs(terms["gru_units"]).max() > 1e-4) == ("n_gru_units" in model)
    # One table, whose rows have nothing before them.
    terms = separator.explain_mask(np.vstack(X))
    table = 1 / (1 + np.exp(-sum(terms.values())))
    np.testing.assert_allclose(table, separator.predict_mask(np.vstack(X)), rtol=0, atol=1e-9)


def test_gated_units_need_evidence(magnitudes):
    with pytest.raises(ValueError, match="`n_gru_units` is 3 but there is no evidence"):
        small(evidence=False, n_gru_units=3).fit(*magnitudes)


def test_dynamics_are_learned_only_if_asked(magnitudes):
    X, Y = magnitudes
    fixed = small(max_epochs=3).fit(X, Y)
    np.testing.assert_array_equal(fixed.dynamics_, np.ones(8))
    for dynamics, shape in (("diagonal", (8,)), ("full", (8, 8))):
        learned = small(max_epochs=3, dynamics=dynamics, level_frames=0).fit(X, Y)
        assert learned.dynamics_.shape == shape and np.ptp(np.atleast_2d(learned.dynamics_)) > 1e-3
        assert learned.n_parameters_ - fixed.n_parameters_ == learned.dynamics_.size
        # What was learned is what infers.
        before = learned.predict_mask(X)[0]
        learned.dynamics_ = 0 * learned.dynamics_
        after = learned.predict_mask(X)[0]
        assert np.abs(after - before)[1:].max() > 1e-3
        # No frame knows of another now.
        alone = learned.predict_mask([X[0][5:6]])[0]
        np.testing.assert_allclose(alone[0], after[5], rtol=0, atol=1e-6)


def test_a_running_level_makes_masks_that_no_gain_changes(magnitudes):
    X, Y = magnitudes
    absolute = small(max_epochs=3, level_frames=0).fit(X, Y)
    separator = small(max_epochs=3, level_frames=20).fit(X, Y, validation_data=(X, Y))
    assert (absolute.level_frames_, separator.level_frames_) == (0, 20)
    for gain in (1e-3, 0.1, 1e4):
        for few in (1, 3):
            louder = [gain * x for x in X[:few]]
            for model, tolerance in ((absolute, None), (separator, 1e-9)):
                [before], [after] = model.predict_mask(X[:1]), model.predict_mask(louder)[:1]
                error = np.abs(after - before).max()
                assert error < tolerance if tolerance else error > 1e-2
    # Blocks carry the level on: the frames before make a difference.
    [part] = separator.predict_mask([X[0][10:]])
    assert np.abs(part - separator.predict_mask(X[:1])[0][10:]).max() > 1e-3


def test_context_explains_the_frames_before(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=3, context=3, level_frames=0).fit(X, Y)
    assert separator.components_.shape == (2, 8, 12)
    assert separator.envelopes_.shape == (2, 8, 3)
    assert np.abs(separator.envelopes_ - separator.envelopes_[0, 0]).max() > 1e-3
    # Beside dictionaries and output two steps, initial activations, thresholds and the exponent.
    assert separator.n_parameters_ == 3 * 8 * 12 + 2 * 8 * 3 + 2 + 8 + 2 * 8 + 1
    assert separator.output_components_.shape == (8, 12)
    # How far back the input matters when nothing is carried on.
    separator.dynamics_ = 0 * separator.dynamics_
    changed = X[0].copy()
    changed[5] *= 3
    [before, after] = separator.predict_mask([X[0], changed])
    moved = np.abs(after - before).max(axis=1) > 1e-6
    np.testing.assert_array_equal(np.flatnonzero(moved), [5, 6, 7])
    # One recording goes frame by frame, several go through torch; blocks carry frames over.
    alone = separator.predict_mask([X[0]])[0]
    np.testing.assert_allclose(alone, before, rtol=0, atol=1e-6)


def test_number_of_parameters(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=0, recipe="paper").fit(X, Y)
    # Two layers and the output of 8 x 12, two step sizes, 8 initial activations.
    assert separator.n_parameters_ == 3 * 8 * 12 + 2 + 8


def test_starts_from_a_fitted_separator(magnitudes):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(4, sparsity=0.1, random_state=3).fit(X, Y)
    for start in (nmf, FrozenEstimator(nmf)):
        separator = small(nmf=start, max_epochs=0).fit(X, Y)
        np.testing.assert_allclose(separator.initial_components_, nmf.components_, rtol=1e-12)
    assert clone(small(nmf=FrozenEstimator(nmf))).nmf.estimator is nmf


def test_starts_from_a_fitted_sparse_nmf(magnitudes):
    X, Y = magnitudes
    nmf = SparseNMF(3, sparsity=0.1, random_state=0).fit(Y)
    separator = small(n_components=None, nmf=nmf, max_epochs=0).fit(X, Y)
    assert separator.components_.shape == (2, 6, 12)
    np.testing.assert_allclose(separator.initial_components_[:3], nmf.components_, rtol=1e-10)


def test_an_unfitted_start_is_cloned(magnitudes):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(4, max_iter=3)
    separator = small(nmf=nmf, max_epochs=0).fit(X, Y)
    assert separator.components_.shape == (2, 8, 12)
    assert not hasattr(nmf, "components_") and nmf.random_state is None


def test_other_starts_are_refused(magnitudes):
    X, Y = magnitudes
    with pytest.raises(TypeError, match="`nmf` must be a SupervisedNMFSeparator, a SparseNMF"):
        small(nmf="snmf").fit(X, Y)
    narrow = SupervisedNMFSeparator(2).fit([x[:, :5] for x in X], [y[:, :5] for y in Y])
    with pytest.raises(ValueError, match="`nmf` was fitted on 5 bins but X has 12"):
        small(nmf=narrow).fit(X, Y)


def test_validation_data_is_watched_and_not_trained_on(magnitudes):
    X, Y = magnitudes
    only_x0 = small(max_epochs=4).fit(X[:1], Y[:1], validation_data=(X[1:], Y[1:]))
    other = small(max_epochs=4, patience=100).fit(X[:1], Y[:1], validation_data=(X[:1], Y[:1]))
    # The same training, watched on other recordings.
    assert only_x0.history_["train_loss"][1] == other.history_["train_loss"][1]
    assert only_x0.history_["validation_loss"] != other.history_["validation_loss"]


def test_validation_data_of_a_pipeline_may_be_waveforms(speech, spectrograms):
    X, Y = speech
    settings = {"n_components": 3, "max_epochs": 1, "nmf": SupervisedNMFSeparator(3, max_iter=3)}
    raw = small(**settings).fit(spectrograms, Y, validation_data=(X[:2], Y[:2]))
    made = small(**settings).fit(spectrograms, Y, validation_data=(spectrograms[:2], Y[:2]))
    assert raw.history_["validation_loss"] == made.history_["validation_loss"]


def test_validation_data_is_checked(speech, spectrograms):
    X, Y = speech
    separator = small(max_epochs=1, nmf=SupervisedNMFSeparator(4, sparsity=0.1, max_iter=3))
    for data, message in [
        (([np.zeros((9, 2))], Y[:1]), r"validation_data\[0\]\[0\] has shape \(9, 2\): stereo"),
        ((X[:1], [Y[0][:-1]]), r"data\[0\]\[0\] has .* samples but val.*\[1\]\[0\] has"),
        ((STFT(hop_length=64).transform(X[:1]), Y[:1]), "`validation_data` was made with"),
    ]:
        with pytest.raises(ValueError, match=message):
            separator.fit(spectrograms, Y, validation_data=data)
    with pytest.raises(TypeError, match=r"`validation_data` must be a pair \(X, y\); got int"):
        separator.fit(spectrograms, Y, validation_data=3)


def test_one_recording_is_trained_on_with_a_warning(magnitudes):
    X, Y = magnitudes
    with pytest.warns(UserWarning, match="one recording"):
        small(max_epochs=1).fit(X[:1], Y[:1])


def test_same_seed_same_bits(magnitudes):
    X, Y = magnitudes
    first, second = (small(max_epochs=5).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(first.components_, second.components_)
    np.testing.assert_array_equal(first.predict(X)[0], second.predict(X)[0])
    third = small(max_epochs=5, random_state=1).fit(X, Y)
    assert not np.array_equal(first.components_, third.components_)


def test_state_is_numpy_and_plain_python(magnitudes):
    X, Y = magnitudes
    separator = small(max_epochs=1).fit(X, Y)
    for name, value in vars(separator).items():
        if name.endswith("_"):
            plain = (np.ndarray, int, float, dict, type(None))
            assert isinstance(value, plain), f"{name} is a {type(value)}"
    assert b"torch" not in pickle.dumps(separator)


def test_a_list_equals_one_by_one_and_long_audio_equals_blocks(magnitudes, monkeypatch):
    X, Y = magnitudes
    separator = small(max_epochs=2).fit(X, Y)
    together = separator.predict(X)
    for x, expected in zip(X, together, strict=True):
        np.testing.assert_allclose(separator.predict([x])[0], expected, rtol=1e-10)
    monkeypatch.setattr("sknmf_unfold.separators._blocks.BLOCK_FRAMES", 7)
    for x, expected in zip(separator.predict(X), together, strict=True):
        np.testing.assert_allclose(x, expected, rtol=1e-10)


def test_transform_gives_the_activations_of_the_last_layer(magnitudes):
    X, Y = magnitudes
    nmf = SupervisedNMFSeparator(
        4, sparsity=0.1, inference="warm_ista", n_iter=2, random_state=0
    ).fit(X, Y)
    separator = small(nmf=nmf, max_epochs=0).fit(X, Y)
    for expected, activations in zip(nmf.transform(X), separator.transform(X), strict=True):
        np.testing.assert_allclose(activations, expected, atol=1e-10)


@pytest.mark.filterwarnings(r"ignore:y\[3\] \(1 of 4 targets\). silent")
def test_silence_in_training_and_prediction(speech):
    X, Y = speech
    quiet = np.zeros(4000, dtype="float32")
    stft = STFT()
    separator = small(max_epochs=2, nmf=SupervisedNMFSeparator(4, sparsity=0.1, max_iter=3))
    separator.fit(stft.transform([*X[:3], quiet]), [*Y[:3], quiet])
    assert np.isfinite(separator.history_["train_loss"][1:]).all()
    assert not separator.predict(stft.transform([quiet]))[0].any()


def test_diverging_training_falls_back_to_the_best_weights(magnitudes):
    X, Y = magnitudes
    # The logarithms overflow after one step of this length.
    with pytest.warns(ConvergenceWarning, match=r"in epoch 1; the weights of epoch 0 are kept"):
        separator = small(max_epochs=5, learning_rate=1e4).fit(X, Y)
    start = small(max_epochs=0).fit(X, Y)
    np.testing.assert_array_equal(separator.predict(X)[0], start.predict(X)[0])


def test_global_state_is_left_alone(magnitudes):
    import torch

    X, Y = magnitudes
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    # The legacy global generator is exactly what must not be drawn from.
    global_rng = check_random_state(None)
    numpy_state = global_rng.get_state()[1].copy()
    small(max_epochs=2).fit(X, Y).predict(X)
    assert torch.equal(state, torch.get_rng_state()) and torch.get_num_threads() == threads
    np.testing.assert_array_equal(numpy_state, global_rng.get_state()[1])
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


def test_a_gpu_model_predicts_on_the_cpu(magnitudes):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    X, Y = magnitudes
    separator = small(max_epochs=0).fit(X, Y).set_params(device="cuda")
    assert np.isfinite(separator.predict(X)[0]).all()
    with pytest.raises(ValueError, match="torch finds no GPU"):
        separator.fit(X, Y)


def test_gpu_and_cpu_agree(magnitudes):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    X, Y = magnitudes
    gpu = small(max_epochs=3, device="cuda").fit(X, Y)
    loaded = pickle.loads(pickle.dumps(gpu)).set_params(device="cpu")
    np.testing.assert_allclose(gpu.predict(X)[0], loaded.predict(X)[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_layers": 0}, ValueError, "`n_layers` must be a whole number >= 1; got 0"),
        ({"n_layers": 2.0}, TypeError, "`n_layers` must be a whole number"),
        ({"learning_rate": -1.0}, ValueError, "`learning_rate` must be a finite number > 0"),
        ({"batch_size": 0}, ValueError, "`batch_size`"),
        ({"sequence_length": 0}, ValueError, "`sequence_length`"),
        ({"max_epochs": -1}, ValueError, "`max_epochs`"),
        ({"patience": 0}, ValueError, "`patience`"),
        ({"step_size": "big"}, TypeError, "`step_size`"),
        ({"recipe": "fast"}, ValueError, "`recipe` must be one of 'default', 'paper'"),
        ({"validation_fraction": 1.0}, ValueError, "`validation_fraction`"),
        ({"validation_fraction": 0}, ValueError, "`validation_fraction` must be .* > 0"),
        ({"device": "abacus"}, ValueError, "`device` must be 'auto'"),
    ],
)
def test_bad_parameters(magnitudes, settings, error, message):
    with pytest.raises(error, match=message):
        small(**settings).fit(*magnitudes)


def test_raw_waveforms_ask_for_the_stft(speech):
    X, Y = speech
    with pytest.raises(ValueError, match=r"did you forget STFT\(\)\?"):
        DRNMFSeparator().fit(X, Y)
