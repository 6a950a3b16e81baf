"""The recording that the package carries, for the command `separate` without any files."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from sklearn.pipeline import Pipeline

from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.datasets import example_path, load_example
from sknmf_unfold.plotting import SeparationDisplay

from ._pictures import new_panels
from ._recordings import say
from ._separation_files import Job


def example_job(folder: Path) -> Job:
    """Return the job of the recording that the package carries.

    Parameters
    ----------
    folder : Path
        For the result.

    Returns
    -------
    job : Job
    """
    source = example_path()
    return Job(source, folder / f"separated{source.suffix}")


def write_comparison(folder: Path, pipe: Pipeline, max_attenuation: float | None) -> None:
    """Write the noisy recording and, if matplotlib is there, a picture of its separation.

    Parameters
    ----------
    folder : Path
        For the files noisy.flac and separation.png.
    pipe : Pipeline
        Fitted, of `STFT` and a separator.
    max_attenuation : float or None
        Bound in dB on what is taken away.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    noisy = folder / f"noisy{example_path().suffix}"
    with replacing(noisy) as unfinished:
        shutil.copyfile(example_path(), unfinished)
    say(str(noisy))
    if importlib.util.find_spec("matplotlib") is None:
        say('For a picture too: pip install "sknmf_unfold[demo]"', sys.stderr)
        return
    picture = folder / "separation.png"
    with replacing(picture) as unfinished:
        _draw(pipe, max_attenuation).savefig(unfinished, dpi=120)
    say(str(picture))


def _draw(pipe, max_attenuation):
    transformer, separator = pipe[0], pipe[-1]
    waveform = load_example(transformer.sample_rate)
    [spectrogram] = transformer.transform([waveform])
    [mask] = separator.predict_mask([spectrogram], max_attenuation=max_attenuation)
    separated = spectrogram.masked(mask).inverse()
    names = ("sample_rate", "n_fft", "hop_length")
    settings = {name: separator.stft_settings_[name] for name in names}
    axes = new_panels(3)
    SeparationDisplay.from_predictions(waveform, separated, mask=mask, **settings, ax=axes)
    return axes[0].figure
