"""Streaming at any sampling rate: resampling to the model's rate and back, chunk by chunk."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.datasets._resampling import Resampler
from sknmf_unfold.streaming import StreamingSeparator


class ResampledStream:
    """A stream whose samples have another sampling rate than the model.

    All calls together return as many samples as were passed, aligned with them. Frequencies above
    half the model's sampling rate are not in the result.

    Parameters
    ----------
    separator : StreamingSeparator
        Of one stream.
    sample_rate : int
        Of the samples, in Hz.

    Attributes
    ----------
    sample_rate : int
    hop_length : int
        Samples of a chunk for which the separator needs the least time.
    """

    def __init__(self, separator: StreamingSeparator, sample_rate: int):
        rate = separator.sample_rate_
        self._separator, self.sample_rate = separator, sample_rate
        self.hop_length = max(1, round(separator.hop_length_ * sample_rate / rate))
        self._is_resampled = rate != sample_rate
        if self._is_resampled:
            self._before, self._after = Resampler(sample_rate, rate), Resampler(rate, sample_rate)
        self._n_in = self._n_out = 0

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Separate further samples; return the finished ones.

        Parameters
        ----------
        samples : ndarray of shape (n_times,)
            Floats in [-1, 1], or integer PCM.

        Returns
        -------
        target : ndarray of shape (n_finished,)
        """
        if not self._is_resampled:
            return self._separator.process(samples)
        self._n_in += len(samples)
        finished = self._after.process(self._separator.process(self._before.process(samples)))
        self._n_out += len(finished)
        return finished

    def flush(self) -> np.ndarray:
        """End the recording; return its last samples.

        Returns
        -------
        target : ndarray of shape (n_rest,)
        """
        if not self._is_resampled:
            return self._separator.flush()
        last = self._before.process(np.zeros(0, np.float32), last=True)
        parts = [self._separator.process(last), self._separator.flush()]
        # Rounding of the lengths may lack a sample or two.
        parts.append(np.zeros(2, np.float32))
        rest = self._after.process(np.concatenate(parts), last=True)
        return rest[: self._n_in - self._n_out]
