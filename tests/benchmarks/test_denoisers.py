"""Denoisers beside ours: alignment, measures, adapters and tables."""

import json
import math

import numpy as np
import pytest
import scipy.signal

from benchmarks import denoisers, denoisers_measures, denoisers_onnx, denoisers_timing
from benchmarks.denoisers_models import ours, split_label
from benchmarks.denoisers_report import NO_VALUE, largest, ordered, report
from benchmarks.denoisers_systems import (
    PEERS,
    Denoiser,
    fit_length,
    in_frames,
    in_pcm_frames,
    make_peer,
    missing,
)

RATE = 16000


def late(delay, gain=1.0, rate=RATE):
    """A system that does nothing but to delay, and to drop what is late at the end."""

    def process(waveform):
        return gain * np.concatenate([np.zeros(delay, np.float32), waveform])[: len(waveform)]

    return Denoiser(f"late by {delay}", process, "", rate)


# Delays


@pytest.mark.parametrize("gain", [1.0, -0.01])
@pytest.mark.parametrize("delay", [0, 1, 160, 960])
def test_a_delay_is_found_and_taken_out(delay, gain):
    system = denoisers_timing.align(late(delay, gain))
    assert system.delay == delay
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    np.testing.assert_allclose(system(x), gain * x, rtol=1e-6)


def test_a_system_runs_at_its_own_rate():
    lengths = []
    system = late(480, rate=48000)
    system.process, inner = lambda x: lengths.append(len(x)) or inner(x), system.process
    denoisers_timing.align(system)
    assert system.delay == 480
    times = np.arange(8000) / RATE
    tone = np.sin(2 * np.pi * 440 * times).astype(np.float32) * np.hanning(8000)
    np.testing.assert_allclose(system(tone), tone, atol=1e-3)
    assert lengths[-1] == 3 * 8000 + 480 + 4800


@pytest.mark.parametrize("n_times", [1, 159, 4801])
def test_outputs_are_as_long_as_inputs(n_times):
    shorter = Denoiser("short", lambda x: x[: len(x) // 2], "")
    assert shorter(np.ones(n_times)).shape == (n_times,)
    assert fit_length(np.ones(3), n_times).sum() == min(3, n_times)


@pytest.mark.parametrize("ahead, delay", [(0, 0), (320, 0), (320, 160)])
def test_latency_is_lookahead_whether_or_not_the_output_comes_late(ahead, delay):
    def process(x):
        averaged = scipy.signal.lfilter(np.ones(ahead + 1), 1, x)
        return np.concatenate([averaged[ahead - delay :], np.zeros(ahead - delay)])

    system = Denoiser("average", process, "", delay=delay)
    found = denoisers_timing.latency(system)
    assert found == pytest.approx(1000 * ahead / RATE, abs=1000 / RATE)
    system.streams = False
    assert denoisers_timing.latency(system) is None


def test_frames_are_put_together_again():
    x = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    np.testing.assert_array_equal(in_frames(x, 160, lambda f: 2 * f)[:1000], 2 * x)
    np.testing.assert_allclose(
        in_pcm_frames(2 * x, 160, bytes)[:1000], np.clip(2 * x, -1, 1), atol=2e-5
    )


# Measures


def coloured(rng, low, high, n_times):
    """Noise between two frequencies in Hz."""
    band = scipy.signal.butter(8, [low, high], "bandpass", fs=RATE, output="sos")
    return scipy.signal.sosfilt(band, rng.standard_normal(n_times))


def test_attenuation_in_pauses_is_that_of_a_known_filter():
    rng = np.random.default_rng(0)
    target = np.zeros(4 * RATE)
    target[RATE : 2 * RATE] = rng.standard_normal(RATE)
    bands = [coloured(rng, 1000 * low + 300, 1000 * low + 1700, 4 * RATE) for low in (0, 2, 4, 6.0)]
    wanted = np.array([3.0, 10.0, 20.0, 40.0])
    mixture = target + sum(bands)
    estimate = target + sum(b * 10 ** (-a / 20) for a, b in zip(wanted, bands, strict=True))
    found = denoisers_measures.attenuation(mixture, estimate, target)
    np.testing.assert_allclose(found, wanted, atol=0.2)
    # What a system does while the target speaks does not count, nor does the level of all.
    estimate[RATE : 2 * RATE] = 0
    again = denoisers_measures.attenuation(0.01 * mixture, 0.01 * estimate, 0.01 * target)
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_attenuation_has_bounds_and_may_be_undefined():
    rng = np.random.default_rng(0)
    target = np.concatenate([np.zeros(RATE), rng.standard_normal(RATE)])
    mixture = target + 0.1 * rng.standard_normal(2 * RATE)
    silent = denoisers_measures.attenuation(mixture, 0 * mixture, target)
    np.testing.assert_array_equal(silent, 60)
    assert np.isnan(denoisers_measures.attenuation(target, target, target)).all()
    speaking = rng.standard_normal(RATE)
    assert np.isnan(denoisers_measures.attenuation(speaking, speaking, speaking)).all()


def test_pauses_are_away_from_speech():
    target = np.zeros(20 * 512)
    target[5 * 512 + 3] = 1.0
    expected = np.full(20, True)
    expected[4:7] = False
    np.testing.assert_array_equal(denoisers_measures.pauses(target), expected)
    assert denoisers_measures.pauses(np.zeros(100)).shape == (0,)


@pytest.mark.parametrize(
    "snr, band",
    [(-6, "below -3"), (-3, "-3 to 3"), (8.9, "3 to 9"), (9, "9 to 20"), (None, "20 and above")],
)
def test_bands_of_snr_are_closed_below(snr, band):
    assert denoisers_measures.snr_band(snr) == band


def test_undefined_measures_are_left_out_of_means():
    values = {"SDR": np.array([1.0, 2.0, 9.0]), "PESQ": np.array([np.nan, 3.0, 9.0])}
    found = denoisers_measures.means(values, np.array([True, True, False]))
    assert found == {"recordings": 2, "SDR": 1.5, "PESQ": 3.0}


def test_remixed_recordings_have_the_snr():
    rng = np.random.default_rng(0)
    target, rest = rng.standard_normal((2, 5000))
    mixture = denoisers.remix(target + 3 * rest, target, 20)
    noise = mixture - target
    assert 10 * np.log10(np.sum(target**2) / np.sum(noise**2)) == pytest.approx(20)
    assert np.corrcoef(noise, rest)[0, 1] == pytest.approx(1)
    assert denoisers.remix(target, target, 20) is target


def test_perceived_quality_of_equal_and_of_noisy_speech():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    clean = denoisers_timing.speech_signal(RATE, 2.0)
    noisy = clean + np.std(clean) * np.random.default_rng(0).standard_normal(len(clean))
    best, worse = (denoisers_measures.perceived(clean, x) for x in (clean, noisy))
    # The largest value of the mapping of P.862.2, equation 1, for a raw value of 4.5.
    assert best == pytest.approx((0.999 + 4 / (1 + math.exp(-1.3669 * 4.5 + 3.8224)), 1), abs=1e-3)
    assert worse[0] < 2 and worse[1] < 0.9
    assert np.isnan(denoisers_measures.perceived(clean, 0 * clean)[0])


# Systems


@pytest.mark.parametrize("name", [name for name, (_, _, files) in PEERS.items() if not files])
def test_packages_take_noise_away_and_keep_speech(name):
    for module in PEERS[name][1]:
        pytest.importorskip(module)
    system = denoisers_timing.align(make_peer(name, None))
    clean = denoisers_timing.speech_signal(RATE, 2.0)
    estimate = system(clean)
    assert estimate.shape == clean.shape and estimate.dtype == np.float32
    assert denoisers_timing.find_delay(clean, estimate, 400) < 10
    assert np.corrcoef(clean, estimate)[0, 1] > 0.5
    noise = 0.05 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert np.std(system(noise)[RATE:]) < 0.7 * np.std(noise)


def test_what_a_system_lacks_is_said(tmp_path):
    pytest.importorskip("onnxruntime")
    assert "--weights" in missing("gtcrn", None)
    assert denoisers_onnx.GTCRN_FILE in missing("gtcrn", tmp_path)
    (tmp_path / "dtln").mkdir()
    (tmp_path / denoisers_onnx.DTLN_FILES[0]).touch()
    assert denoisers_onnx.DTLN_FILES[1] in missing("dtln", tmp_path)


@pytest.mark.parametrize("hop", [128, 256, 512])
@pytest.mark.parametrize("n_times", [1, 511, 512, 5000])
def test_blocks_overlap_everywhere_alike(n_times, hop):
    x = np.random.default_rng(0).standard_normal(n_times).astype(np.float32)
    found = denoisers_onnx.in_blocks(x, hop, lambda block: block)
    np.testing.assert_allclose(found, 512 / hop * x, rtol=1e-5)


def save_identity(path, shapes, outputs):
    """Store an ONNX model whose outputs are its inputs."""
    import onnx
    from onnx import TensorProto, helper

    infos = [
        [helper.make_tensor_value_info(f"{kind}{i}", TensorProto.FLOAT, s) for i, s in each]
        for kind, each in (("in", list(enumerate(shapes))), ("out", list(enumerate(outputs))))
    ]
    nodes = [helper.make_node("Identity", [f"in{i}"], [f"out{i}"]) for i in range(len(shapes))]
    graph = helper.make_graph(nodes, "identity", *infos)
    opset = [helper.make_opsetid("", 17)]
    path.parent.mkdir(exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def test_gtcrn_of_an_identity_returns_its_input(tmp_path):
    pytest.importorskip("onnxruntime")
    shapes = [[1, 257, 1, 2], [2, 1, 16]]
    save_identity(tmp_path / denoisers_onnx.GTCRN_FILE, shapes, shapes)
    x = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    np.testing.assert_allclose(denoisers_onnx.gtcrn(tmp_path)(x), x, atol=1e-5)


def test_dtln_masks_spectra_and_sums_blocks(tmp_path):
    pytest.importorskip("onnxruntime")
    first, second = (tmp_path / name for name in denoisers_onnx.DTLN_FILES)
    save_identity(first, [[1, 1, 257], [1, 2, 4, 2]], [[1, 1, 257], [1, 2, 4, 2]])
    save_identity(second, [[1, 1, 512], [1, 2, 4, 2]], [[1, 1, 512], [1, 2, 4, 2]])
    x = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    # The mask is the magnitude itself here; every sample lies in four blocks.
    padded, expected = np.pad(x, (384, 512)), np.zeros(600 + 896)
    for start in range(0, 600 + 384, 128):
        spectrum = np.fft.rfft(padded[start : start + 512])
        expected[start : start + 512] += np.fft.irfft(np.abs(spectrum) * spectrum)
    found = denoisers_onnx.dtln(tmp_path)(x)
    np.testing.assert_allclose(found, expected[384:984], rtol=1e-4, atol=1e-3)


def test_labels_are_split_off_files(tmp_path):
    label, path = split_label(f"best={tmp_path}/a.joblib")
    assert (label, path) == ("best", tmp_path / "a.joblib")
    assert split_label("speech")[0] == "speech"
    assert split_label("folder/max_epochs=15_seed0.joblib")[0] == "max_epochs=15_seed0"


def test_a_fitted_pipeline_is_a_system(tmp_path, fitted):
    import joblib

    path = tmp_path / "model.joblib"
    joblib.dump(fitted, path)
    system = ours(f"small={path}")
    x = denoisers_timing.speech_signal(RATE, 1.0)
    np.testing.assert_allclose(system(x), fitted.predict([np.pad(x, (0, 1600))])[0][:RATE])
    np.testing.assert_allclose(system.stream(x), fitted.predict([x])[0], atol=1e-5)
    assert (system.name, system.n_bytes) == ("small", path.stat().st_size)
    assert system.n_parameters == fitted[-1].components_.size
    assert denoisers_timing.align(system).delay == 0
    # A window of 512 samples.
    assert denoisers_timing.latency(system) == pytest.approx(32, abs=1.5)


@pytest.fixture(scope="module")
def fitted():
    from sklearn.pipeline import make_pipeline

    from sknmf_unfold import STFT, SupervisedNMFSeparator
    from sknmf_unfold.datasets import make_noisy_speech

    X, Y = make_noisy_speech(4, duration=1.0, random_state=0)
    settings = {"max_iter": 5, "level_frames": 0, "random_state": 0}
    return make_pipeline(STFT(), SupervisedNMFSeparator(4, **settings)).fit(X, Y)


# Rows and tables


def row(system, value, condition="matched", gain=0.0, recordings=12):
    measures = {"SDR": value, "SI-SDR": value - 1, "PESQ": 1.5, "ESTOI": 0.5}
    return {
        "system": system,
        "part": "test",
        "condition": condition,
        "gain": gain,
        "recordings": recordings,
        **measures,
        "by SNR": {"below -3": measures | {"SDR": value - 5}, "20 and above": measures},
        "attenuation": {"0-2 kHz": 10.0, "6-8 kHz": float("nan")},
    }


def test_systems_are_ordered_by_their_sdr_between_the_bounds():
    rows = [row("ideal", 14), row("b", 6), row("noisy", 7), row("a", 5), row("a", 6)]
    assert ordered(rows) == ["noisy", "a", "b", "ideal"]
    assert ordered(rows[:2]) == ["b", "ideal"]


def test_few_recordings_do_not_hide_many():
    rows = [row("a", 1.0, recordings=230), row("a", 9.0), row("a", 5.0, gain=10.0)]
    assert [each["SDR"] for each in largest(rows)] == [1.0, 5.0]


def test_the_report_has_every_measure_and_is_valid():
    docutils = pytest.importorskip("docutils.core")
    facts = {"rate": 48000, "parameters": 23670, "bytes": None, "delay": 96, "latency": None}
    facts |= {"real-time factor": 0.0123, "real-time factor, streaming": None}
    rows = [row("noisy", 1.57), row("noisy", 1.58, gain=-20.0), row("noisy", 20.0, "unseen@20")]
    rows += [row("a", 7.123), row("a", 7.1, gain=-20.0)]
    slower = facts | {"system": "b", "real-time factor": 0.3}
    text = report(rows, [slower, facts | {"system": "a"}])
    assert text.rindex("b  ") > text.rindex("a  ")
    for cell in ("7.12 / 6.12 / 1.50 / 0.500", "2.12 (1.50)", "7.10 (1.50)", "20.00 / 19.00"):
        assert cell in text
    cells = ["a", "48", "23,670", NO_VALUE, "96", NO_VALUE, "0.0123", NO_VALUE]
    assert cells in map(str.split, text.splitlines())
    settings = {"halt_level": 2, "report_level": 2}
    docutils.publish_string(text, writer="null", settings_overrides=settings)


def test_a_row_is_measured_again_only_if_the_system_has_changed(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    from sknmf_unfold.datasets import make_noisy_speech

    X, Y = make_noisy_speech(2, duration=1.0, random_state=0)
    entries = [{"snr": -6}, {"snr": 25}]
    monkeypatch.setattr(denoisers.open_speech, "load", lambda *_, **__: (X, Y, entries))
    monkeypatch.setattr(
        denoisers_measures.joblib,
        "Parallel",
        lambda n_jobs: lambda jobs: [function(*args) for function, args, _ in jobs],
    )
    calls = []
    peer = Denoiser("gone", lambda x: calls.append(1) or 0.5 * x, "1")
    monkeypatch.setattr(denoisers, "make_peer", lambda *_: peer)
    monkeypatch.setattr(denoisers, "missing", lambda *_: "")
    path = tmp_path / "rows.jsonl"
    command = ["--systems", "noisy", "ideal", "webrtc", "--results", str(path)]
    command += ["--conditions", "matched", "matched@20", "--gains", "0", "10"]
    denoisers.main(command)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 3 * 3
    found = {(each["system"], each["condition"], each["gain"]): each for each in rows}
    assert found["gone", "matched", 10]["SDR"] == pytest.approx(found["noisy", "matched", 0]["SDR"])
    assert found["noisy", "matched@20", 0]["SDR"] == pytest.approx(20, abs=0.5)
    assert found["ideal", "matched", 0]["SDR"] > found["noisy", "matched", 0]["SDR"] + 5
    attenuation = [x for x in found["gone", "matched", 0]["attenuation"].values() if x == x]
    np.testing.assert_allclose(attenuation, 20 * np.log10(2), atol=1e-6)
    n_calls = len(calls)
    denoisers.main(command)
    assert len(calls) == n_calls
    peer.fingerprint = "2"
    denoisers.main(command)
    assert len(calls) > n_calls and len(path.read_text().splitlines()) == len(rows)
