"""Separation of recordings of any sampling rate and number of channels, block by block.

The model's rule for the band that it does not know, above 8 kHz for a model of 16 kHz: it gets the
mean mask of the highest quarter of the band that it knows, 6 to 8 kHz, which is interpolated
linearly between the centres of the frames.
"""

from __future__ import annotations

import numpy as np

from sknmf_unfold.datasets._resampling import Resampler

from ._shared_masks import ChannelSeparator

# Bounds of the band whose mean mask the band above gets, relative to the highest frequency that
# both the recording and the model have.
GAIN_BAND = (0.75, 1.0)


class RecordingSeparator:
    """Separate a recording block by block; all blocks together have its exact length.

    Parameters
    ----------
    channels : ChannelSeparator
        Separates at the sampling rate of the model. It starts a new recording.
    sample_rate : int
        Sampling rate of the recording in Hz.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknmf_unfold import STFT, SupervisedNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> X, Y = make_noisy_speech(2, duration=1.0, random_state=0)
    >>> pipe = make_pipeline(STFT(), SupervisedNMFSeparator(5, max_iter=10)).fit(X, Y)
    >>> stereo = np.stack([X[0], -X[0]], axis=1)
    >>> separator = RecordingSeparator(ChannelSeparator(pipe, 2), 44100)
    >>> pairs = [separator.process(stereo[:9000]), separator.process(stereo[9000:])]
    >>> pairs.append(separator.flush())
    >>> inputs, outputs = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    >>> bool((inputs == stereo).all()), outputs.shape
    (True, (16000, 2))
    """

    def __init__(self, channels: ChannelSeparator, sample_rate: int):
        self._channels, n_channels = channels, channels.n_channels
        rate, model_rate = sample_rate, channels.sample_rate_
        highest = min(rate, model_rate) / 2
        channels.begin(*(share * highest for share in GAIN_BAND))
        self._resampled = rate != model_rate
        if self._resampled:
            self._there = Resampler(rate, model_rate, n_channels)
            # The recording as the model sees it, and the separated one.
            self._back = Resampler(model_rate, rate, 2 * n_channels)
        # Zeros that make the recording long enough to be complete after both resamplings.
        self._padding = np.zeros((rate // model_rate + 1, n_channels), np.float32)
        self._inputs, self._seen = Waiting(n_channels), Waiting(n_channels)
        self._gain = BandGain(channels.hop_length_, channels.latency_, model_rate / rate)
        self._n_in = self._n_out = 0

    def process(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Separate further samples; return the finished ones.

        Parameters
        ----------
        samples : ndarray of shape (n_times, n_channels), float32

        Returns
        -------
        inputs, outputs : ndarray of shape (n_finished, n_channels), float32
            The next samples of the recording, and the same separated.
        """
        self._n_in += len(samples)
        return self._advance(samples, last=False)

    def flush(self) -> tuple[np.ndarray, np.ndarray]:
        """End the recording.

        Returns
        -------
        inputs, outputs : ndarray of shape (n_rest, n_channels), float32
        """
        inputs, outputs = self._advance(self._padding, last=True)
        n_rest = self._n_in - (self._n_out - len(inputs))
        return inputs[:n_rest], outputs[:n_rest]

    def _advance(self, samples, last):
        self._inputs.append(samples)
        seen = self._there.process(samples, last) if self._resampled else samples
        target = self._channels.process(seen.T)
        if last:
            target = np.concatenate([target, self._channels.flush()], axis=1)
        self._gain.append(self._channels.take_gains())
        outputs = target.T
        if self._resampled:
            self._seen.append(seen)
            pair = np.concatenate([self._seen.take(len(outputs)), outputs], axis=1)
            seen, outputs = np.hsplit(self._back.process(pair, last), 2)
        inputs = self._inputs.take(len(outputs))
        if self._resampled:
            # Two resamplings of the end may round to a sample more than there was.
            rest = inputs - seen[: len(inputs)]
            outputs = outputs[: len(inputs)] + self._gain.take(len(inputs)) * rest
        self._n_out += len(inputs)
        return inputs, outputs


class Waiting:
    """Samples that wait for their results.

    Parameters
    ----------
    n_channels : int
        Number of channels.

    Examples
    --------
    >>> waiting = Waiting(1)
    >>> waiting.append(np.ones((3, 1)))
    >>> waiting.take(2).shape, waiting.take(2).shape
    ((2, 1), (1, 1))
    """

    def __init__(self, n_channels: int):
        self._samples = np.empty((0, n_channels), np.float32)

    def append(self, samples: np.ndarray) -> None:
        """Add samples of shape (n_times, n_channels)."""
        self._samples = np.concatenate([self._samples, samples])

    def take(self, n_times: int) -> np.ndarray:
        """Remove and return the first samples, at most `n_times`."""
        taken, self._samples = np.split(self._samples, [n_times])
        return taken


class BandGain:
    """Gain of each sample, linear between the gains at the centres of frames.

    Parameters
    ----------
    hop_length, n_fft : int
        Hop and length of the frames, in samples of the model's rate.
    step : float
        Distance of two samples of the recording, in samples of the model's rate.

    Examples
    --------
    >>> gain = BandGain(hop_length=2, n_fft=4, step=0.5)
    >>> gain.append(np.array([0.0, 1.0, 0.0]))  # centred at 0, 2 and 4 samples of the model
    >>> gain.take(6).ravel(), gain.take(2).ravel()
    (array([0.  , 0.25, 0.5 , 0.75, 1.  , 0.75]), array([0.5 , 0.25]))
    """

    def __init__(self, hop_length: int, n_fft: int, step: float):
        self._hop_length, self._step = hop_length, step
        self._centre, self._gains = hop_length - n_fft / 2, np.empty(0, np.float32)
        self._n_taken = 0

    def append(self, gains: np.ndarray) -> None:
        """Add the gains of the next frames, of shape (n_frames,)."""
        self._gains = np.concatenate([self._gains, gains])

    def take(self, n_times: int) -> np.ndarray:
        """Return the gains of the next samples, of shape (n_times, 1)."""
        if n_times == 0:
            return np.empty((0, 1), self._gains.dtype)
        positions = self._step * (self._n_taken + np.arange(n_times))
        centres = self._centre + self._hop_length * np.arange(len(self._gains))
        gains = np.interp(positions, centres, self._gains).astype(self._gains.dtype)
        self._n_taken += n_times
        n_passed = int((self._step * self._n_taken - self._centre) // self._hop_length)
        # The last frame before the next sample is still needed.
        n_passed = min(max(n_passed, 0), len(self._gains) - 1)
        self._gains = self._gains[n_passed:]
        self._centre += n_passed * self._hop_length
        return gains[:, np.newaxis]
