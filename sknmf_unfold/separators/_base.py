"""The base of all separators: from checked input to masks, waveforms, activations and scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.base.callbacks import CallbackSupportMixin
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.set_output import RecordingsTransformerMixin
from sknmf_unfold.base.threads import one_thread_an_operation
from sknmf_unfold.base.versions import VersionedEstimator
from sknmf_unfold.metrics import mean_over_active, sdr
from sknmf_unfold.runtime.level import InputLevel, MasksAtReferenceLevel, at_reference_level
from sknmf_unfold.runtime.masks import MaskEstimator, mask_floor
from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.tables import check_sample_weight
from sknmf_unfold.validation.targets import check_targets
from sknmf_unfold.validation.warn import once_per_call, warn_user

from ._blocks import Rows, file_parts, run_in_blocks, run_on_table
from ._finite_masks import FiniteMasks, finish
from ._magnitude_sdr import magnitude_sdr
from ._stft_settings import check_fitted_stft

# Shapes and ranges of the attributes of every fit; `stft_settings_` is checked beside them.
BASICS = (
    Invariant("n_features_in_", whole=True, low=1, axis="freqs"),
    Invariant("input_scale_", positive=True),
    Invariant("level_frames_", whole=True, low=0),
)


class BaseSeparator(CallbackSupportMixin, RecordingsTransformerMixin, VersionedEstimator):
    """Separates the target from mixtures by masks.

    A subclass has ``fit``, and ``_mask_step(dtype)`` and ``_activation_step(dtype)``, which make
    functions ``step(magnitude, state) -> (result, state)`` for `run_in_blocks`: their results are
    the target's mask (batch, n_frames, n_freqs) and activations (batch, n_frames, n_components of
    both sources). They take magnitudes at the reference level, to which ``input_scale_`` and
    ``level_frames_`` scale them, see `InputLevel`.
    """

    # Reason for numbers that are not finite, and the way out, for messages.
    _reason = "they left the range of floats. Scale the recordings to [-1, 1]."

    input_scale_: float
    level_frames_: int

    @abstractmethod
    def _mask_step(self, dtype):
        """Make the function that estimates the target's mask."""

    @abstractmethod
    def _activation_step(self, dtype):
        """Make the function that infers the activations."""

    @abstractmethod
    def _masks_at_level(self, dtype, n_streams):
        """Make the `MaskEstimator` of streams of frames at the reference level."""

    def running_masks(self, dtype: np.dtype, n_streams: int) -> MaskEstimator:
        """Make the estimator of masks frame by frame, without torch.

        Parameters
        ----------
        dtype : numpy.dtype
            Of the magnitudes: float32 or float64.
        n_streams : int
            Number of independent streams.

        Returns
        -------
        masks : MaskEstimator
        """
        masks = self._masks_at_level(dtype, n_streams)
        level = self._input_level
        return masks if level.is_identity else MasksAtReferenceLevel(masks, level)

    @property
    def _input_level(self):
        return InputLevel(self.input_scale_, self.level_frames_)

    @property
    def _recurrent(self):
        """Whether the results of a frame depend on the frames before it."""
        return True

    @default_settings()
    @one_thread_an_operation()
    def predict(
        self, X: Any, max_attenuation: float | None = None
    ) -> list[np.ndarray] | np.ndarray:
        """Separate the target from the mixtures.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures: spectrograms, magnitudes, or a 2-D table of independent frames.
        max_attenuation : float or None, default=None
            Bound in dB, at least 0, on what is taken away at each time and frequency: masks are at
            least ``10 ** (-max_attenuation / 20)``. Some interference then remains, and faults of
            the masks become less audible. None for no bound.

        Returns
        -------
        target : list of ndarray, or ndarray of shape (n_samples, n_freqs)
            Waveforms of exactly the input lengths for spectrograms, masked magnitudes for
            magnitudes.

        Raises
        ------
        ValueError
            If X does not look like what the estimator was fitted on, or `max_attenuation` is
            negative or not finite.
        TypeError
            If `max_attenuation` is not a number.
        """
        sequences = self._check_input(X)
        step = self._checked_step(sequences.dtype, max_attenuation)
        target = self._separate(sequences, step)
        finish(step)
        return target

    def _checked_step(self, dtype, max_attenuation):
        """Make the function that estimates finite masks that attenuate by at most some decibels."""
        floor = mask_floor(max_attenuation)
        return FiniteMasks(self._mask_step(dtype), self._reason, floor)

    def _separate(self, sequences, step):
        """Apply the masks of a step to all frames; return waveforms or magnitudes."""
        if sequences.kind == "table":
            return sequences.frames() * self._run_step(sequences, step)
        if sequences.kind == "magnitudes":
            return self._run_step(sequences, step, lambda frames, mask: frames * mask)
        inverses = [item.overlap_add() for item in sequences.items]
        step = at_reference_level(step, self._input_level)

        def append(i, frames, mask):
            inverses[i].append(frames * mask)

        run_in_blocks(sequences, step, append, self._recurrent)
        return [inverse.waveform for inverse in inverses]

    @default_settings()
    @one_thread_an_operation()
    def predict_mask(
        self, X: Any, max_attenuation: float | None = None
    ) -> list[np.ndarray] | np.ndarray:
        """Estimate the masks of the target.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.
        max_attenuation : float or None, default=None
            As in `predict`.

        Returns
        -------
        masks : list of ndarray of shape (n_frames, n_freqs), or ndarray for a table
            In [0, 1]; the interference's mask is ``1 - mask``.
        """
        sequences = self._check_input(X)
        return self._run(sequences, self._checked_step(sequences.dtype, max_attenuation))

    @default_settings()
    @one_thread_an_operation()
    def transform(self, X: Any) -> Any:
        """Infer the activations of the components of both sources.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.

        Returns
        -------
        activations : list of ndarray of shape (n_frames, 2 * n_components), or ndarray for a table
            The target's components first. They belong to frames at the reference level, and do not
            depend on the level of X. DataFrames if ``set_output`` says so.
        """
        return self._in_container(self._activations(X), X)

    def _activations(self, X, make_step=None):
        """Infer activations as arrays by a step that is made for the dtype of X."""
        sequences = self._check_input(X)
        step = (make_step or self._activation_step)(sequences.dtype)
        activations = self._run(sequences, step)
        if not all(np.isfinite(part).all() for part in activations):
            warn_user(f"`transform` gives infinite activations: {self._reason}", RuntimeWarning)
        return activations

    def _run(self, sequences, step):
        """Return the results of a step for all frames, and let it warn."""
        results = self._run_step(sequences, step)
        finish(step)
        return results

    def _run_step(self, sequences, step, combine=lambda frames, result: result):
        """Return the results of a step for all frames: a list of arrays, or one for a table."""
        step = at_reference_level(step, self._input_level)
        if sequences.kind == "table":
            return run_on_table(sequences.frames(), step)
        rows = [Rows(n) for n in sequences.n_frames]

        def append(i, frames, result):
            rows[i].append(combine(frames, result))

        run_in_blocks(sequences, step, append, self._recurrent)
        return [each.array for each in rows]

    @default_settings()
    @one_thread_an_operation()
    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Measure the mean SDR of the separated target in dB; higher is better.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.
        y : list of ndarray of shape (n_times,), or magnitudes like X
            Clean targets.
        sample_weight : array-like of shape (n_recordings,), optional
            Weight of each recording, or of each row of a table.

        Returns
        -------
        sdr : float
            Mean over recordings of BSS Eval's SDR (see `metrics.sdr`); for magnitudes, which have
            no waveform, of ``10 log10(sum(y ** 2) / sum((y - prediction) ** 2))``.
        """
        sequences = self._check_input(X)
        targets = check_targets(y, sequences)
        weights = check_sample_weight(sample_weight, len(sequences))
        if sequences.kind == "spectrograms":
            return mean_over_active(self._sdrs(sequences, targets), weights)
        prediction: Any = self.predict(sequences)
        if sequences.kind == "table":
            root = 1.0 if weights is None else np.sqrt(weights)[:, np.newaxis]
            return magnitude_sdr(root * targets.frames(), root * prediction)
        values = [magnitude_sdr(*pair) for pair in zip(targets, prediction, strict=True)]
        return mean_over_active(values, weights)

    @once_per_call()
    def _sdrs(self, sequences, targets):
        """Measure the SDR of each recording; those of files some at a time."""
        if not sequences.is_lazy:
            return self._sdrs_of_part(sequences, targets)
        sdrs = np.empty(len(sequences))
        for part in file_parts(sequences):
            sdrs[part] = self._sdrs_of_part(sequences.subset(part), targets.subset(part))
        return sdrs

    def _sdrs_of_part(self, sequences, targets):
        prediction = self.predict(sequences)
        return sdr([item.waveform for item in targets.items], prediction)

    def __sklearn_is_fitted__(self):
        return hasattr(self, self._fitted_mark)

    def _check_fitted_attributes(self):
        super()._check_fitted_attributes()
        if self._fitted_mark in vars(self):
            check_fitted_stft(type(self).__name__, vars(self))

    def _check_input(self, X):
        check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False)
        fitted = self.stft_settings_
        if None not in (fitted, sequences.settings) and fitted != sequences.settings:
            raise ValueError(
                f"X was made with {sequences.settings}, but {type(self).__name__} was fitted on "
                f"spectrograms made with {fitted}."
            )
        return sequences

    @property
    def _n_features_out(self):
        # DR-NMF has a dictionary for each layer.
        return self.components_.shape[-2]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        tags.target_tags.multi_output = True
        return tags
