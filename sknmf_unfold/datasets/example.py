"""The noisy recording that the package carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .audio_files import load_audio

EXAMPLE_NAME = "noisy_speech.flac"


def example_path() -> Path:
    """Return the path of the noisy recording that the package carries.

    Returns
    -------
    path : Path
        A FLAC file of six seconds, mono, at 16 kHz. The text files beside it state its sources
        and its licence, CC BY-SA 4.0.

    Examples
    --------
    >>> from sknmf_unfold.datasets import example_path
    >>> example_path().name
    'noisy_speech.flac'
    """
    return Path(__file__).parent / "example" / EXAMPLE_NAME


def load_example(sample_rate: int = 16000) -> np.ndarray:
    """Load the noisy recording that the package carries: a voice in a stadium and on a market.

    A woman speaks Russian, 4 dB above the noise. Both are recordings, which were mixed.

    Parameters
    ----------
    sample_rate : int, default=16000
        In Hz; the recording is resampled to it.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32
        In [-1, 1].

    Raises
    ------
    ValueError, TypeError
        If `sample_rate` is not a sampling rate.

    Examples
    --------
    >>> from sknmf_unfold.datasets import load_example
    >>> waveform = load_example()
    >>> 4 < len(waveform) / 16000 < 6
    True
    """
    [waveform] = load_audio(example_path(), sample_rate)
    return waveform
