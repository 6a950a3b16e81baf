"""Numbers of odd types and sizes: each works, or is refused by the name of its parameter."""

import inspect
import traceback
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import sknmf_unfold
from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, SupervisedNMFSeparator, metrics, plotting
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import (
    MixtureDataset,
    load_audio,
    make_noisy_speech,
    mix_at_snr,
    save_audio,
)
from sknmf_unfold.streaming import StreamingSeparator
from tests._counts import count
from tests._estimators import public_estimator_classes

PACKAGE = str(Path(sknmf_unfold.__file__).parent)
RNG = np.random.RandomState(0)
X = [RNG.gamma(0.5, 20.0, (n, 9)).astype("float32") for n in (12, 9)]
Y = [x * np.linspace(1, 0, 9, dtype="float32") for x in X]
WAVES = [RNG.uniform(-1, 1, n) for n in (300, 200)]

VALUES = {
    "uint8": np.uint8(3),
    "int8": np.int8(3),
    "uint64": np.uint64(3),
    "half": np.float16(0.5),
    "single": np.float32(0.5),
    "long double": np.longdouble(0.5),
    "huge long double": np.longdouble("1e4000"),
    "fraction": Fraction(1, 2),
    "fraction above 1": Fraction(3, 2),
    "whole fraction": Fraction(3),
    "huge fraction": Fraction(10**400, 3),
    "tiny fraction": Fraction(1, 10**400),
    "decimal": Decimal("0.5"),
    "bool": True,
    "numpy's bool": np.True_,
    "array of a whole number": np.array(3),
    "array of a number": np.array(0.5),
    "list": [3],
    "text": "3",
    "complex": 1j,
    "NaN": np.nan,
    "infinity": np.inf,
    "largest": 1e308,
    "beyond float32": 1e39,
    "smallest": 5e-324,
    "beyond int32": 2**31,
    "beyond int64": 2**63,
    "huge": 10**400,
    "too long to print": 10**5000,
    "hugely negative": -(10**400),
    "negative": -(10**30),
}
# These would take for ever, as asked for.
ITERATIONS = ("n_iter", "max_iter", "max_epochs")
# Where numbers are not what the parameter is for, or are but one of the things it takes.
OTHERS = ("beta_loss", "max_frames", "batch_size", "step_size", "random_state", "verbose")
OPTIONAL = ("learning_rate", "batch_size", "sequence_length", "max_epochs", "patience", "context")
OPTIONAL += ("level_frames", "device", "highpass")


def numeric_parameters(cls):
    for name, parameter in inspect.signature(cls).parameters.items():
        is_number = isinstance(parameter.default, (int, float))
        is_flag = isinstance(parameter.default, bool)
        if (is_number and not is_flag) or name in OTHERS or name in OPTIONAL:
            yield name


# All trained separators share the code of their other parameters.
OF_EACH = ("n_layers", "n_units", "n_components", "n_trained_layers", "beta_loss", "sparsity")


def cases():
    for cls in public_estimator_classes():
        for name in numeric_parameters(cls):
            again = hasattr(cls, "_make_network") and cls is not DRNMFSeparator
            marks = [pytest.mark.slow] * (again and name not in OF_EACH)
            yield pytest.param(cls, name, marks=marks)


CASES = list(cases())
QUICK = {"n_components": 2, "n_units": 2, "max_iter": 3, "n_iter": 3, "max_epochs": 1}
QUICK |= {"random_state": 0, "device": "cpu", "n_layers": 2, "n_trained_layers": 2}


def made(cls, **settings):
    accepted = inspect.signature(cls).parameters
    return cls(**({k: v for k, v in QUICK.items() if k in accepted} | settings))


def is_used(value, name, call):
    """Whether a call works; if it does not, it has to be refused by the name and by our code."""
    try:
        call()
    except (TypeError, ValueError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = last.filename.startswith(PACKAGE) and "raise" in last.line
        assert ours, f"{value!r:.50}: {error!r:.300} from {last.filename}, line {last.lineno}"
        assert name in str(error), f"{value!r:.50}: {error}"
        assert len(str(error)) < 500
        count("bad inputs refused")
        return False
    count("odd inputs accepted")
    return True


def fit_and_use(cls, name, value):
    if cls is STFT:
        stft = STFT(**({"n_fft": 64, "hop_length": 2, "window": "boxcar"} | {name: value}))
        assert np.isfinite(stft.fit(WAVES).transform(WAVES)[0].magnitude()).all()
        return
    model = made(cls, **{name: value}).fit(X, Y)
    assert all(np.isfinite(result).all() for result in model.transform(X))
    if hasattr(model, "predict"):
        assert all(np.isfinite(result).all() for result in model.predict(X))
    if hasattr(model, "partial_fit"):
        model.partial_fit(X, Y)


@pytest.mark.parametrize(("cls", "name"), CASES, ids=lambda v: getattr(v, "__name__", v))
@pytest.mark.filterwarnings("ignore:.*activations are 0", "ignore:The loss became")
@pytest.mark.filterwarnings("ignore:`transform` gives infinite")
def test_parameters_of_estimators(cls, name):
    used = {
        which
        for which, value in VALUES.items()
        if not (name in ITERATIONS and which == "beyond int32")
        and is_used(value, name, lambda value=value: fit_and_use(cls, name, value))
    }
    # A whole number as a device is a GPU.
    assert used or name == "device", "nothing works?"


def fitted_separator():
    return SupervisedNMFSeparator(2, max_iter=3, random_state=0).fit(
        STFT(64, 16).transform(WAVES), [0.5 * x for x in WAVES]
    )


def streamed(n_streams):
    stream = StreamingSeparator(fitted_separator(), n_streams)
    stream.process(np.zeros((int(n_streams), 100)))


def mixtures(**settings):
    MixtureDataset(WAVES, WAVES, **settings).draw()


def panels(**settings):
    settings = {"n_fft": 64, "hop_length": 16} | settings
    mask = np.ones(STFT(64, 16).transform(WAVES)[0].shape)
    draw = plotting.SeparationDisplay.from_predictions
    return draw(WAVES[0], WAVES[0], WAVES[0], mask=mask, **settings)


NMF = SparseNMF(2, sparsity=0.1, max_iter=3, random_state=0).fit(X)


def components_of(**settings):
    return plotting.ComponentsDisplay.from_estimator(NMF, **settings)


FUNCTIONS = {
    ("filter_length", "sdr"): lambda v: metrics.sdr(WAVES[0], WAVES[0] + 0.1, filter_length=v),
    ("snr_db", "mix_at_snr"): lambda v: mix_at_snr(WAVES[0], WAVES[0], v),
    ("snr_db", "MixtureDataset"): lambda v: MixtureDataset(WAVES, WAVES, snr_db=[v]).draw(),
    ("gain_db", "MixtureDataset"): lambda v: MixtureDataset(WAVES, WAVES, gain_db=[v]).draw(),
    ("speed_factors", "MixtureDataset"): lambda v: MixtureDataset(
        WAVES, WAVES, speed_factors=[v]
    ).draw(),
    ("clean_fraction", "MixtureDataset"): lambda v: mixtures(clean_fraction=v),
    ("n_interferences", "MixtureDataset"): lambda v: mixtures(n_interferences=[v]),
    ("equalizer_db", "MixtureDataset"): lambda v: mixtures(equalizer_db=v),
    ("bandwidths", "MixtureDataset"): lambda v: mixtures(bandwidths=[v], band_fraction=1),
    ("band_fraction", "MixtureDataset"): lambda v: mixtures(bandwidths=[4000], band_fraction=v),
    ("rumble_db", "MixtureDataset"): lambda v: mixtures(rumble_db=[v]),
    ("hiss_db", "MixtureDataset"): lambda v: mixtures(hiss_db=[v]),
    ("room_fraction", "MixtureDataset"): lambda v: mixtures(rooms=WAVES, room_fraction=v),
    ("sample_rate", "MixtureDataset"): lambda v: mixtures(sample_rate=v),
    ("random_state", "MixtureDataset"): lambda v: MixtureDataset(
        WAVES, WAVES, random_state=v
    ).draw(),
    ("epoch", "MixtureDataset"): lambda v: MixtureDataset(WAVES, WAVES).draw(v),
    ("n_samples", "make_noisy_speech"): lambda v: make_noisy_speech(v, duration=0.1),
    ("n_speakers", "make_noisy_speech"): lambda v: make_noisy_speech(1, duration=0.1, n_speakers=v),
    ("duration", "make_noisy_speech"): lambda v: make_noisy_speech(1, duration=v),
    ("snr_db", "make_noisy_speech"): lambda v: make_noisy_speech(1, duration=0.1, snr_db=v),
    ("sample_rate", "make_noisy_speech"): lambda v: make_noisy_speech(
        1, duration=0.1, sample_rate=v
    ),
    ("random_state", "make_noisy_speech"): lambda v: make_noisy_speech(
        1, duration=0.1, random_state=v
    ),
    ("n_streams", "StreamingSeparator"): streamed,
    ("sample_rate", "SeparationDisplay"): lambda v: panels(sample_rate=v),
    ("n_fft", "SeparationDisplay"): lambda v: panels(n_fft=v, hop_length=1),
    ("hop_length", "SeparationDisplay"): lambda v: panels(hop_length=v),
    ("sample_rate", "ComponentsDisplay"): lambda v: components_of(sample_rate=v),
    ("layer", "ComponentsDisplay"): lambda v: components_of(layer=v),
}
# Of whose parameters no value of the table is within bounds.
NOTHING_WORKS = [("sample_rate", "make_noisy_speech"), ("n_fft", "SeparationDisplay")]
NOTHING_WORKS += [("bandwidths", "MixtureDataset"), ("sample_rate", "MixtureDataset")]
NOTHING_WORKS += [("hop_length", "SeparationDisplay"), ("layer", "ComponentsDisplay")]


@pytest.mark.parametrize("case", FUNCTIONS, ids=str)
def test_parameters_of_functions(case):
    mpl.use("agg")
    name, function = case[0], FUNCTIONS[case]
    used = [
        which
        for which, value in VALUES.items()
        if is_used(value, name, lambda value=value: function(value))
    ]
    assert bool(used) == (case not in NOTHING_WORKS)


def test_sample_rates_of_files(tmp_path):
    path = tmp_path / "a.wav"
    save_audio(path, WAVES[0], np.uint16(16000))
    (waveform,) = load_audio(path, np.uint16(8000))
    assert len(waveform) == 150
    for value in VALUES.values():
        is_used(value, "sample_rate", lambda v=value: load_audio(path, v))
        is_used(value, "sample_rate", lambda v=value: save_audio(path, WAVES[0], v))


NUMBERS = ["1e3", "0x10", "9" * 400, "9" * 5000, "-1", "1/2", "", "nan"]
OPTIONS = [(option, number) for option in ("--max-epochs", "--sample-rate") for number in NUMBERS]
# Values of --set are Python literals, among them hexadecimal numbers.
OPTIONS += [
    (f"--set={name}", number)
    for name in ("n_components", "n_layers")
    for number in NUMBERS
    if number != "0x10"
]


@pytest.mark.parametrize(("option", "number"), OPTIONS)
def test_numbers_on_the_command_line(option, number, tmp_path, capsys):
    for name, gain in (("noisy", 1.0), ("clean", 0.5)):
        (tmp_path / name).mkdir()
        save_audio(tmp_path / name / "a.wav", gain * WAVES[0])
    command = ["fit", "--noisy", str(tmp_path / "noisy"), "--clean", str(tmp_path / "clean")]
    with pytest.raises(SystemExit) as raised:
        main([*command, f"{option}={number}", "-o", str(tmp_path / "model.skops")])
    assert raised.value.code == 2
    errors = capsys.readouterr().err
    parameter = option.removeprefix("--set=").strip("-").replace("-", "_")
    assert (
        f"error: `{parameter}`" in errors
        or f"argument {option}" in errors
        or (f"--set {parameter}" in errors)
    )
    count("bad inputs refused")


def test_narrow_numbers_count_as_wide_ones():
    # 250 frames of a batch and more do not fit into the type.
    frames = np.abs(np.random.RandomState(0).randn(600, 6))
    settings = {"n_components": 2, "max_iter": 2, "random_state": 0, "sparsity": 0.1}
    narrow = SparseNMF(batch_size=np.uint8(250), **settings).fit(frames)
    wide = SparseNMF(batch_size=250, **settings).fit(frames)
    np.testing.assert_array_equal(narrow.components_, wide.components_)
    narrow = SparseNMF(batch_size=np.uint8(250), **settings).partial_fit(frames)
    wide = SparseNMF(batch_size=250, **settings).partial_fit(frames)
    np.testing.assert_array_equal(narrow.components_, wide.components_)
