"""`DRNMFSeparator`: deep recurrent NMF, started from an NMF estimator and trained inside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.tensors import to_numpy, to_tensor
from sknmf_unfold.base.threads import one_thread_an_operation
from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.runtime.from_fitted import build_masks
from sknmf_unfold.runtime.ista import resolve_step_size
from sknmf_unfold.signal.augmentation import Distribution
from sknmf_unfold.validation.parameters import (
    MAX_LAYERS,
    MAX_UNITS,
    check_size,
    check_sparsity,
    check_step_size,
)

from ._docs import trained_docs
from ._drnmf_weights import (
    WEIGHT_ATTRIBUTES,
    WEIGHT_DOCS,
    check_model,
    drnmf_invariants,
    first_layers,
    suited_values,
    with_unit_rows,
)
from ._explanation import by_term
from ._layers import UnfoldedSeparator
from ._onnx_export import ExportsONNX
from ._recipes import DRNMF_PARAMETERS, RECIPES, check_training_parameters, resolve_recipe
from .supervised_nmf import SupervisedNMFSeparator


@trained_docs(RECIPES, weights=WEIGHT_DOCS)
class DRNMFSeparator(ExportsONNX, UnfoldedSeparator):
    r"""Separation with deep recurrent NMF.

    Warm-start ISTA infers sparse NMF activations frame by frame, each frame starting from the
    result of the one before:
    :math:`h \leftarrow \mathrm{relu}((I - W^T W / \alpha) h + (W^T x - \lambda) / \alpha)`,
    `n_layers` times for each frame. Unfolded, it is a recurrent network. It begins as that
    algorithm on the dictionaries of an NMF estimator, and is then trained so that the mask
    :math:`\hat{Y}^p / (\hat{Y}^p + \hat{V}^p)` brings the mixture close to the clean target.
    By default x is several frames (`context`), and a frame starts from :math:`A h` (`dynamics`).

    Parameters
    ----------
    n_layers : int, default=2
        Iterations for each frame (the paper's K), each a layer with a dictionary of its own.
    {nmf_parameters}
    step_size : "auto" or float, default="auto"
        Initial step, the inverse of the paper's alpha. ``"auto"`` takes the inverse of the largest
        eigenvalue of the Gram matrix of the starting components.
    {training_parameters}
    dynamics : {"identity", "diagonal", "full"} or None, default=None
        Transition of the activations from one frame to the next. ``"identity"`` is the paper's warm
        start; ``"diagonal"`` learns how long each component lasts; ``"full"`` also learns which
        components follow which, in a matrix A: :math:`h \leftarrow h A`.
    context : int or None, default=None
        Number of frames that the activations of a frame explain: itself and those before it. Each
        component is then a spectrum and an envelope over these frames. It adds no latency.
    evidence : bool or None, default=None
        Whether the log-odds of the mask also contain evidence: each component adds a learned
        spectrum times its share of the activations, whichever source it belongs to.
    n_gru_units : int, default=0
        Number of gated recurrent units [4]_, which take the activations of all frames so far and
        add evidence of their own; some hundred raise the SDR by half a dB. They need `evidence`.
    {fit_parameters}

    Attributes
    ----------
    {weights}
    {training_attributes}

    Notes
    -----
    {recipes}

    {losses}

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.
    {loss_references}
    .. [4] Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning phrase
       representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sknmf_unfold import STFT, DRNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> X, Y = make_noisy_speech(4, duration=1.0, random_state=0)
    >>> separator = DRNMFSeparator(n_components=10, max_epochs=2, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    >>> [len(x) for x in pipe.predict(X)]
    [16000, 16000, 16000, 16000]
    """

    def __init__(
        self,
        n_layers: int = 2,
        n_components: int | None = None,
        *,
        nmf: SupervisedNMFSeparator | SparseNMF | FrozenEstimator | None = None,
        sparsity: float = 1.0,
        step_size: float | str = "auto",
        recipe: str = "default",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        sequence_length: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        loss: str | Callable | None = None,
        remix: bool | None = None,
        speed_factors: Sequence[float] | Distribution | None = None,
        gain_db: Sequence[float] | Distribution | None = None,
        level_frames: int | None = None,
        dynamics: str | None = None,
        context: int | None = None,
        evidence: bool | None = None,
        n_gru_units: int = 0,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        checkpoint_dir: str | PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.n_layers = n_layers
        self.n_components = n_components
        self.nmf = nmf
        self.sparsity = sparsity
        self.step_size = step_size
        self.recipe = recipe
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self.max_epochs = max_epochs
        self.patience = patience
        self.loss = loss
        self.remix = remix
        self.speed_factors = speed_factors
        self.gain_db = gain_db
        self.level_frames = level_frames
        self.dynamics = dynamics
        self.context = context
        self.evidence = evidence
        self.n_gru_units = n_gru_units
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    _weight_attributes = WEIGHT_ATTRIBUTES

    def _invariants(self):
        return drnmf_invariants(vars(self))

    def _starting_values(self, sequences, targets, rng):
        from sknmf_unfold.networks.gru import draw_gru
        from sknmf_unfold.networks.initial_weights import unfold

        components = self._starting_components(sequences, targets, rng.randint(2**31 - 1))
        components = components.astype(sequences.dtype)
        step_size = resolve_step_size(check_step_size(self.step_size), components)
        recipe = self._recipe()
        model = {name: recipe[name] for name in ("dynamics", "context", "evidence")}
        components, sparsity = to_tensor(components, "cpu"), check_sparsity(self.sparsity)
        gru = draw_gru(components, int(self.n_gru_units), rng)
        return unfold(components, int(self.n_layers), sparsity, step_size, **model, gru=gru)

    def _remember_start(self, start):
        self.initial_components_ = to_numpy(start["output_components"])

    def _fitted_values(self):
        model = int(self.n_layers), int(self.n_gru_units)
        return suited_values(super()._fitted_values(), *model, self._recipe())

    @staticmethod
    def _make_network(values, **learned):
        from sknmf_unfold.networks.drnmf import DRNMF

        return DRNMF(values, **learned)

    def _weights(self, dtype):
        return with_unit_rows(super()._weights(dtype))

    def _inference(self, dtype):
        from ._block_inference import drnmf_inference

        weights = self._weights(dtype)
        network = self._network(weights)
        return network, drnmf_inference(network, weights)

    @property
    def _n_fitted_layers(self):
        return len(self.components_)

    def _layer_step(self, dtype, layer):
        from ._block_inference import drnmf_layer_step

        network, infer = self._inference(dtype)
        first = self._network(first_layers(self._weights(dtype), layer + 1))
        return drnmf_layer_step(network, infer, first)

    def _layer_components(self, layer):
        return self.components_[layer], self.envelopes_[layer]

    def _masks_at_level(self, dtype, n_streams):
        return build_masks(self._weights(dtype), n_streams)

    @default_settings()
    @one_thread_an_operation()
    def explain_mask(self, X: Any) -> list[dict[str, np.ndarray]] | dict[str, np.ndarray]:
        r"""Explain the masks by the terms of their log-odds, in every frame and bin.

        For the target's mask M, :math:`\log(M / (1 - M)) = p \log(\hat{Y} / \hat{V}) + s E + u U`:
        the ratio of the estimates of target and interference, the weight of evidence E of each
        component (`evidence_`) times its share s of the activations, and that of each GRU unit
        (`gru_evidence_`) times its activity u. A positive term raises the mask.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.

        Returns
        -------
        terms : list of dict of ndarray of shape (n_frames, n_freqs), or one dict for a table
            ``"estimates"``, ``"evidence"`` and ``"gru_units"``, in nats: 1 multiplies the odds of
            the target by 2.7. Terms that the model does not have are 0.

        Raises
        ------
        ValueError
            If X does not look like what the estimator was fitted on.

        See Also
        --------
        plotting.MaskExplanationDisplay : Draws the terms, and the components behind them.

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
        from sknmf_unfold.networks.masks import log_odds_terms

        from ._block_inference import output_step

        sequences = self._check_input(X)
        network, infer = self._inference(sequences.dtype)
        step = output_step(infer, functools.partial(log_odds_terms, network))
        return by_term(self._run(sequences, step))

    def _check_parameters(self):
        """Check all parameters; return the settings of training."""
        n_layers = check_size("n_layers", self.n_layers, high=MAX_LAYERS)
        n_components = self._check_n_components()
        check_sparsity(self.sparsity)
        check_step_size(self.step_size)
        n_gru_units = check_size("n_gru_units", self.n_gru_units, low=0, high=MAX_UNITS)
        check_training_parameters(self)
        settings = self._recipe()
        check_model(n_layers, 2 * n_components, n_gru_units, settings)
        settings["learn_dynamics"] = settings.pop("dynamics") != "identity"
        del settings["context"], settings["evidence"]
        return settings

    def _recipe(self):
        return resolve_recipe(self.recipe, {n: getattr(self, n) for n in DRNMF_PARAMETERS})
