"""Live separation: a microphone to a loudspeaker, by sounddevice (extra ``live``)."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from sknmf_unfold.streaming import StreamingSeparator

from ._interrupts import Interrupt
from ._load import Load
from ._resampled_stream import ResampledStream


class Devices(NamedTuple):
    """Sound devices and their sampling rate.

    Attributes
    ----------
    microphone, loudspeaker : str or None
        Number or part of a name, as ``--list-devices`` shows them; None stands for the system's
        choice.
    rate : int or None
        Sampling rate in Hz; None stands for the model's, if the devices have it, or else that of
        the microphone.
    """

    microphone: str | None = None
    loudspeaker: str | None = None
    rate: int | None = None


def require_sounddevice() -> ModuleType:
    """Import sounddevice.

    Returns
    -------
    sounddevice : module

    Raises
    ------
    ImportError
        If it is not installed, or lacks the library PortAudio.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise ImportError(
            "--live and --list-devices need sounddevice: pip install 'sknmf_unfold[live]'"
        ) from error
    except OSError as error:
        raise ImportError(
            f"sounddevice does not find the library PortAudio ({error}); install it, on Debian or "
            f"Ubuntu by: apt install libportaudio2"
        ) from error
    return sounddevice


def list_devices() -> str:
    """Return a table of the sound devices, one in a line."""
    return str(require_sounddevice().query_devices())


def stream_live(
    pipeline: Pipeline,
    devices: Devices,
    chunk: int | None = None,
    max_attenuation: float | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Separate the sound of a microphone and play it, until Ctrl-C.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator.
    devices : Devices
    chunk : int or None, default=None
        Samples of a chunk; None stands for the hop length.
    max_attenuation : float or None, default=None
        See `StreamingSeparator`.
    report : callable, default=print
        Prints lines of text.

    Raises
    ------
    ImportError
        If sounddevice is not installed.
    OSError
        If a device cannot be opened, or fails.
    """
    sounddevice = require_sounddevice()
    separator = StreamingSeparator(pipeline, max_attenuation=max_attenuation)
    try:
        rate = devices.rate or _common_rate(sounddevice, devices, separator.sample_rate_)
        stream = ResampledStream(separator, rate)
        chunk = chunk or stream.hop_length
        with sounddevice.Stream(
            samplerate=rate, blocksize=chunk, device=_pair(devices), channels=1, dtype="float32"
        ) as sound:
            _run(sound, stream, chunk, report)
    # ValueError: several devices, or none, have such a name.
    except (sounddevice.PortAudioError, ValueError) as error:
        raise OSError(f"sound device: {error}; --list-devices shows the devices.") from error


def _run(sound, stream, chunk, report):
    """Read, separate and play chunk by chunk, until an interrupt."""
    load, n_gaps = Load(stream.sample_rate), 0
    report("Live: press Ctrl-C to end; headphones avoid howling")
    silence = np.zeros(chunk, np.float32)
    # The loudspeaker is a chunk behind, so that it has samples to play while the next are computed.
    sound.write(_as_block(silence))
    with Interrupt() as interrupt:
        while (block := interrupt.wait(sound.read, chunk)) is not None:
            samples, is_late = block
            load.n_times += len(samples)
            with load:
                finished = stream.process(samples[:, 0])
            if len(finished):
                silence = silence[:0]
            # Silence until the first samples are finished.
            played = finished if len(finished) else silence
            n_gaps += is_late + bool(len(played) and sound.write(_as_block(played)))
            if load.due:
                report(_line(load, n_gaps))
    report(_line(load, n_gaps))


def _as_block(samples):
    return np.ascontiguousarray(np.clip(samples, -1, 1)[:, np.newaxis], dtype=np.float32)


def _line(load, n_gaps):
    return f"{load}, {n_gaps} gaps" if n_gaps else str(load)


def _pair(devices):
    """Return the devices as sounddevice takes them: numbers, parts of names or None."""
    pair = devices.microphone, devices.loudspeaker
    return tuple(int(each) if each is not None and each.isdecimal() else each for each in pair)


def _common_rate(sounddevice, devices, rate):
    """Return a sampling rate if both devices have it, or else the microphone's own."""
    microphone, loudspeaker = _pair(devices)
    try:
        sounddevice.check_input_settings(microphone, channels=1, samplerate=rate)
        sounddevice.check_output_settings(loudspeaker, channels=1, samplerate=rate)
    except sounddevice.PortAudioError:
        rate = round(sounddevice.query_devices(microphone, "input")["default_samplerate"])
    return rate
