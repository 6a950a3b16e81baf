"""Why a mask is what it is: the terms of its log odds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.threads import one_thread_an_operation

TERMS = ("estimates", "evidence", "gru_units")


class MaskExplanation:
    """Gives a separator that has `_network(dtype)`, a `DRNMF`, a look into its masks."""

    _network: Callable
    _check_input: Callable
    _run: Callable

    @default_settings()
    @one_thread_an_operation()
    def explain_mask(self, X):
        r"""Tell what speaks for the target and against it, in every frame and bin.

        The target's mask M is a logistic function of a sum,
        :math:`\log(M / (1 - M)) = p \log(\hat{Y} / \hat{V}) + s E + u U`: of the estimates that
        the dictionaries make, of what each component says beside that (`evidence_`) by its share
        s in the activations, and of what GRU units say (`gru_evidence_`) by their activity u.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.

        Returns
        -------
        terms : list of dict of ndarray of shape (n_frames, n_freqs), or one dict for a table
            ``"estimates"``, ``"evidence"`` and ``"gru_units"``, in natural logarithms of odds:
            1 multiplies them by 2.7. Those that the model does not have are 0.

        Raises
        ------
        ValueError
            If X does not look like what the estimator was fitted on.

        Examples
        --------
        >>> from sknmf_unfold import STFT, DRNMFSeparator
        >>> from sknmf_unfold.datasets import make_noisy_speech
        >>> X, Y = make_noisy_speech(4, duration=0.5, random_state=0)
        >>> X = STFT().fit_transform(X)
        >>> separator = DRNMFSeparator(n_components=5, max_epochs=1, random_state=0).fit(X, Y)
        >>> terms = separator.explain_mask(X)[0]
        >>> mask = 1 / (1 + np.exp(-sum(terms.values())))
        >>> bool(np.abs(mask - separator.predict_mask(X)[0]).max() < 1e-4)
        True
        """
        from ._steps import terms_step, unfolded_inference

        sequences = self._check_input(X)
        network = self._network(sequences.dtype)
        results = self._run(sequences, terms_step(network, unfolded_inference(network)))
        if isinstance(results, np.ndarray):
            return _by_name(results)
        return [_by_name(result) for result in results]


def _by_name(result):
    return dict(zip(TERMS, np.split(result, len(TERMS), axis=1), strict=True))
