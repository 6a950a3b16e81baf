"""Inspection of the layers of an unfolded network: activations and components at any depth."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_an_operation
from sknmf_unfold.validation.parameters import check_number

from ._component_summary import as_data_frame, change_column, spectral_columns, usage
from ._nmf_init import StartsFromNMF

if TYPE_CHECKING:
    import pandas as pd


class UnfoldedSeparator(StartsFromNMF):
    """A trained separator whose layers are iterations of NMF inference.

    A subclass has ``_n_fitted_layers``, ``_layer_step(dtype, layer)``, which makes the step that
    infers activations after a layer, and ``_layer_components(layer)``.
    """

    initial_components_: np.ndarray

    @property
    @abstractmethod
    def _n_fitted_layers(self) -> int:
        """Number of layers of the fitted model."""

    @abstractmethod
    def _layer_step(self, dtype, layer):
        """Make the function that infers the activations after a layer but the last."""

    @abstractmethod
    def _layer_components(self, layer):
        """Return dictionary and envelopes (None without) of a layer."""

    @default_settings()
    @one_thread_an_operation()
    def transform(self, X: Any, layer: int = -1) -> Any:
        """Infer the activations of the components of both sources, after any layer.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.
        layer : int, default=-1
            Index of the layer, from 0; negative ones count from the last, -1, whose activations
            make the mask. In a recurrent network, every frame starts from the last layer's
            activations of the frame before, whichever layer is returned.

        Returns
        -------
        activations : list of ndarray of shape (n_frames, 2 * n_components), or ndarray for a table
            The target's components first. They belong to frames at the reference level, and do not
            depend on the level of X. DataFrames if ``set_output`` says so.

        Raises
        ------
        TypeError, ValueError
            If X does not look like what the estimator was fitted on, or there is no such layer.
        """
        activations = self._activations(X, functools.partial(self._any_layer_step, layer=layer))
        return self._in_container(activations, X)

    @default_settings()
    @one_thread_an_operation()
    def component_summary(
        self, X: Any = None, *, layer: int = -1, sample_rate: float | None = None
    ) -> pd.DataFrame:
        """Summarise the components of a layer in a table.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like, optional
            Mixtures on which the usage of the components is measured.
        layer : int, default=-1
            Index of the layer, as in `transform`.
        sample_rate : float, optional
            Sampling rate in Hz; by default that of the STFT that the estimator was fitted on, and
            16000 if it was fitted on bare magnitudes.

        Returns
        -------
        summary : pandas.DataFrame
            A row for each component, the target's first; its index is the component. Columns:

            - ``source``: ``"target"`` or ``"interference"``,
            - ``peak_hz``: frequency of the largest bin,
            - ``centroid_hz``: mean of the frequencies, weighted by the spectrum,
            - ``duration_ms``: time that the frames of the component span; of its `context` frames
              as many count as its energy is spread over, ``sum(a**2)**2 / sum(a**4)`` for an
              envelope of amplitudes a. NaN after a fit on bare magnitudes,
            - ``usage``: share of the sum of all activations after the layer on X, only with X,
            - ``change_db``: log-spectral distance from the component that training started from
              (root mean square of the change over the bins; those more than 60 dB below the
              loudest count as 60 dB below); left out where that is not known.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If X does not look like what the estimator was fitted on, there is no such layer, or
            `sample_rate` is not that of its STFT.
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from sknmf_unfold import STFT, DRNMFSeparator
        >>> from sknmf_unfold.datasets import make_noisy_speech
        >>> X, Y = make_noisy_speech(4, duration=0.5, random_state=0)
        >>> X = STFT().fit_transform(X)
        >>> separator = DRNMFSeparator(n_components=5, max_epochs=1, random_state=0).fit(X, Y)
        >>> summary = separator.component_summary(X)
        >>> summary.shape
        (10, 6)
        >>> summary.nlargest(1, "usage").index  # doctest: +SKIP
        Index([7], dtype='int64', name='component')
        """
        check_is_fitted(self)
        index = self._check_layer(layer)
        components, envelopes = self._layer_components(index)
        target, interference = np.split(components, 2)
        settings = self.stft_settings_, sample_rate
        columns = spectral_columns(target, interference, *settings, envelopes)
        if X is not None:
            step = functools.partial(self._any_layer_step, layer=index)
            columns["usage"] = usage(self._activations(X, step))
        return as_data_frame(columns | change_column(components, self.initial_components_))

    def _any_layer_step(self, dtype, layer):
        index = self._check_layer(layer)
        is_last = index == self._n_fitted_layers - 1
        return self._activation_step(dtype) if is_last else self._layer_step(dtype, index)

    def _check_layer(self, layer):
        n_layers = self._n_fitted_layers
        return (
            check_number("layer", layer, low=-n_layers, high=n_layers - 1, integer=True) % n_layers
        )
