"""``component_summary``: a table of the components of a separator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_an_operation
from sknmf_unfold.validation.parameters import check_number

from ._component_measures import centroids, effective_frames, mean_change_db

if TYPE_CHECKING:
    import pandas as pd

# Of recordings of unknown origin, as in `STFT`.
DEFAULT_SAMPLE_RATE = 16000


class SummarisesComponents:
    """Mixin of a separator with one dictionary of each source.

    A separator has ``_activations(X)``, which infers the activations of all recordings as arrays.
    """

    target_components_: np.ndarray
    interference_components_: np.ndarray
    stft_settings_: dict | None
    _activations: Any

    @default_settings()
    @one_thread_an_operation()
    def component_summary(self, X: Any = None, *, sample_rate: float | None = None) -> pd.DataFrame:
        """Summarise the components in a table.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like, optional
            Mixtures on which the usage of the components is measured.
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
            - ``duration_ms``: length of a frame; NaN after a fit on bare magnitudes,
            - ``usage``: share of the sum of all activations on X, only with X.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If X does not look like what the estimator was fitted on, or `sample_rate` is not that
            of its STFT.
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from sknmf_unfold import STFT, SupervisedNMFSeparator
        >>> from sknmf_unfold.datasets import make_noisy_speech
        >>> X, Y = make_noisy_speech(2, duration=0.5, random_state=0)
        >>> X = STFT().fit_transform(X)
        >>> separator = SupervisedNMFSeparator(n_components=3, max_iter=5, random_state=0).fit(X, Y)
        >>> summary = separator.component_summary(X)
        >>> list(summary.columns)
        ['source', 'peak_hz', 'centroid_hz', 'duration_ms', 'usage']
        >>> round(float(summary["usage"].sum()), 3)
        1.0
        """
        check_is_fitted(self)
        parts = self.target_components_, self.interference_components_
        columns = spectral_columns(*parts, self.stft_settings_, sample_rate)
        if X is not None:
            columns["usage"] = usage(self._activations(X))
        return as_data_frame(columns)


def spectral_columns(
    target: np.ndarray,
    interference: np.ndarray,
    settings: dict | None,
    sample_rate: float | None,
    envelopes: np.ndarray | None = None,
) -> dict[str, Any]:
    """Compute source, frequencies and duration of each component.

    Parameters
    ----------
    target, interference : ndarray of shape (n_components, n_freqs)
        Dictionaries.
    settings : dict or None
        Of the STFT.
    sample_rate : float or None
        In Hz; None takes that of `settings`.
    envelopes : ndarray of shape (n_components of both, context), optional
        Amplitudes over the frames that each component explains; by default that is one frame.

    Returns
    -------
    columns : dict
    """
    components, settings = np.vstack([target, interference]), settings or {}
    rate = resolve_sample_rate(sample_rate, settings.get("sample_rate"))
    hz_per_bin = rate / 2 / max(components.shape[1] - 1, 1)
    envelopes = np.ones((len(components), 1)) if envelopes is None else envelopes
    n_fft, hop_length = (settings.get(name, np.nan) for name in ("n_fft", "hop_length"))
    n_samples = n_fft + (effective_frames(envelopes) - 1) * hop_length
    return {
        "source": ["target"] * len(target) + ["interference"] * len(interference),
        "peak_hz": components.argmax(axis=1) * hz_per_bin,
        "centroid_hz": centroids(components.astype(float)) * hz_per_bin,
        "duration_ms": 1000 * n_samples / rate,
    }


def resolve_sample_rate(sample_rate: float | None, fitted: float | None) -> float:
    """Return the sampling rate of a model, and refuse another one.

    Parameters
    ----------
    sample_rate : float or None
        In Hz, as passed.
    fitted : float or None
        That of the STFT that the model was fitted on.

    Returns
    -------
    sample_rate : float

    Raises
    ------
    TypeError, ValueError
        If it is not a number of Hz, or not that of the STFT.

    Examples
    --------
    >>> resolve_sample_rate(None, 8000), resolve_sample_rate(None, None)
    (8000.0, 16000.0)
    """
    if sample_rate is None:
        return float(DEFAULT_SAMPLE_RATE if fitted is None else fitted)
    rate = check_number("sample_rate", sample_rate, low=0, open_low=True)
    if fitted not in (None, rate):
        raise ValueError(
            f"`sample_rate` is {rate:g} but the STFT of the model has {fitted:g} Hz; pass "
            f"sample_rate={fitted:g}."
        )
    return rate


def usage(activations: Any) -> np.ndarray:
    """Compute the share of each component in the sum of all activations.

    Parameters
    ----------
    activations : ndarray of shape (n_frames, n_components), or list of them

    Returns
    -------
    usage : ndarray of shape (n_components,)
        Its sum is 1, and 0 if all activations are.

    Examples
    --------
    >>> usage([np.array([[1.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 0.0]])])
    array([0.5, 0.5])
    """
    parts = activations if isinstance(activations, list) else [activations]
    sums = np.sum([part.sum(axis=0, dtype=float) for part in parts], axis=0)
    return sums / (sums.sum() or 1.0)


def change_column(components: np.ndarray, start: np.ndarray) -> dict[str, np.ndarray]:
    """Compute how far components have moved from those that training started from.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_freqs)
    start : ndarray of shape (n_components, n_freqs), or without rows if it is not known

    Returns
    -------
    columns : dict of ndarray of shape (n_components,)
        ``"change_db"``, or none.
    """
    return {"change_db": mean_change_db(components, start)} if len(start) else {}


def as_data_frame(columns: dict[str, Any]) -> pd.DataFrame:
    """Make a DataFrame with the number of the component as its index.

    Parameters
    ----------
    columns : dict
        By name.

    Returns
    -------
    summary : pandas.DataFrame

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        message = '`component_summary` needs pandas: pip install "sknmf_unfold[inspect]".'
        raise ImportError(message) from error
    summary = pd.DataFrame(columns)
    summary.index.name = "component"
    return summary
