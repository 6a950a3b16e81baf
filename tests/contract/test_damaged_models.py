"""Damaged state of stored models is refused by the name of the attribute."""

import copy
import io
import pickle
import re
import struct
import warnings

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.exceptions import NotFittedError

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator
from sknmf_unfold.base.versions import DIGEST_KEY
from sknmf_unfold.separators import DeepNMFSeparator, LSTMSeparator, RNNSeparator
from tests._counts import count
from tests._refusals import refuses

RNG = np.random.RandomState(0)
WAVES = [RNG.randn(n) for n in (900, 700)]
TARGETS = [0.5 * x for x in WAVES]
X = STFT(64, 16).transform(WAVES)
NMF = {"n_components": 3, "max_iter": 5, "random_state": 0}
TRAINED = {"max_epochs": 1, "random_state": 0, "device": "cpu"}
PLAIN = {"dynamics": "diagonal", "evidence": False}


def make_models():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nmf = SupervisedNMFSeparator(**NMF).fit(X, TARGETS)
        drnmf = {"nmf": nmf, "context": 2} | TRAINED
        return {
            "nmf": SparseNMF(**NMF).fit(X),
            "batches": SparseNMF(**NMF).partial_fit(X),
            "batches of kl": SparseNMF(**NMF, beta_loss=1).partial_fit(X),
            "supervised": nmf,
            "drnmf": DRNMFSeparator(**drnmf, n_gru_units=2).fit(X, TARGETS),
            "plain drnmf": DRNMFSeparator(**drnmf, **PLAIN).partial_fit(X, TARGETS),
            "lstm": LSTMSeparator(2, 5, **TRAINED).fit(X, TARGETS),
            "rnn": RNNSeparator(1, 5, **TRAINED).fit(X, TARGETS),
            "deep": DeepNMFSeparator(4, nmf=nmf, **TRAINED).fit(X, TARGETS),
        }


MODELS = make_models()
# Of which the documentation says that they are not negative.
NON_NEGATIVE = {
    *("components_", "target_components_", "interference_components_", "output_components_"),
    *("initial_components_", "envelopes_", "step_sizes_", "sparsity_", "initial_activations_"),
    *("mask_exponent_", "products", "gram", "negative", "positive"),
    *("scale", "floor"),
}
# Statistics and weights are dicts of arrays.
DICTS = ("weights_", "_statistics")


def places():
    """Every fitted array of every model: its model, attribute and key, found and not listed."""
    for name, model in MODELS.items():
        for attribute, value in vars(model).items():
            items = value.items() if attribute in DICTS and value else [(None, value)]
            for key, array in items:
                if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                    yield name, attribute, key


ARRAYS = list(places())


def array_at(name, attribute, key):
    value = getattr(MODELS[name], attribute)
    return value if key is None else value[key]


def with_first(array, value):
    array = array.copy()
    array[(0,) * array.ndim] = value
    return array


DAMAGES = {
    "NaN": lambda a: with_first(a, np.nan),
    "infinity": lambda a: with_first(a, np.inf),
    "negative": lambda a: with_first(a, -0.5),
    "one more": lambda a: np.concatenate([a, a[..., :1]], axis=-1),
    "one axis more": lambda a: a[..., np.newaxis],
    "transposed": lambda a: a.T,
    "empty": lambda a: np.empty((0,) * max(a.ndim, 1), a.dtype),
    "objects": lambda a: a.astype(object),
    "whole numbers": lambda a: a.astype(np.int64),
    "complex": lambda a: a.astype(complex),
    "half precision": lambda a: a.astype(np.float16),
    "a list": lambda a: a.tolist(),
    "nothing": lambda a: None,
}


def applies(damage, array, name):
    if damage in ("NaN", "infinity", "negative") and array.size == 0:
        return False
    if damage == "negative":
        # Of dynamics, only a matrix may stop components.
        return name in NON_NEGATIVE or (name == "dynamics_" and array.ndim == 1)
    if damage == "one more":
        # Nothing else tells how many frames envelopes have.
        return array.size > 0 and array.ndim > 0 and name != "envelopes_"
    if damage == "empty":
        return array.shape != (0, 0)
    if damage == "transposed":
        return array.ndim > 1 and array.shape != array.shape[::-1]
    return True


def place(model, attribute, key, value):
    """A copy of a model with another value of an attribute, or of an item of it."""
    other = copy.deepcopy(model)
    if key is None:
        setattr(other, attribute, value)
    else:
        getattr(other, attribute)[key] = value
    return other


def named(attribute, key):
    return re.escape(attribute if key is None else f"{attribute}[{key!r}]")


def load(model):
    return pickle.loads(pickle.dumps(model))


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


def through_skops(model):
    return skops.io.loads(skops.io.dumps(model), trusted=[type(model), SupervisedNMFSeparator])


WAYS = {
    "joblib": through_joblib,
    "skops": through_skops,
    "pickle": load,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def test_arrays_of_all_kinds_are_found():
    assert {name for name, *_ in ARRAYS} == set(MODELS)
    found = {key or attribute for _, attribute, key in ARRAYS}
    assert found >= NON_NEGATIVE
    assert found >= {"gru_bias_", "weight_hh_l1", "output_biases", "objective_curve_"}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "attribute", "key"), ARRAYS)
def test_a_damaged_array_is_refused_by_name(name, attribute, key, damage):
    array = array_at(name, attribute, key)
    if not applies(damage, array, key or attribute):
        return
    model = place(MODELS[name], attribute, key, DAMAGES[damage](array))
    message = f"`{named(attribute, key)}` of the loaded {type(model).__name__} must .*load another"
    refuses(message, lambda model=model: load(model))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "attribute", "key"), [a for a in ARRAYS if array_at(*a).size][::9]
)
def test_every_way_to_load_is_checked(name, attribute, key, way):
    array = array_at(name, attribute, key)
    # Set by hand, which stays free: what is loaded is checked.
    model = place(MODELS[name], attribute, key, np.full_like(array, np.nan))
    refuses(f"`{named(attribute, key)}` .* must be finite; got NaN", lambda: WAYS[way](model))


ATTRIBUTES = [
    (name, attribute)
    for name, model in MODELS.items()
    for attribute in vars(model)
    if attribute.endswith("_") and not attribute.startswith("_")
]


@pytest.mark.parametrize(("name", "attribute"), ATTRIBUTES)
def test_a_missing_attribute_is_refused_by_name(name, attribute):
    model = copy.copy(MODELS[name])
    delattr(model, attribute)
    if attribute == model._fitted_mark:
        # Without it the model is not a fitted one.
        call = getattr(load(model), "predict", getattr(model, "transform", None))
        with pytest.raises(NotFittedError):
            call(X)
        return
    refuses(f"`{attribute}` of the loaded", lambda model=model: load(model))


NUMBERS = [
    (name, attribute)
    for name, attribute in ATTRIBUTES
    if isinstance(getattr(MODELS[name], attribute), (int, float))
]


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, 10**400, "3", None, True, 1j, [1]])
@pytest.mark.parametrize(("name", "attribute"), NUMBERS)
def test_a_number_that_cannot_be_is_refused_by_name(name, attribute, value):
    model = place(MODELS[name], attribute, None, value)
    refuses(f"`{attribute}` of the loaded", lambda model=model: load(model))


SETTINGS = {
    "no hop": ({"hop_length": 0}, "`hop_length` must be a whole number >= 1"),
    "terabytes": ({"n_fft": 2**40}, "`n_fft` must be a whole number <= 1048576"),
    "other bins": ({"n_fft": 128}, r"have an n_fft of 33 bins .* got 128, which has 65"),
    "no window": ({"window": "nonesuch"}, "`window` must be 'sqrt_hann'"),
    "no rate": ({"sample_rate": 0}, "`sample_rate` must be"),
    "no cutoff": ({"highpass": 0}, "`highpass` must be"),
    "one too many": ({"other": 1}, "be None or the settings of an STFT"),
}


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("name", [name for name in MODELS if hasattr(MODELS[name], "predict")])
def test_stft_settings_that_cannot_be_are_refused(name, case):
    changes, message = SETTINGS[case]
    settings = MODELS[name].stft_settings_ | changes
    model = place(MODELS[name], "stft_settings_", None, settings)
    refuses(f"`stft_settings_` .*{message}", lambda model=model: load(model))
    for value in ([], "none", {}):
        model = place(MODELS[name], "stft_settings_", None, value)
        refuses("`stft_settings_` of the loaded", lambda model=model: load(model))


@pytest.mark.parametrize("settings", [{"hop_length": 0}, {"n_fft": 2**40}])
def test_settings_of_a_loaded_stft_are_checked_when_it_is_used(settings):
    stft = STFT(64, 16)
    vars(stft).update(settings)
    # An unfitted estimator with wrong parameters can be copied, as any of scikit-learn's.
    other = load(stft)
    refuses(f"`{next(iter(settings))}` must be", lambda: other.transform(WAVES))


def test_a_damaged_course_is_refused():
    for value in (None, {}, {"epoch": [1], "seconds": []}, {"epoch": ["a"]}, {"epoch": 1}):
        model = place(MODELS["lstm"], "history_", None, value)
        refuses("`history_` of the loaded LSTMSeparator must", lambda model=model: load(model))
    model = copy.deepcopy(MODELS["plain drnmf"])
    model._training_state["network"]["network.log_output"][0, 0] = np.nan
    place_of = re.escape("_training_state['network']['network.log_output']")
    refuses(
        f"`{place_of}` of the loaded DRNMFSeparator must be finite", lambda model=model: load(model)
    )


def test_a_training_state_of_another_network_is_refused():
    model = copy.deepcopy(MODELS["plain drnmf"])
    state = model._training_state["network"]
    state["network.log_output"] = state["network.log_output"][:, 1:]
    message = "`_training_state` of this DRNMFSeparator, .* is not that of its network"
    refuses(message, lambda: load(model).partial_fit(X, TARGETS))


@pytest.mark.parametrize("name", MODELS)
def test_bits_that_changed_in_a_file_are_found(name):
    model = MODELS[name]
    file = io.BytesIO()
    joblib.dump(model, file)
    data, rng = file.getvalue(), np.random.RandomState(0)
    n_found = 0
    for model_name, attribute, key in ARRAYS:
        if model_name != name:
            continue
        content = array_at(name, attribute, key).tobytes()
        start = data.find(content) if len(content) > 8 else -1
        if start < 0:
            continue
        damaged = bytearray(data)
        damaged[start + rng.randint(len(content))] ^= 1 << rng.randint(8)
        message = f"do not match their checksum|of the loaded {type(model).__name__} must"
        refuses(message, lambda damaged=damaged: joblib.load(io.BytesIO(bytes(damaged))))
        n_found += 1
        count("damaged files refused")
    assert n_found


def test_a_parameter_that_changed_in_a_file_is_found():
    nmf = SparseNMF(**NMF, sparsity=0.625).fit(X)
    data = pickle.dumps(nmf)
    before, after = (struct.pack(">d", value) for value in (0.625, 0.5))
    assert data.count(before) == 1
    refuses(
        "SparseNMF do not match their checksum", lambda: pickle.loads(data.replace(before, after))
    )
    # Without a checksum, as earlier versions stored it.
    state = nmf.__getstate__() | {"sparsity": 0.5}
    del state[DIGEST_KEY]
    other = SparseNMF.__new__(SparseNMF)
    other.__setstate__(state)
    assert other.sparsity == 0.5


def test_a_state_that_is_no_dict_is_refused():
    refuses(
        "The state of a SparseNMF must be a dict; got list", lambda: SparseNMF().__setstate__([])
    )


def test_attributes_set_by_hand_are_stored():
    nmf = copy.deepcopy(MODELS["nmf"])
    nmf.components_ = 3 * np.eye(2, 33)
    np.testing.assert_array_equal(load(nmf).components_, nmf.components_)
    assert load(nmf).transform(X)[0].shape[1] == 2
    drnmf = copy.deepcopy(MODELS["drnmf"])
    # Arithmetic makes numpy's scalars of arrays without axes.
    drnmf.mask_exponent_ = 2.0 * drnmf.mask_exponent_
    assert not isinstance(drnmf.mask_exponent_, np.ndarray)
    assert load(drnmf).mask_exponent_ == drnmf.mask_exponent_


def test_a_fit_that_failed_leaves_a_model_that_is_not_fitted():
    ones, loud = [np.ones((9, 33))], [np.full((9, 33), 1e30, np.float32)]
    cases = [(SparseNMF(3), loud, None), (SupervisedNMFSeparator(3), ones, [np.ones((8, 33))])]
    for model, mixtures, targets in cases:
        with pytest.raises(ValueError, match=r"leaves the range|has 9 frames"):
            model.fit(mixtures, targets)
        with pytest.raises(NotFittedError):
            load(model).transform(ones)
