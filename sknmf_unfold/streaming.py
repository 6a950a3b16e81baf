"""Streaming: separation of samples that arrive in chunks of any size."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .base.global_settings import default_settings
from .base.threads import one_thread_a_product
from .runtime.masks import FlooredMasks, MaskEstimator, mask_floor
from .separators._base import BaseSeparator
from .separators._finite_masks import check_masks
from .signal import STFT
from .signal.overlap_add import RunningOverlapAdd
from .signal.running_stft import RunningSTFT
from .signal.stft import n_frames_of
from .validation.messages import shown
from .validation.parameters import check_size
from .validation.recordings import as_array, check_finite, check_peak
from .validation.samples import float_samples

# Largest number of frames per Fourier transform and matrix product, where a call completes many.
MAX_BLOCK_FRAMES = 32
# Bound on the memory of streams.
MAX_STREAMS = 100_000


class StreamingSeparator:
    """Separate the target from samples that arrive in chunks of any size.

    The returned chunks together equal ``pipeline.predict`` of the whole recording. Sample i is
    returned once ``i + latency_`` samples were passed, or by `flush`.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of `STFT` and a separator; or such a separator itself, fitted on spectrograms.
    n_streams : int or None, default=None
        Number of independent streams that are processed together, with samples of shape (n_streams,
        n_times). None stands for one stream, with samples of shape (n_times,).
    max_attenuation : float or None, default=None
        Bound in dB on what is taken away, as in ``predict``; None for no bound.

    Attributes
    ----------
    latency_ : int
        Latency in samples: the length of a window.
    hop_length_ : int
        Hop in samples: chunks of this length need the least time each.
    sample_rate_ : int
        Sampling rate in Hz.

    Raises
    ------
    TypeError
        If `pipeline` is neither, or another parameter is not a number.
    ValueError
        If its separator was fitted on bare magnitudes, which cannot be converted back to samples,
        or another parameter is out of bounds.

    Notes
    -----
    The constructor does all slow preparation, for float32, so that the first chunk takes no longer
    than the next. The dtype of the first samples holds until `reset`: float64 is computed in
    float64, which the first chunk prepares; all other dtypes in float32, integer PCM scaled to
    [-1, 1].

    An object serves one thread at a time; several objects can share a fitted pipeline. Each keeps
    the model that the pipeline had when the object was made. Copies (by ``copy``, ``deepcopy`` or
    ``pickle``), also in mid-stream, continue independently of each other.

    Streams need no torch. All networks and warm-start ISTA take about the same time for every
    frame; the other kinds of inference of `SupervisedNMFSeparator` take longer.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknmf_unfold import STFT, SupervisedNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> X, Y = make_noisy_speech(2, duration=1.0, random_state=0)
    >>> separator = SupervisedNMFSeparator(5, inference="warm_ista", n_iter=2, max_iter=10)
    >>> pipe = make_pipeline(STFT(), separator).fit(X, Y)
    >>> stream = StreamingSeparator(pipe)
    >>> parts = [stream.process(X[0][i : i + 100]) for i in range(0, 16000, 100)]
    >>> enhanced = np.concatenate([*parts, stream.flush()])
    >>> bool(np.allclose(enhanced, pipe.predict(X)[0], atol=1e-5))
    True
    """

    def __init__(
        self,
        pipeline: Pipeline | BaseSeparator,
        n_streams: int | None = None,
        max_attenuation: float | None = None,
    ):
        if n_streams is not None:
            n_streams = check_size("n_streams", n_streams, high=MAX_STREAMS)
        self._floor = mask_floor(max_attenuation)
        # A copy, which later fits and changes of parameters leave alone.
        self._separator = copy.copy(_separator_of(pipeline))
        self._n_streams = n_streams
        self._settings = settings = dict(self._separator.stft_settings_)
        self.sample_rate_ = settings["sample_rate"]
        self.hop_length_ = settings["hop_length"]
        self.latency_ = settings["n_fft"]
        self._build(np.dtype(np.float32))

    def __copy__(self) -> StreamingSeparator:
        # Two streams may share the model, but nothing else.
        return copy.deepcopy(self, {id(self._separator): self._separator})

    def reset(self) -> None:
        """Forget all samples and start a new recording."""
        for part in (self._stft, self._overlap_add, self._masks):
            part.reset()
        self._n_in = 0
        # Position of the next finished sample; negative ones precede the recording.
        self._n_out = self.hop_length_ - self.latency_

    @one_thread_a_product()
    @default_settings()
    def process(self, samples: ArrayLike) -> np.ndarray:
        """Separate further samples; return the finished ones.

        Parameters
        ----------
        samples : array-like of shape (n_times,), or (n_streams, n_times)
            Any number of samples: floats in [-1, 1], or integer PCM (uint8, int8, int16, int32).

        Returns
        -------
        target : ndarray of shape (n_finished,), or (n_streams, n_finished)
            The samples after those that the last call returned.

        Raises
        ------
        ValueError, TypeError
            If the samples are not finite, not real or not of that shape; the stream is unchanged.
        """
        checked = self._check(samples)
        is_first = self._n_in == 0 and checked.size > 0
        if is_first and checked.dtype != self._dtype:
            self._build(checked.dtype)
        self._n_in += checked.shape[1]
        return self._finished(self._run(checked.astype(self._dtype, copy=False)))

    @one_thread_a_product()
    @default_settings()
    def flush(self) -> np.ndarray:
        """End the recording: return its last samples and start a new one.

        Returns
        -------
        target : ndarray of shape (n_rest,), or (n_streams, n_rest)
            The rest: all calls together return as many samples as were passed.
        """
        if self._n_in == 0:
            return self._shaped(np.empty((self._n_streams or 1, 0), np.float32))
        n_in = self._n_in
        n_frames = n_frames_of(n_in, self.latency_, self.hop_length_)
        silence = np.zeros((self._n_streams or 1, n_frames * self.hop_length_ - n_in), self._dtype)
        rest = self._finished(self._run(silence, is_padding=True), stop=n_in)
        self.reset()
        return rest

    @one_thread_a_product()
    @default_settings()
    def _build(self, dtype: DTypeLike) -> None:
        """Prepare STFT, masks and overlap-add for samples of a dtype."""
        n_streams = self._n_streams or 1
        self._dtype = dtype
        self._stft = RunningSTFT(
            **self._settings, n_streams=n_streams, max_frames=MAX_BLOCK_FRAMES, dtype=dtype
        )
        synthesis = {name: self._settings[name] for name in ("n_fft", "hop_length", "window")}
        self._overlap_add = RunningOverlapAdd(**synthesis)
        self._masks = self._make_masks(np.dtype(dtype), n_streams)
        # The first calls of libraries are slow: none of them should delay a sample.
        self._run(np.zeros((n_streams, self.hop_length_), dtype))
        self.reset()

    def _make_masks(self, dtype: np.dtype, n_streams: int) -> MaskEstimator:
        masks = self._separator.running_masks(dtype, n_streams)
        return masks if self._floor is None else FlooredMasks(masks, self._floor)

    def _run(self, samples, is_padding=False):
        """Process samples; return the target's samples that they finish, in pieces."""
        pieces = []
        while samples.shape[1]:
            part, samples = np.split(samples, [self._stft.n_free], axis=1)
            n_frames = self._stft.append(part, is_padding)
            if n_frames:
                frames = self._stft.frames(n_frames)
                masks = self._masks(np.abs(frames))
                check_masks(masks, self._separator._reason)
                frames *= masks
                pieces.append(self._overlap_add(frames))
        return pieces

    def _finished(self, pieces, stop=None):
        """Join pieces, without samples before the recording or after `stop`."""
        samples = np.concatenate(pieces, axis=1) if len(pieces) > 1 else None
        if samples is None:
            empty = np.empty((self._n_streams or 1, 0), self._dtype)
            samples = pieces[0] if pieces else empty
        first, self._n_out = self._n_out, self._n_out + samples.shape[1]
        last = None if stop is None else max(stop - first, 0)
        return self._shaped(samples[:, max(-first, 0) : last])

    def _shaped(self, samples):
        return samples[0] if self._n_streams is None else samples

    def _check(self, samples):
        array = as_array(samples, "samples")
        wanted = 1 if self._n_streams is None else 2
        if array.ndim != wanted or (wanted == 2 and len(array) != self._n_streams):
            shape = "(n_times,)" if wanted == 1 else f"(n_streams={self._n_streams}, n_times)"
            hint = _way_out(array.shape) if wanted == 1 else ""
            raise ValueError(f"`samples` must be of shape {shape}; got shape {array.shape}.{hint}")
        array = float_samples(array, "samples")
        if array.size:
            check_finite(array, "samples", ("stream", "sample")[-wanted:])
            check_peak(array, "samples")
        return array if wanted == 2 else array[np.newaxis]


def _way_out(shape):
    """Tell what to pass in place of samples with an axis of channels, as audio callbacks get."""
    if len(shape) != 2 or min(shape) > 8:
        return ""
    if 1 in shape:
        return " Pass samples[:, 0]." if shape[1] == 1 else " Pass samples[0]."
    return " Average the channels first."


def _separator_of(pipeline):
    """Return the fitted separator of a pipeline of `STFT` and a separator."""
    separator = pipeline
    if isinstance(pipeline, Pipeline):
        separator = pipeline[-1] if len(pipeline) == 2 and isinstance(pipeline[0], STFT) else None
    if not isinstance(separator, BaseSeparator):
        raise TypeError(
            f"`pipeline` must be a fitted Pipeline of STFT and a separator; got {shown(pipeline)}."
        )
    check_is_fitted(separator)
    if separator.stft_settings_ is None:
        raise ValueError(
            "`pipeline` has a separator that was fitted on bare magnitudes; fit it on the "
            "spectrograms that STFT makes of waveforms, to know the way back."
        )
    return separator
