"""`DeepNMFSeparator`: multiplicative updates unfolded, the last ones trained."""

from __future__ import annotations

from sknmf_unfold.base.tensors import resolve_device, to_numpy, to_tensor
from sknmf_unfold.nmf.divergence import check_beta
from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import (
    MAX_LAYERS,
    check_n_weights,
    check_number,
    check_size,
    check_sparsity,
)

from ._fitted_training import COURSE
from ._nmf_init import StartsFromNMF
from ._recipes import (
    DEEP_NMF_RECIPES,
    TRAINING_PARAMETERS,
    check_training_parameters,
    resolve_recipe,
)

# What the network is made of, and the fitted attribute that holds it.
WEIGHT_ATTRIBUTES = {
    "components": "initial_components_",
    "layer_components": "components_",
    "output_components": "output_components_",
    "mask_exponent": "mask_exponent_",
}


class DeepNMFSeparator(StartsFromNMF):
    r"""Separation with deep NMF, which unfolds multiplicative updates.

    The activations of every frame are inferred by `n_layers` multiplicative updates,
    :math:`h \leftarrow h \, W (x \circ \hat{x}^{\beta-2}) / (W \hat{x}^{\beta-1} + \lambda)`,
    where :math:`\hat{x} = W^T h` and W is `components_`. The dictionaries of the last updates and
    the one that makes the mask are trained; the others stay those of an NMF estimator. Unlike
    `DRNMFSeparator`, with which it is to be compared, it does not know the frames before.

    Parameters
    ----------
    n_layers : int, default=25
        Multiplicative updates a frame (the paper's K).
    n_components : int or None, default=None
        Number of components for each of the two sources. None takes that of `nmf`, 100 without
        one; another number than that of `nmf` is refused.
    n_trained_layers : int, default=3
        How many dictionaries are trained (the paper's C): that of the mask and those of the last
        ``n_trained_layers - 1`` updates.
    nmf : SupervisedNMFSeparator, SparseNMF or None, default=None
        Where to start from, as for `DRNMFSeparator`. Where that learns a dictionary with `sparsity`
        of this estimator, it does so with `beta_loss` too; an unfitted `nmf` has its own.
    beta_loss : {"kullback-leibler", "frobenius"} or float, default="kullback-leibler"
        The beta divergence that the updates lower; beta is from 1 to 2.
    sparsity : float, default=1.0
        Weight lambda of the sum of the activations, in the units of magnitudes at the reference
        level, see `DRNMFSeparator`.
    recipe : {"default", "paper"}, default="default"
        How to train: the defaults of the following parameters, see Notes.
    learning_rate : float or None, default=None
        Adam's. None, here and below: what `recipe` says.
    batch_size : int or None, default=None
        Sequences in a batch.
    sequence_length : int or None, default=None
        Frames a sequence at most; longer recordings are cut into equal parts for training.
    max_epochs : int or None, default=None
        Passes over the training data at most; 0 leaves the updates as they are.
    patience : int or None, default=None
        Epochs without a better validation loss before training stops.
    loss : str, callable or None, default=None
        Loss that training lowers: the name of one, or a function, see `DRNMFSeparator`.
    remix : bool or None, default=None
        Whether every epoch pairs the targets with stretches of the interference of other
        recordings, at the signal-to-noise ratios that the recordings have: see
        `datasets.MixtureDataset`. With little data it keeps a network from learning them by heart.
        Magnitudes cannot be remixed.
    speed_factors : list of float, a distribution or None, default=None
        With `remix`, how fast to play each target and each stretch, pitch and all; see
        `datasets.MixtureDataset`.
    gain_db : list of float, a distribution or None, default=None
        With `remix`, by how much to raise each mixture and its target, in dB; see
        `datasets.MixtureDataset`.
    level_frames : int or None, default=None
        Frames over which a running level is measured, to which each frame is brought before
        anything else, see `DRNMFSeparator`; 0 for none.
    validation_fraction : float, default=0.1
        Part of the recordings kept from training to watch the loss on; ignored where ``fit`` gets
        ``validation_data``.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last one, with a new optimiser, instead of
        from `nmf`.
    checkpoint_dir : str, PathLike or None, default=None
        Folder for a file that ``fit`` replaces after every epoch and deletes at its end. After a
        kill the same ``fit`` resumes from there, to the same bits. Different fits, as of a search,
        can share a folder.
    device : str, default="auto"
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or another torch device. A
        model that was fitted on a GPU predicts on the CPU where there is none.
    random_state : int, RandomState instance or None, default=None
        Draws the NMF's starting point, the validation part and the batches.
    verbose : int, default=0
        Whether to show progress bars.

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
    history_ : dict of lists
        ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``, ``learning_rate``,
        ``seconds``.
    best_epoch_ : int
        The epoch whose weights were kept.
    n_parameters_ : int
        Number of trained parameters.
    input_scale_ : float
        What magnitudes are multiplied by to bring the training set to the reference level; 1 for
        ``recipe="paper"``.
    level_frames_ : int
        Frames of the running level; 0 for none.
    stft_settings_ : dict or None
        STFT settings of the spectrograms it was fitted on, None for bare magnitudes.
    n_features_in_ : int
        Number of bins.

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
    >>> from . import DeepNMFSeparator
    >>> X, Y = make_noisy_speech(4, duration=1.0, random_state=0)
    >>> separator = DeepNMFSeparator(n_layers=5, n_components=10, max_epochs=2, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    >>> [len(x) for x in pipe.predict(X)]
    [16000, 16000, 16000, 16000]
    """

    _fitted_attributes = (
        *COURSE,
        Invariant("output_components_", "2*pairs freqs", low=0.0),
        Invariant("initial_components_", "2*pairs freqs", low=0.0),
        Invariant("components_", "updates? 2*pairs freqs", low=0.0),
        Invariant("mask_exponent_", "", positive=True),
    )

    def __init__(
        self,
        n_layers=25,
        n_components=None,
        *,
        n_trained_layers=3,
        nmf=None,
        beta_loss="kullback-leibler",
        sparsity=1.0,
        recipe="default",
        learning_rate=None,
        batch_size=None,
        sequence_length=None,
        max_epochs=None,
        patience=None,
        loss=None,
        remix=None,
        speed_factors=None,
        gain_db=None,
        level_frames=None,
        validation_fraction=0.1,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        random_state=None,
        verbose=0,
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
                f"{len(self.components_) + 1}; training cannot go on from it."
            )
        return {name: to_tensor(getattr(self, a), "cpu") for name, a in WEIGHT_ATTRIBUTES.items()}

    def _make_network(self, values, **learned):
        from sknmf_unfold.networks.deep_nmf import DeepNMF

        n_fixed = int(self.n_layers) - len(values["layer_components"])
        updates = {"beta": check_beta(self.beta_loss), "sparsity": check_sparsity(self.sparsity)}
        return DeepNMF(**values, n_fixed_updates=n_fixed, **updates, **learned)

    @staticmethod
    def _attributes(network):
        return {
            WEIGHT_ATTRIBUTES[name]: to_numpy(value) for name, value in network.values().items()
        }

    @property
    def _recurrent(self):
        return False

    def _mask_step(self, dtype):
        from ._steps import mask_step

        network = self._network(dtype)
        return mask_step(network, self._inference(network))

    def _activation_step(self, dtype):
        from ._steps import hidden_step

        return hidden_step(self._inference(self._network(dtype)))

    def _network(self, dtype):
        """Rebuild the fitted network from numpy arrays."""
        # They may have been set since the fit.
        self._check_parameters()
        device = resolve_device(self.device, fall_back=True)
        arrays = {name: getattr(self, attribute) for name, attribute in WEIGHT_ATTRIBUTES.items()}
        values = {name: to_tensor(a.astype(dtype), device) for name, a in arrays.items()}
        return self._make_network(values)

    @staticmethod
    def _inference(network):
        """Make the inference for `mask_step`, which knows no state and can wait."""

        def infer(magnitude, state):
            return lambda: network.hidden(to_tensor(magnitude, network.device)), None

        return infer

    def _check_parameters(self):
        """Check all parameters; return the settings of training."""
        n_layers = check_size("n_layers", self.n_layers, high=MAX_LAYERS)
        n_components = self._check_n_components()
        bounds = {"low": 1, "high": n_layers + 1}
        n_trained = check_number("n_trained_layers", self.n_trained_layers, integer=True, **bounds)
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
