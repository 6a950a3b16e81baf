"""`DeepNMFSeparator`: multiplicative updates unfolded, the last ones trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike

import numpy as np
from sklearn.frozen import FrozenEstimator

from sknmf_unfold.base.tensors import to_tensor
from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.nmf.divergence import check_beta
from sknmf_unfold.runtime.deep_nmf import DeepNMFInference
from sknmf_unfold.runtime.masks import FramewiseInference, PowerMask, RunningMasks
from sknmf_unfold.signal.augmentation import Distribution
from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import (
    MAX_LAYERS,
    check_n_weights,
    check_number,
    check_size,
    check_sparsity,
)

from ._docs import trained_docs
from ._layers import UnfoldedSeparator
from ._recipes import (
    DEEP_NMF_RECIPES,
    TRAINING_PARAMETERS,
    check_training_parameters,
    resolve_recipe,
)
from ._training_invariants import TRAINING_INVARIANTS
from .supervised_nmf import SupervisedNMFSeparator

# The values of the network, and the fitted attributes that hold them.
WEIGHT_ATTRIBUTES = {
    "components": "initial_components_",
    "layer_components": "components_",
    "output_components": "output_components_",
    "mask_exponent": "mask_exponent_",
}


@trained_docs(DEEP_NMF_RECIPES)
class DeepNMFSeparator(UnfoldedSeparator):
    r"""Separation with deep NMF, which unfolds multiplicative updates.

    The activations of every frame are inferred by `n_layers` multiplicative updates,
    :math:`h \leftarrow h \, W (x \circ \hat{x}^{\beta-2}) / (W \hat{x}^{\beta-1} + \lambda)`,
    where :math:`\hat{x} = W^T h` and W is `components_`. The dictionaries of the last updates and
    the one that makes the mask are trained; the others stay those of an NMF estimator. Unlike
    `DRNMFSeparator`, to which it is an alternative, it treats each frame alone.

    Parameters
    ----------
    n_layers : int, default=25
        Multiplicative updates a frame (the paper's K).
    {n_components}
    n_trained_layers : int, default=3
        Number of trained dictionaries (the paper's C): that of the mask and those of the last
        ``n_trained_layers - 1`` updates.
    {nmf}
    beta_loss : {"kullback-leibler", "frobenius"} or float, default="kullback-leibler"
        The beta divergence that the updates lower, beta from 1 to 2; also that of the first
        dictionaries, unless an unfitted `nmf` has its own.
    {sparsity}
    {training_parameters}
    {fit_parameters}

    Attributes
    ----------
    components_ : ndarray of shape (n_trained_layers - 1, 2 * n_components, n_freqs)
        Dictionary of each trained update: non-negative, rows of unit l2-norm, the target's first.
    output_components_ : ndarray of shape (2 * n_components, n_freqs)
        Non-negative; turn activations into the estimates that make the mask.
    mask_exponent_ : ndarray of shape ()
        Power p of the mask :math:`\hat{Y}^p / (\hat{Y}^p + \hat{V}^p)`.
    initial_components_ : ndarray of shape (2 * n_components, n_freqs)
        The NMF dictionaries that training started from, which all other updates use.
    {training_attributes}

    Notes
    -----
    The recipes are those of `DRNMFSeparator`, but for the sparsity weights, which are not trained.

    References
    ----------
    .. [1] Le Roux, Hershey, Weninger, "Deep NMF for speech separation", ICASSP 2015.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sknmf_unfold import STFT
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> from sknmf_unfold.separators import DeepNMFSeparator
    >>> X, Y = make_noisy_speech(4, duration=1.0, random_state=0)
    >>> separator = DeepNMFSeparator(n_layers=5, n_components=10, max_epochs=2, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    >>> [len(x) for x in pipe.predict(X)]
    [16000, 16000, 16000, 16000]
    """

    _fitted_attributes = (
        *TRAINING_INVARIANTS,
        Invariant("output_components_", "2*pairs freqs", low=0.0),
        Invariant("initial_components_", "2*pairs freqs", low=0.0),
        Invariant("components_", "updates? 2*pairs freqs", low=0.0),
        Invariant("mask_exponent_", "", positive=True),
    )

    _weight_attributes = WEIGHT_ATTRIBUTES

    def __init__(
        self,
        n_layers: int = 25,
        n_components: int | None = None,
        *,
        n_trained_layers: int = 3,
        nmf: SupervisedNMFSeparator | SparseNMF | FrozenEstimator | None = None,
        beta_loss: float | str = "kullback-leibler",
        sparsity: float = 1.0,
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
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        checkpoint_dir: str | PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.n_layers = n_layers
        self.n_components = n_components
        self.n_trained_layers = n_trained_layers
        self.nmf = nmf
        self.beta_loss = beta_loss
        self.sparsity = sparsity
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
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _starting_values(self, sequences, targets, rng):
        seed, beta_loss = rng.randint(2**31 - 1), self.beta_loss
        components = self._starting_components(sequences, targets, seed, beta_loss=beta_loss)
        components = to_tensor(components.astype(sequences.dtype), "cpu")
        return {
            "components": components,
            "layer_components": components.repeat(int(self.n_trained_layers) - 1, 1, 1),
            "output_components": components,
            "mask_exponent": components.new_ones(()),
        }

    def _remember_start(self, start):
        """Do nothing: the network keeps what it started from."""

    def _fitted_values(self):
        if len(self.components_) != int(self.n_trained_layers) - 1:
            raise ValueError(
                f"`n_trained_layers` is {self.n_trained_layers}, but the fitted model has "
                f"{len(self.components_) + 1}; training cannot resume from it."
            )
        return super()._fitted_values()

    def _make_network(self, values, **learned):
        from sknmf_unfold.networks.deep_nmf import DeepNMF

        n_fixed = int(self.n_layers) - len(values["layer_components"])
        return DeepNMF(values, n_fixed, **self._divergence(), **learned)

    def _divergence(self):
        return {"beta": check_beta(self.beta_loss), "sparsity": check_sparsity(self.sparsity)}

    @property
    def _recurrent(self):
        return False

    def _inference(self, dtype):
        from ._block_inference import framewise_inference

        # Parameters may have been set since the fit.
        self._check_parameters()
        network = self._network(self._weights(dtype))
        return network, framewise_inference(network)

    @property
    def _n_fitted_layers(self):
        return int(self.n_layers)

    def _layer_step(self, dtype, layer):
        from ._block_inference import framewise_inference, output_step

        self._check_parameters()
        weights = self._weights(dtype)
        n_trained = max(layer + 1 - int(self.n_layers) + len(weights["layer_components"]), 0)
        weights["layer_components"] = weights["layer_components"][:n_trained]
        network = self._network(weights)
        network.n_fixed_updates = layer + 1 - n_trained
        return output_step(framewise_inference(network), lambda hidden: hidden)

    def _layer_components(self, layer):
        trained = layer - int(self.n_layers) + len(self.components_)
        return (self.initial_components_ if trained < 0 else self.components_[trained]), None

    def _masks_at_level(self, dtype, n_streams):
        self._check_parameters()
        weights = self._weights(dtype)
        n_fixed = int(self.n_layers) - len(weights["layer_components"])
        dictionaries = [weights["components"]] * n_fixed + list(weights["layer_components"])
        infer = FramewiseInference(DeepNMFInference(dictionaries, **self._divergence()))
        target, interference = np.split(weights["output_components"], 2)
        return RunningMasks(infer, target, interference, PowerMask(weights["mask_exponent"]))

    def _check_parameters(self):
        """Check all parameters; return the settings of training."""
        n_layers = check_size("n_layers", self.n_layers, high=MAX_LAYERS)
        n_components = self._check_n_components()
        n_trained = self.n_trained_layers
        n_trained = check_number(
            "n_trained_layers", n_trained, low=1, high=n_layers + 1, integer=True
        )
        made = {"n_trained_layers": n_trained, "n_components": n_components}
        check_n_weights(2 * n_trained * n_components, **made)
        check_sparsity(self.sparsity)
        if not 1 <= check_beta(self.beta_loss) <= 2:
            raise ValueError(
                f"`beta_loss` must be 'kullback-leibler', 'frobenius' or a number from 1 to 2, for "
                f"which multiplicative updates need no exponent; got "
                f"{shown(self.beta_loss)}."
            )
        check_training_parameters(self)
        overrides = {name: getattr(self, name) for name in TRAINING_PARAMETERS}
        return resolve_recipe(self.recipe, overrides, DEEP_NMF_RECIPES)
