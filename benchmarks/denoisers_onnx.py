"""GTCRN and DTLN, run frame by frame from the ONNX files that their authors published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

N_FFT = 512
GTCRN_HOP = 256
DTLN_HOP = 128
GTCRN_FILE = "gtcrn/gtcrn_simple.onnx"
DTLN_FILES = ("dtln/model_1.onnx", "dtln/model_2.onnx")


def open_session(path: Path):
    """Open an ONNX file on one thread of the CPU.

    Parameters
    ----------
    path : Path

    Returns
    -------
    session : onnxruntime.InferenceSession
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def zero_states(session) -> dict[str, np.ndarray]:
    """Make the states of a session, which are all inputs after the first, before the first frame.

    Parameters
    ----------
    session : onnxruntime.InferenceSession

    Returns
    -------
    states : dict of ndarray, float32
        By the names of the inputs.
    """
    return {each.name: np.zeros(each.shape, np.float32) for each in session.get_inputs()[1:]}


def step(session, frame: np.ndarray, states: dict[str, np.ndarray]) -> np.ndarray:
    """Run a session on a frame, and replace the states by those that it returns.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Its first output is the result; the others are the states in the order of its inputs.
    frame : ndarray
        The first input.
    states : dict of ndarray
        From `zero_states`; changed in place.

    Returns
    -------
    result : ndarray
    """
    first = session.get_inputs()[0].name
    result, *after = session.run(None, {first: frame} | states)
    states.update(zip(states, after, strict=True))
    return result


def in_blocks(
    waveform: np.ndarray, hop: int, process: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Process overlapping blocks of `N_FFT` samples, and add what they overlap by.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,)
    hop : int
        Samples from block to block.
    process : callable
        Maps a block to a block.

    Returns
    -------
    result : ndarray of shape (n_times,), float32
        Aligned with the waveform.

    Examples
    --------
    >>> in_blocks(np.ones(3), 256, lambda block: block)
    array([2., 2., 2.], dtype=float32)
    """
    before = N_FFT - hop
    n_blocks = -(-(len(waveform) + before) // hop)
    padded = np.zeros(n_blocks * hop + before, np.float32)
    padded[before : before + len(waveform)] = waveform
    result = np.zeros_like(padded)
    for start in range(0, n_blocks * hop, hop):
        result[start : start + N_FFT] += process(padded[start : start + N_FFT])
    return result[before : before + len(waveform)]


def gtcrn(weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Make GTCRN: it maps complex spectra, of a square-root Hann window, to complex spectra.

    Parameters
    ----------
    weights : Path
        Folder with `GTCRN_FILE`.

    Returns
    -------
    denoise : callable
        Maps a waveform at 16 kHz to one of the same length.

    References
    ----------
    .. [1] Rong, Sun, Zhang, Hu, Zhu, Lu, "GTCRN: A speech enhancement model requiring ultralow
       computational resources", ICASSP 2024.
    """
    session = open_session(weights / GTCRN_FILE)
    window = np.sin(np.pi * np.arange(N_FFT) / N_FFT).astype(np.float32)

    def denoise(waveform):
        states = zero_states(session)

        def process(block):
            spectrum = np.fft.rfft(window * block).astype(np.complex64)
            parts = np.stack([spectrum.real, spectrum.imag], axis=-1)
            real, imaginary = np.moveaxis(
                step(session, parts[None, :, None], states)[0, :, 0], 1, 0
            )
            return window * np.fft.irfft(real + 1j * imaginary, N_FFT)

        return in_blocks(waveform, GTCRN_HOP, process)

    return denoise


def dtln(weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Make DTLN: a mask for the magnitudes of a block, then a learned transform of the block.

    Neither the spectra nor the sum of the blocks have a window, as in the paper.

    Parameters
    ----------
    weights : Path
        Folder with `DTLN_FILES`.

    Returns
    -------
    denoise : callable
        Maps a waveform at 16 kHz to one of the same length.

    References
    ----------
    .. [1] Westhausen, Meyer, "Dual-signal transformation LSTM network for real-time noise
       suppression", Interspeech 2020, sections 2.1 to 2.3.
    """
    first, second = (open_session(weights / file) for file in DTLN_FILES)

    def denoise(waveform):
        masking, decoding = zero_states(first), zero_states(second)

        def process(block):
            spectrum = np.fft.rfft(block)
            magnitude = np.abs(spectrum).astype(np.float32)
            mask = step(first, magnitude[None, None], masking)[0, 0]
            masked = np.fft.irfft(mask * spectrum, N_FFT).astype(np.float32)
            return step(second, masked[None, None], decoding)[0, 0]

        return in_blocks(waveform, DTLN_HOP, process)

    return denoise
