"""The method ``export_onnx`` of DR-NMF."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.runtime.level import InputLevel
from sknmf_unfold.runtime.onnx import onnx_step, write_model
from sknmf_unfold.runtime.onnx_sherpa import onnx_denoiser
from sknmf_unfold.validation.options import check_choice, check_path
from sknmf_unfold.validation.parameters import check_number

MODELS = {"onnxruntime": onnx_step, "sherpa": onnx_denoiser}


class ExportsONNX:
    """Mixin of a separator whose weights are those of `networks.drnmf.DRNMF`."""

    _weights: Any
    _input_level: InputLevel
    stft_settings_: dict | None

    @default_settings()
    def export_onnx(
        self,
        path: str | PathLike,
        *,
        runtime: str = "onnxruntime",
        max_attenuation: float | None = None,
    ) -> None:
        """Write the step of one frame as an ONNX model, for use without Python.

        Parameters
        ----------
        path : str or PathLike
            The file, which is replaced if it exists, when the new one is complete.
        runtime : {"onnxruntime", "sherpa"}, default="onnxruntime"
            Program that runs the file.

            - ``"onnxruntime"``, or any other runtime of ONNX models: the calling program computes
              the STFT and its inverse, and multiplies frames by masks. Inputs are ``magnitude``
              (streams, n_freqs) and ``state`` (streams, n_state), outputs ``masks`` (streams, 2,
              n_freqs), the target's first, and ``next_state``, all float32. The metadata have
              ``initial_state``.
            - ``"sherpa"``: sherpa-onnx, which takes the file for a speech denoiser of type GTCRN
              and computes the STFT itself. It needs an STFT with ``hop_length = n_fft / 2`` and
              the square-root Hann window, such as ``STFT(512, 256)``.
        max_attenuation : float, optional
            Most that bins are attenuated by, in dB: the target's mask is at least
            ``10 ** (-max_attenuation / 20)``, the interference's what is left to 1. By default
            there is no bound.

        Raises
        ------
        NotFittedError, ImportError
            If the estimator is not fitted, or onnx not installed; the extra ``onnx`` brings it.
        TypeError, ValueError
            If a parameter is of a wrong type or value, or if sherpa-onnx has no STFT as the one
            that the estimator was fitted on.
        OSError
            If there can be no file of that name.

        Notes
        -----
        The metadata also have the settings ``stft`` of the STFT and ``max_attenuation``, in JSON.
        A high-pass of the STFT (``highpass`` in these settings, the cutoff in Hz) is not in the
        model: the calling program applies it to the waveform.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sknmf_unfold import STFT, DRNMFSeparator
        >>> from sknmf_unfold.datasets import make_noisy_speech
        >>> X, Y = make_noisy_speech(4, duration=0.5, random_state=0)
        >>> X = STFT(512, 256).fit_transform(X)
        >>> separator = DRNMFSeparator(n_components=5, max_epochs=1, random_state=0).fit(X, Y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "denoiser.onnx"
        ...     separator.export_onnx(path, runtime="sherpa", max_attenuation=20)
        ...     path.stat().st_size > 10_000
        True
        """
        check_is_fitted(self)
        path = check_path("path", path)
        check_choice("runtime", runtime, MODELS)
        if max_attenuation is not None:
            max_attenuation = check_number("max_attenuation", max_attenuation, low=0)
        settings = self._weights(np.float32), self._input_level, self.stft_settings_
        write_model(path, MODELS[runtime](*settings, max_attenuation))
