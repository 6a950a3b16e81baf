"""The recording that the package carries."""

import numpy as np
import soundfile

from sknmf_unfold.datasets import example_path, load_example
from tests._refusals import refuses


def test_it_is_a_short_noisy_recording():
    info = soundfile.info(example_path())
    assert (info.samplerate, info.channels, info.format) == (16000, 1, "FLAC")
    assert 4 <= info.duration <= 6 and example_path().stat().st_size < 200_000
    waveform = load_example()
    samples, _ = soundfile.read(example_path(), dtype="float32")
    np.testing.assert_array_equal(waveform, samples)
    assert waveform.dtype == np.float32 and 0.1 < np.abs(waveform).max() < 1
    # Before the voice there is noise, below its level.
    noise, all_of_it = (np.sqrt(np.mean(part**2)) for part in (waveform[1600:4000], waveform))
    assert -12 < 20 * np.log10(noise / all_of_it) < -3


def test_it_is_resampled():
    assert len(load_example(8000)) == -(-len(load_example()) // 2)
    refuses("`sample_rate` must be", lambda: load_example(0))


def test_its_licence_is_beside_it():
    folder = example_path().parent
    assert "Attribution-ShareAlike 4.0 International" in (folder / "LICENSE.txt").read_text()
    assert "asterisk-core-sounds-ru-g722" in (folder / "SOURCES.txt").read_text()
