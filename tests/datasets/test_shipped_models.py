"""Models that the package carries: what their users rely on."""

import json
from pathlib import Path

import numpy as np
import pytest

from sknmf_unfold.base.compact_models import sha256
from sknmf_unfold.cli.main import main
from sknmf_unfold.datasets import (
    load_audio,
    load_example,
    load_pretrained,
    make_noisy_speech,
    pretrained,
)
from sknmf_unfold.metrics import sdr
from sknmf_unfold.streaming import StreamingSeparator

ROOT = Path(__file__).parents[2]
FOLDER = Path(pretrained.__file__).parent / "pretrained"
MAX_LATENCY_SECONDS = {"speech": 0.064, "speech-low-latency": 0.032}


@pytest.fixture(scope="module", params=pretrained.PRETRAINED_NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def pipe(name):
    return load_pretrained(name)


@pytest.fixture(scope="module")
def speech():
    return make_noisy_speech(6, duration=3.0, snr_db=(0, 5), random_state=3)


def test_all_are_there_and_small():
    sizes = [(FOLDER / f"{name}.skops").stat().st_size for name in pretrained.PRETRAINED_NAMES]
    assert sum(sizes) <= 4e6
    digests = json.loads((FOLDER / pretrained.CHECKSUMS).read_text())
    assert digests == {path.stem: sha256(path.read_bytes()) for path in FOLDER.glob("*.skops")}


def test_generated_voices_come_out_cleaner(pipe, speech):
    # Voices and noise that no recording has: much less than of real voices is asked for.
    X, Y = speech
    assert np.mean(sdr(Y, pipe.predict(X)) - sdr(Y, X)) > 1


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_the_level_makes_no_difference(pipe, gain):
    noisy = load_example()
    [enhanced], [other] = (pipe.predict([np.float32(g) * noisy]) for g in (1, gain))
    np.testing.assert_allclose(other / gain, enhanced, atol=1e-3 * np.abs(enhanced).max())


def test_an_offset_makes_little_difference(pipe):
    noisy = load_example()
    [enhanced], [other] = (pipe.predict([noisy + np.float32(dc)]) for dc in (0, 0.01))
    # The filter starts with a step, which takes a fifth of a second to die away.
    assert sdr([enhanced[8000:]], [other[8000:]])[0] > 25
    assert abs(other[8000:].mean()) < 1e-4


def test_pauses_are_attenuated(pipe):
    noisy = load_example()
    [enhanced] = pipe.predict([noisy])
    assert len(enhanced) == len(noisy) and np.isfinite(enhanced).all()
    # Before the voice starts.
    quiet = slice(1000, 4000)
    assert np.sum(enhanced[quiet] ** 2) < 0.5 * np.sum(noisy[quiet] ** 2)


def test_streams_come_one_frame_late(pipe, name):
    noisy = load_example()[:16000]
    stream = StreamingSeparator(pipe)
    assert stream.latency_ / 16000 <= MAX_LATENCY_SECONDS[name]
    parts = [stream.process(noisy[i : i + 300]) for i in range(0, len(noisy), 300)]
    enhanced = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(enhanced, pipe.predict([noisy])[0], atol=1e-4)


def test_the_command_cleans_the_example(tmp_path, capsys):
    assert main(["separate", "-o", str(tmp_path)]) == 0
    files = {path.name for path in tmp_path.iterdir()}
    assert files >= {"noisy.flac", "separated.flac", "separation.png"}
    noisy, separated = load_audio([tmp_path / f"{x}.flac" for x in ("noisy", "separated")])
    assert noisy.shape == separated.shape and 0 < np.std(separated) < np.std(noisy)
