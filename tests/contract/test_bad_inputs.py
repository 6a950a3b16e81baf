"""Refusals of bad input: the package itself raises every error, and it names the argument."""

import re

import joblib
import numpy as np
import pytest
import soundfile
from sklearn.exceptions import NotFittedError

from sknmf_unfold import STFT, metrics, plotting
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import load_audio, make_noisy_speech, mix_at_snr, save_audio
from tests._factories import drnmf, nmf, stft, supervised
from tests._refusals import refuses

RNG = np.random.RandomState(0)
N_FREQS = 33
# Two recordings as magnitudes and as waveforms, and their targets.
X = [RNG.gamma(0.5, 1.0, (n, N_FREQS)) for n in (9, 7)]
Y = [x * np.linspace(1, 0, N_FREQS) for x in X]
WAVES = [0.1 * RNG.randn(n).astype("float32") for n in (500, 400)]
TARGETS = [0.5 * wave for wave in WAVES]
SPECTROGRAMS = STFT(64, 16).transform(WAVES)


FITTED = {make.__name__: make().fit(X, Y) for make in (supervised, drnmf)}
ON_AUDIO = {make.__name__: make().fit(SPECTROGRAMS, TARGETS) for make in (supervised, drnmf)}


def spoiled(arrays, index, value):
    """Copies of arrays, the one at `index` with `value` in place 5."""
    copies = [array.copy() for array in arrays]
    copies[index].ravel()[5] = value
    return copies


def cut(arrays, n_freqs):
    return [array[:, :n_freqs] for array in arrays]


def with_dtype(dtype):
    return [x.astype(dtype) for x in X]


NOT_DATA = "must be a list of Spectrogram items or magnitude arrays, or a 2-D array; got "
EMPTY = "is an empty list; at least one of the"
FORGOTTEN = r"X\[0\] is 1-D, of shape \(500,\), .* did you forget STFT\(\)\?"

FIT = {
    "no X": (None, Y, f"X {NOT_DATA}NoneType", TypeError),
    "a string": ("abc", Y, f"X {NOT_DATA}str", TypeError),
    "a number": (3, Y, f"X {NOT_DATA}int", TypeError),
    "a dict": ({0: X[0]}, Y, f"X {NOT_DATA}dict", TypeError),
    "a set": ({1, 2}, Y, f"X {NOT_DATA}set", TypeError),
    "an iterator": (iter(X), Y, f"X {NOT_DATA}list_iterator", TypeError),
    "no Y": (X, None, "requires y to be passed, but the target y is None"),
    "empty lists": ([], [], f"X {EMPTY}"),
    "Y an empty list": (X, [], f"y {EMPTY}"),
    "NaN": (spoiled(X, 1, np.nan), Y, r"X\[1\] contains NaN at frame 0, bin 5"),
    "infinity in Y": (X, spoiled(Y, 1, np.inf), r"y\[1\] contains infinity at frame 0, bin 5"),
    "minus infinity": (spoiled(X, 0, -np.inf), Y, r"X\[0\] contains infinity at frame 0, bin 5"),
    "negative": (spoiled(X, 1, -1), Y, r"Negative values in data: X\[1\] has -1 at frame 0, bin 5"),
    "negative Y": (X, spoiled(Y, 0, -2), r"Negative values in data: y\[0\] has -2 at frame 0"),
    "complex": (with_dtype(complex), Y, r"Complex data not supported: X\[0\] has dtype complex128"),
    "raw waveforms": (WAVES, TARGETS, FORGOTTEN),
    "fewer Y": (X, Y[:1], "X has 2 items but y has 1; they must pair up"),
    "shorter Y": (X, [Y[0], Y[1][:-1]], r"X\[1\] has 7 frames but y\[1\] has 6"),
    "fewer bins in Y": (X, cut(Y, 9), r"y\[0\] has 9 bins but 33 are wanted"),
    "other bins in X": ([X[0], X[1][:, :9]], Y, r"X\[1\] has 9 bins but 33 are wanted"),
    "transposed": ([x.T for x in X], [y.T for y in Y], r"X\[1\] has 7 bins but 9 are wanted"),
    "one transposed": ([X[0], X[1].T], Y, r"X\[1\] has 7 bins .* Frames come first"),
    "an empty recording": (
        [X[0], X[1][:0]],
        Y,
        r"X\[1\] must be a non-empty 2-D array .*\(0, 33\)",
    ),
    "no bins": (cut(X, 0), cut(Y, 0), r"X\[0\] must be a non-empty 2-D array .*\(9, 0\)"),
    "3-D recordings": ([x[None] for x in X], Y, r"X\[0\] must be a non-empty 2-D .*\(1, 9, 33\)"),
    "None in the list": ([X[0], None], Y, r"X\[1\] must be a non-empty 2-D array"),
    "objects": (with_dtype(object), Y, r"X\[0\] has dtype object; wanted floats or", TypeError),
    "strings": (with_dtype(str), Y, r"X\[0\] has dtype <U\d+; wanted floats or", TypeError),
    "dates": (with_dtype("M8[s]"), Y, r"X\[0\] has dtype datetime64\[s\]; wanted", TypeError),
    "a 3-D array": (np.ones((2, 3, 4)), np.ones((2, 3, 4)), "dim 3"),
    "a 1-D array": (np.ones(5), np.ones(5), "Expected 2D array, got 1D array"),
    "NaN in a table": (spoiled(X, 0, np.nan)[0], Y[0], "Input X contains NaN"),
    "a negative table": (-X[0], Y[0], "Negative values in data passed to .*: X has a minimum of -"),
    "a negative Y table": (X[0], -Y[0], "Negative values in data: y has a minimum of -"),
    "a table of other length": (X[0], Y[1], "X has 9 samples but y has 7; they must pair up"),
    "a table of other width": (X[0], Y[0][:, :4], r"y of shape \(9, 4\) does not broadcast"),
    "an array in a list of spectrograms": (
        [SPECTROGRAMS[0], X[0]],
        [TARGETS[0], Y[0]],
        r"X\[1\] is a ndarray but X\[0\] is a Spectrogram; pass one kind",
        TypeError,
    ),
    "another STFT": (
        [SPECTROGRAMS[0], stft(hop_length=32).transform(WAVES)[1]],
        TARGETS,
        r"X\[1\] was made with .*'hop_length': 32.*, but X\[0\] with .*'hop_length': 16",
    ),
    "another sample rate": (
        [SPECTROGRAMS[0], stft(sample_rate=8000).transform(WAVES)[1]],
        TARGETS,
        "one model works on one sample rate and one STFT",
    ),
    "shorter waveforms": (
        SPECTROGRAMS,
        [TARGETS[0], TARGETS[1][:-1]],
        r"X\[1\] has 400 samples but y\[1\] has 399; mixtures and targets must be equally long",
    ),
    "NaN in a waveform": (
        SPECTROGRAMS,
        spoiled(TARGETS, 1, np.nan),
        r"y\[1\] contains NaN at sample 5",
    ),
    "stereo": (
        SPECTROGRAMS,
        [np.stack([y, y]) for y in TARGETS],
        r"y\[0\] has shape \(2, 500\): stereo or transposed\?",
    ),
    "an empty waveform": (SPECTROGRAMS, [TARGETS[0], TARGETS[1][:0]], r"y\[1\] is empty"),
    "magnitudes for waveforms": (SPECTROGRAMS, Y, r"y\[0\] must be 1-D, .* got shape \(9, 33\)"),
    "long integers": (
        SPECTROGRAMS,
        [np.ones(500, int), np.ones(400, int)],
        r"y\[0\] has dtype int64; wanted floats in \[-1, 1\] or PCM",
        TypeError,
    ),
}


@pytest.mark.parametrize("case", FIT)
@pytest.mark.parametrize("make", [supervised, drnmf])
def test_fit(make, case):
    mixtures, targets, message, *error = FIT[case]
    refuses(message, lambda: make().fit(mixtures, targets), *error)


CALLS = {
    "fewer bins": (
        lambda s: s.predict(cut(X, 9)),
        r"X has 9 features \(bins\), but .* expecting 33",
    ),
    "a smaller STFT": (lambda s: s.predict(stft(n_fft=32).transform(WAVES)), "X has 17 features"),
    "an empty list": (lambda s: s.predict([]), f"X {EMPTY}"),
    "NaN": (lambda s: s.predict(spoiled(X, 1, np.nan)), r"X\[1\] contains NaN at frame 0, bin 5"),
    "waveforms": (lambda s: s.predict(WAVES), FORGOTTEN),
    "negative": (lambda s: s.transform(spoiled(X, 1, -2)), r"Negative values .* X\[1\] has -2"),
    "infinity": (lambda s: s.predict_mask(spoiled(X, 0, np.inf)), r"X\[0\] contains infinity"),
    "fewer targets": (lambda s: s.score(X, Y[:1]), "X has 2 items but y has 1"),
    "no targets": (lambda s: s.score(X, None), "target y is None"),
    "fewer weights": (lambda s: s.score(X, Y, sample_weight=[1]), "one weight for each of the 2"),
    "negative weights": (lambda s: s.score(X, Y, sample_weight=[1, -1]), "`sample_weight` must be"),
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("name", FITTED)
def test_fitted(name, case):
    call, message, *error = CALLS[case]
    refuses(message, lambda: call(FITTED[name]), *error)


@pytest.mark.parametrize("name", FITTED)
def test_other_kinds_of_input_to_a_fitted_separator(name):
    refuses(f"X {NOT_DATA}NoneType", lambda: FITTED[name].predict_mask(None), TypeError)
    fitted = ON_AUDIO[name]
    refuses(
        r"X was made with .*'hop_length': 32.* was fitted on .*'hop_length': 16",
        lambda: fitted.predict(stft(hop_length=32).transform(WAVES)),
    )
    refuses(
        r"X was made with .*'sample_rate': 8000.* was fitted on",
        lambda: fitted.predict(stft(sample_rate=8000).transform(WAVES)),
    )


@pytest.mark.parametrize("make", [supervised, drnmf])
def test_not_fitted(make):
    for method in ("predict", "predict_mask", "transform"):
        refuses("is not fitted yet", lambda m=method: getattr(make(), m)(X), NotFittedError)


WHOLE = r"must be a whole number >= "
FINITE = r"must be a finite number >"
FLAG = "must be True or False; got "
SEED = "`random_state` must be a whole number from 0 to 4294967295, a RandomState or None; got "

PARAMETERS = [
    (supervised, "n_components", 0, f"{WHOLE}1; got 0"),
    (supervised, "n_components", 1.5, rf"{WHOLE}1; got 1\.5 \(float\)"),
    (supervised, "n_components", "3", rf"{WHOLE}1; got '3' \(str\)"),
    (supervised, "n_components", True, f"{WHOLE}1; got True"),
    (supervised, "sparsity", -1, f"{FINITE}= 0; got -1"),
    (supervised, "sparsity", np.nan, f"{FINITE}= 0; got nan"),
    (supervised, "sparsity", None, f"{FINITE}= 0; got None"),
    (
        supervised,
        "inference",
        "x",
        "`inference` must be one of 'auto', 'cd', 'mu', 'ista', 'warm_ista'; got 'x'",
    ),
    (supervised, "n_iter", 0, f"{WHOLE}1; got 0"),
    (supervised, "step_size", 0, f"{FINITE} 0; got 0"),
    (supervised, "step_size", "a", f"{FINITE} 0; got 'a'"),
    (supervised, "beta_loss", "x", "`beta_loss` must be one of 'frobenius'.* or a number; got 'x'"),
    (supervised, "max_iter", 0, f"{WHOLE}1; got 0"),
    (supervised, "tol", -1, f"{FINITE}= 0; got -1"),
    (supervised, "max_frames", 0, f"{WHOLE}1; got 0"),
    (supervised, "random_state", "a", f"{SEED}'a'"),
    (supervised, "verbose", -1, f"{WHOLE}0; got -1"),
    (drnmf, "n_layers", 0, f"{WHOLE}1; got 0"),
    (drnmf, "n_layers", 2.0, f"{WHOLE}1; got 2"),
    (drnmf, "n_gru_units", -1, f"{WHOLE}0; got -1"),
    (drnmf, "n_gru_units", 1.5, f"{WHOLE}0; got 1.5"),
    (drnmf, "n_components", -3, f"{WHOLE}1; got -3"),
    (drnmf, "nmf", 3, "`nmf` must be a SupervisedNMFSeparator, a SparseNMF, .* got 3"),
    (drnmf, "nmf", STFT(), r"`nmf` must be a SupervisedNMFSeparator, .* got STFT\(\)"),
    (drnmf, "sparsity", -1, f"{FINITE}= 0; got -1"),
    (drnmf, "step_size", -1, f"{FINITE} 0; got -1"),
    (drnmf, "recipe", "x", "`recipe` must be one of 'default', 'paper'; got 'x'"),
    (drnmf, "learning_rate", 0, f"{FINITE} 0; got 0"),
    (drnmf, "learning_rate", np.inf, f"{FINITE} 0; got inf"),
    (drnmf, "batch_size", 0, f"{WHOLE}1; got 0"),
    (drnmf, "sequence_length", 0, f"{WHOLE}1; got 0"),
    (drnmf, "max_epochs", -1, f"{WHOLE}0; got -1"),
    (drnmf, "patience", 0, f"{WHOLE}1; got 0"),
    (drnmf, "context", 0, f"{WHOLE}1; got 0"),
    (drnmf, "level_frames", -1, f"{WHOLE}0 and <= 2000; got -1"),
    (drnmf, "level_frames", 2.5, f"{WHOLE}0 and <= 2000; got 2.5"),
    (drnmf, "dynamics", "rotation", "must be one of 'identity', 'diagonal', 'full'"),
    (drnmf, "warm_start", "no", f"{FLAG}'no'"),
    (drnmf, "validation_fraction", 0, f"{FINITE} 0 and <= 0.9; got 0"),
    (drnmf, "validation_fraction", 1.5, f"{FINITE} 0 and <= 0.9; got 1.5"),
    (drnmf, "device", "gpu", "`device` must be 'auto', 'cpu', 'cuda' or .* got 'gpu'"),
    (drnmf, "random_state", -1, f"{SEED}-1"),
    (drnmf, "verbose", "loud", f"{WHOLE}0; got 'loud'"),
    (nmf, "n_components", 0, f"{WHOLE}1; got 0"),
    (nmf, "beta_loss", np.nan, "`beta_loss` must be a finite number; got nan"),
    (nmf, "sparsity", "1", f"{FINITE}= 0; got '1'"),
    (nmf, "solver", "als", "`solver` must be one of 'auto', 'cd', 'mu'; got 'als'"),
    (nmf, "max_iter", 2.5, f"{WHOLE}1; got 2.5"),
    (nmf, "tol", -1e-9, f"{FINITE}= 0; got -1e-09"),
    (nmf, "init", "x", "`init` must be one of .* or an array of shape .* got 'x'"),
    (nmf, "init", np.ones((2, 33)), "`init` has 2 rows but n_components=3 are wanted"),
    (nmf, "init", -np.ones((3, 33)), "`init` must be non-negative with 33 columns"),
    (nmf, "init", np.zeros((3, 33)), "`init` has only zeros in row 0"),
    (nmf, "fixed_components", np.ones((2, 5)), r"`fixed_components` must be .* got shape \(2, 5\)"),
    (nmf, "fixed_components", "a", "`fixed_components` must be an array of numbers; got 'a'"),
    (nmf, "max_frames", -2, f"{WHOLE}1; got -2"),
    (nmf, "random_state", 1.5, f"{SEED}1.5"),
    (stft, "n_fft", 1, f"{WHOLE}2; got 1"),
    (stft, "n_fft", 64.5, f"{WHOLE}2; got 64.5"),
    (stft, "hop_length", 0, f"{WHOLE}1 and <= 64; got 0"),
    (stft, "hop_length", 65, f"{WHOLE}1 and <= 64; got 65"),
    (stft, "hop_length", None, f"{WHOLE}1 and <= 64; got None"),
    (stft, "window", "x", "`window` must be 'sqrt_hann', a window known to scipy"),
    (stft, "window", np.ones(5), r"`window` must have n_fft=64 finite samples; .* \(5,\)"),
    (stft, "window", np.zeros(64), "`hop_length` and `window` must cover every sample"),
    (stft, "window", np.full(64, np.nan), "`window` must have n_fft=64 finite samples"),
    (stft, "sample_rate", 0, f"{WHOLE}1; got 0"),
    (stft, "sample_rate", "16k", f"{WHOLE}1; got '16k'"),
    (stft, "highpass", 0, "`highpass` must be None or a number of Hz above 0 and below .* 8000"),
    (stft, "highpass", "50", r"`highpass` must be a finite number; got '50' \(str\)"),
]


@pytest.mark.parametrize(("make", "name", "value", "message"), PARAMETERS)
def test_parameters(make, name, value, message):
    message = message if message.startswith("`") else f"`{name}` {message}"
    data = {stft: (WAVES,), nmf: (X,)}.get(make, (X, Y))
    refuses(message, lambda: make(**{name: value}).fit(*data), (ValueError, TypeError))


OTHERS = {
    "waveforms: None": ("X must be a list of 1-D waveforms", lambda: stft().fit(None), TypeError),
    "waveforms: empty list": ("X is an empty list", lambda: stft().transform([])),
    "waveforms: empty": (r"X\[1\] is empty", lambda: stft().transform([WAVES[0], WAVES[1][:0]])),
    "waveforms: NaN": (
        r"X\[1\] contains NaN at sample 5",
        lambda: stft().transform(spoiled(WAVES, 1, np.nan)),
    ),
    "waveforms: stereo": (
        r"X\[0\] has shape \(2, 500\): stereo",
        lambda: stft().transform([np.ones((2, 500))]),
    ),
    "waveforms: column": (
        r"X\[0\] has shape \(500, 1\), an axis for one channel; .*: take \[:, 0\] of it",
        lambda: stft().transform([np.ones((500, 1))]),
    ),
    "waveforms: image": (
        r"X\[0\] must be 1-D, .* \(99, 99\)",
        lambda: stft().transform([np.ones((99, 99))]),
    ),
    "waveforms: number": (r"X\[0\] must be 1-D, .* shape \(\)", lambda: stft().transform([3.0])),
    "waveforms: complex": (
        r"Complex data not supported: X\[0\]",
        lambda: stft().transform([WAVES[0] + 1j]),
    ),
    "waveforms: path": (
        r"X\[0\] is a path, 'a\.wav'; read it with",
        lambda: stft().transform(["a.wav"]),
        TypeError,
    ),
    "waveforms: objects": (
        r"X\[0\] must be .* dtype object",
        lambda: stft().transform([np.array([0.5, None])]),
        TypeError,
    ),
    "waveforms: None inside": (
        r"X\[1\] must be .* dtype object",
        lambda: stft().transform([WAVES[0], None]),
        TypeError,
    ),
    "waveforms: long integers": (
        r"X\[0\] has dtype int64; wanted floats",
        lambda: stft().transform([np.arange(9)]),
        TypeError,
    ),
    "waveforms: flags": (
        r"X\[0\] has dtype bool; wanted floats",
        lambda: stft().transform([np.ones(9, bool)]),
        TypeError,
    ),
    "waveforms: one array": ("Expected 2D array, got 1D array", lambda: stft().transform(WAVES[0])),
    "waveforms: 3-D array": ("dim 3", lambda: stft().transform(np.zeros((2, 2, 99)))),
    "waveforms: stereo array": (
        r"X has shape \(2000, 2\): stereo or transposed",
        lambda: stft().transform(np.zeros((2000, 2))),
    ),
    "inverse: magnitudes": (
        r"X\[0\] must be a Spectrogram, which",
        lambda: stft().inverse_transform(X),
        TypeError,
    ),
    "inverse: None": (
        "X must be a list of Spectrogram items",
        lambda: stft().inverse_transform(None),
        TypeError,
    ),
    "NMF: waveforms": (FORGOTTEN, lambda: nmf().fit(WAVES)),
    "NMF: None": (f"X {NOT_DATA}NoneType", lambda: nmf().fit(None), TypeError),
    "NMF: complex": ("Complex data not supported", lambda: nmf().fit(X[0] + 1j)),
    "NMF: not fitted": ("is not fitted yet", lambda: nmf().inverse_transform(X[0]), NotFittedError),
    "NMF: other bins": ("X has 5 features", lambda: nmf().fit(X).transform(cut(X, 5))),
    "NMF: columns": (
        "X has 9 columns but there are 3",
        lambda: nmf().fit(X).inverse_transform(np.ones((3, 9))),
    ),
    "NMF: NaN": ("contains NaN", lambda: nmf().fit(X).inverse_transform(np.full((3, 3), np.nan))),
    "validation: number": (
        r"`validation_data` must be a pair \(X, y\); got int",
        lambda: drnmf().fit(X, Y, validation_data=3),
        TypeError,
    ),
    "validation: three": ("got a tuple of 3", lambda: drnmf().fit(X, Y, validation_data=(X, Y, Y))),
    "validation: None": (
        rf"validation_data\[0\] {NOT_DATA}NoneType",
        lambda: drnmf().fit(X, Y, validation_data=(None, Y)),
        TypeError,
    ),
    "validation: empty": (
        rf"validation_data\[0\] {EMPTY}",
        lambda: drnmf().fit(X, Y, validation_data=([], [])),
    ),
    "validation: bins": (
        r"validation_data\[0\] has 4 features",
        lambda: drnmf().fit(X, Y, validation_data=(cut(X, 4), cut(Y, 4))),
    ),
    "start: other bins": (
        "`nmf` was fitted on 5 bins but X has 33",
        lambda: drnmf(nmf=supervised().fit(cut(X, 5), cut(Y, 5))).fit(X, Y),
    ),
    "SDR: lengths": ("reference has 500 samples but estimate has 400", lambda: metrics.sdr(*WAVES)),
    "SDR: numbers": (
        "reference has 2 waveforms but estimate has 1",
        lambda: metrics.sdr(WAVES, WAVES[:1]),
    ),
    "SDR: NaN": (
        "estimate contains NaN at sample 0",
        lambda: metrics.sdr(WAVES[0], WAVES[0] * np.nan),
    ),
    "SDR: None": (
        "estimate must be a waveform .* got NoneType",
        lambda: metrics.sdr(WAVES[0], None),
        TypeError,
    ),
    "SDR: string": (
        "reference must be a waveform .* got str",
        lambda: metrics.sdr("a", "b"),
        TypeError,
    ),
    "SDR: stereo": (
        r"reference\[0\] has shape \(2, 9\): stereo",
        lambda: metrics.sdr(np.ones((2, 2, 9)), np.ones((2, 2, 9))),
    ),
    "SDR: empty": ("reference is empty", lambda: metrics.sdr(np.zeros(0), np.zeros(0))),
    "SI-SDR: lengths": (
        "reference has 500 samples but estimate has 400",
        lambda: metrics.si_sdr(*WAVES),
    ),
    "improvement: lengths": (
        "reference has 500 samples but mixture has 400",
        lambda: metrics.sdr_improvement(WAVES[0], *WAVES),
    ),
    "SI improvement: lengths": (
        "reference has 500 samples but mixture has 400",
        lambda: metrics.si_sdr_improvement(WAVES[0], *WAVES),
    ),
    "scorer: magnitudes": (
        r"reference\[0\] must be 1-D",
        lambda: metrics.sdr_scorer(FITTED["supervised"], X, Y),
    ),
    "mix: short": (
        "`interference` has 400 samples but `target` has 500",
        lambda: mix_at_snr(*WAVES, 0),
    ),
    "mix: NaN": (
        "interference contains NaN at sample 0",
        lambda: mix_at_snr(WAVES[0], WAVES[0] * np.nan, 0),
    ),
    "mix: SNR": (
        "`snr_db` must be a finite number",
        lambda: mix_at_snr(WAVES[0], WAVES[0], "a"),
        TypeError,
    ),
    "mix: infinite SNR": (
        "`snr_db` must be a finite number",
        lambda: mix_at_snr(WAVES[0], WAVES[0], np.inf),
    ),
    "generate: none": (f"`n_samples` {WHOLE}1; got 0", lambda: make_noisy_speech(0)),
    "generate: duration": (
        "`duration` must be a finite number",
        lambda: make_noisy_speech(1, duration=-1),
    ),
    "generate: durations": (
        r"`duration` must be \(lowest, highest\); got",
        lambda: make_noisy_speech(1, duration=(2, 1)),
    ),
    "generate: SNR": (
        "`snr_db` must be a finite number",
        lambda: make_noisy_speech(1, snr_db="a"),
        TypeError,
    ),
    "generate: SNRs": (
        r"`snr_db` must be \(lowest, highest\); got",
        lambda: make_noisy_speech(1, snr_db=(5, 1)),
    ),
    "generate: speakers": (
        f"`n_speakers` {WHOLE}1; got 0",
        lambda: make_noisy_speech(1, n_speakers=0),
    ),
    "generate: rate": (
        "`sample_rate` must be a whole number >= 8000",
        lambda: make_noisy_speech(1, sample_rate=0),
    ),
    "generate: seed": (f"{SEED}'a'", lambda: make_noisy_speech(1, random_state="a")),
    "load: none": (
        "`paths` must be a path or a list of paths; got None",
        lambda: load_audio(None),
        TypeError,
    ),
    "load: number": (r"paths\[0\] is 3 \(int\)", lambda: load_audio([3]), TypeError),
    "load: empty": ("`paths` is an empty list", lambda: load_audio([])),
    "load: rate": (
        f"`sample_rate` {WHOLE}1; got -1",
        lambda: load_audio(["a.wav"], sample_rate=-1),
    ),
    "load: missing": (
        "missing.wav does not exist",
        lambda: load_audio(["missing.wav"]),
        FileNotFoundError,
    ),
    "plot: components of what": (
        "`estimator` must be one of SparseNMF",
        lambda: plotting.ComponentsDisplay.from_estimator(X[0]),
        TypeError,
    ),
    "plot: no history": (
        "`history` must have an entry 'train_loss'",
        lambda: plotting.TrainingDisplay({}).plot(),
    ),
    "plot: history of what": (
        "`history` must be a dict",
        lambda: plotting.TrainingDisplay(nmf()).plot(),
        TypeError,
    ),
    "plot: lengths": (
        "500 samples",
        lambda: plotting.SeparationDisplay.from_predictions(WAVES[0], *WAVES),
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_others(case):
    message, call, *error = OTHERS[case]
    refuses(message, call, *error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good and bad audio files, folders of them, and files that are no models."""
    root = tmp_path_factory.mktemp("files")
    for name, waves in (("noisy", WAVES), ("clean", TARGETS), ("short", [t[:-5] for t in TARGETS])):
        (root / name).mkdir()
        for letter, wave in zip("ab", waves, strict=True):
            soundfile.write(root / name / f"{letter}.wav", wave, 16000)
    (root / "one").mkdir()
    soundfile.write(root / "one" / "a.wav", TARGETS[0], 16000)
    (root / "slow").mkdir()
    for letter, wave in zip("ab", TARGETS, strict=True):
        soundfile.write(root / "slow" / f"{letter}.wav", wave, 8000)
    (root / "empty").mkdir()
    (root / "folder.wav").mkdir()
    whole = (root / "noisy" / "a.wav").read_bytes()
    for name, content in {
        "text": b"hello world" * 9,
        "zero": b"",
        "truncated": whole[:30],
        "zeros": bytes(999),
    }.items():
        (root / f"{name}.wav").write_bytes(content)
    joblib.dump({"a": 1}, root / "dict.joblib")
    joblib.dump(supervised(), root / "separator.joblib")
    return root


FILES = {
    "text": (ValueError, r"text\.wav is not an audio file that can be read"),
    "zero": (ValueError, r"zero\.wav is not an audio file that can be read"),
    "truncated": (ValueError, r"truncated\.wav is not an audio file that can be read"),
    "zeros": (ValueError, r"zeros\.wav is not an audio file that can be read"),
    "folder": (IsADirectoryError, r"folder\.wav is a folder; pass the audio files in it"),
    "missing": (FileNotFoundError, r"missing\.wav does not exist"),
}


@pytest.mark.parametrize("name", FILES)
def test_files(folder, name):
    error, message = FILES[name]
    refuses(message, lambda: load_audio([folder / f"{name}.wav"]), error)


def test_files_that_cannot_be_written(tmp_path):
    there, nowhere = tmp_path / "a.wav", tmp_path / "no" / "a.wav"
    refuses("waveform contains NaN at sample 0", lambda: save_audio(there, WAVES[0] * np.nan))
    refuses(r"waveform has shape \(2, 9\): stereo", lambda: save_audio(there, np.ones((2, 9))))
    refuses("there is no folder", lambda: save_audio(nowhere, WAVES[0]), FileNotFoundError)
    refuses(r"a\.xyz: ", lambda: save_audio(tmp_path / "a.xyz", WAVES[0]))
    assert list(tmp_path.iterdir()) == []


COMMANDS = {
    "": "the following arguments are required: command",
    "train": "invalid choice: 'train'",
    "fit --noisy {0}/nowhere --clean {0}/clean -o {0}/m": "nowhere",
    "fit --noisy {0}/noisy --clean {0}/one -o {0}/m": "pair up by name",
    "fit --noisy {0}/noisy --clean {0}/empty -o {0}/m": "empty has no audio files",
    "fit --noisy {0}/noisy --clean {0}/noisy -o {0}/m": "belongs to both --noisy and --clean",
    "fit --noisy {0}/noisy --clean {0}/short -o {0}/m": r"a\.wav has 500 samples but .* 495",
    "fit --noisy {0}/noisy --clean {0}/clean --set recipe=x -o {0}/m": "`recipe` must be",
    "fit --clean {0}/clean -o {0}/m": "Pass --noisy and --clean",
    "separate --model {0}/nothing {0}/noisy/a.wav -o {0}/out": "nothing is neither a file nor",
    "separate --model {0}/text.wav {0}/noisy/a.wav -o {0}/out": r"text\.wav is not a model",
    "separate --model {0}/dict.joblib {0}/noisy/a.wav -o {0}/out": r"dict\.joblib is a pickle",
    "separate --trust-pickle --model {0}/dict.joblib {0}/noisy -o {0}/out": "holds a dict, not a",
    "separate --trust-pickle --model {0}/separator.joblib {0}/noisy -o {0}/out": (
        "holds a SupervisedNMFSeparator"
    ),
    "separate {0}/dict.joblib {0}/noisy/a.wav -o {0}/out": "is a model, not a recording",
    "score --model {0}/dict.joblib --noisy {0}/noisy --clean {0}/clean": "is a pickle",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line(folder, command, capsys):
    refuses("2", lambda: main(command.format(folder).split()), SystemExit)
    errors = capsys.readouterr().err
    assert re.search(COMMANDS[command], errors), errors
    assert "Traceback" not in errors


def test_there_are_many():
    tables = (FIT, CALLS, PARAMETERS, OTHERS, FILES, COMMANDS)
    assert sum(map(len, tables)) >= 180
