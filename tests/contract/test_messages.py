"""Lengths of error messages, whatever was passed."""

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator, SparseNMF, plotting
from sknmf_unfold.datasets import MixtureDataset, load_audio, make_noisy_speech, save_audio
from sknmf_unfold.streaming import StreamingSeparator
from sknmf_unfold.validation.messages import shorten, shown
from sknmf_unfold.validation.options import check_choice, check_flag, check_path
from sknmf_unfold.validation.parameters import check_number
from tests._counts import count

TEXT = "x" * 10**6
NUMBERS = [0.5] * 10**5
FRAMES = np.ones((4, 33))
WAVES = [np.ones(600), np.ones(500)]

CALLS = {
    "number": lambda: check_number("n", NUMBERS),
    "choice": lambda: check_choice("n", TEXT, ["a"]),
    "flag": lambda: check_flag("n", TEXT),
    "path": lambda: check_path("n", NUMBERS),
    "null": lambda: check_path("n", "\0" + TEXT),
    "files": lambda: load_audio([NUMBERS]),
    "file": lambda: load_audio(TEXT),
    "output": lambda: save_audio(NUMBERS, [0.1]),
    "waveform": lambda: STFT().transform([TEXT]),
    "window": lambda: STFT(window=TEXT).fit(WAVES),
    "window without overlap": lambda: STFT(512, 512, tuple(np.hanning(512))).fit(WAVES),
    "random_state": lambda: make_noisy_speech(random_state=TEXT),
    "range": lambda: make_noisy_speech(snr_db=NUMBERS),
    "levels": lambda: MixtureDataset(WAVES, WAVES, snr_db=TEXT),
    "counts": lambda: MixtureDataset(WAVES, WAVES, n_interferences=TEXT),
    "bands": lambda: MixtureDataset(WAVES, WAVES, bandwidths=TEXT),
    "band": lambda: MixtureDataset(WAVES, WAVES, bandwidths=[NUMBERS]),
    "beta_loss": lambda: SparseNMF(2, beta_loss=TEXT).fit(FRAMES),
    "init": lambda: SparseNMF(2, init=TEXT).fit(FRAMES),
    "device": lambda: DRNMFSeparator(device=TEXT, n_components=2).fit(FRAMES, 0.5 * FRAMES),
    "nmf": lambda: DRNMFSeparator(nmf=NUMBERS, n_components=2).fit(FRAMES, 0.5 * FRAMES),
    "pipeline": lambda: StreamingSeparator(NUMBERS),
    "other pipeline": lambda: StreamingSeparator(Pipeline([("a", SparseNMF(init=TEXT))])),
    "canvas": lambda: plotting.TrainingDisplay({"train_loss": [1.0]}).plot(ax=NUMBERS),
    "history": lambda: plotting.TrainingDisplay({f"loss{i}": [1.0] for i in range(10**4)}).plot(),
    "estimator": lambda: plotting.ComponentsDisplay.from_estimator(NUMBERS),
    "settings": lambda: SparseNMF(2).fit(
        [
            *STFT(512, 128, np.hanning(512)).transform(WAVES),
            *STFT(512, 128, np.hamming(512)).transform(WAVES),
        ]
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_messages_have_a_readable_length(case):
    with pytest.raises((ValueError, TypeError, OSError)) as raised:
        CALLS[case]()
    assert 20 < len(str(raised.value)) < 1300, str(raised.value)[:2000]
    count("bad inputs refused")


@pytest.mark.parametrize("length", [0, 20, 160, 161, 1000])
def test_short_texts_stay_as_they_are(length):
    text = "".join(chr(97 + i % 26) for i in range(length))
    short = shorten(text)
    if length <= 160:
        assert short == text
    else:
        assert short.startswith(text[:50]) and short.endswith(text[-25:]) and len(short) < 160
        assert f"({length} characters)" in short


def test_values_are_shown_on_one_line():
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
    assert shown("a\nb") == r"'a\nb'"
    assert shown(10**5000) == "a int too long to print"
