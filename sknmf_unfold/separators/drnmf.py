"""`DRNMFSeparator`: deep recurrent NMF, started from an NMF estimator and trained inside."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.tensors import resolve_device, to_numpy, to_tensor
from sknmf_unfold.runtime.ista import largest_eigenvalue
from sknmf_unfold.runtime.onnx import OnnxExport
from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.parameters import (
    MAX_LAYERS,
    MAX_UNITS,
    check_n_weights,
    check_size,
    check_sparsity,
    check_step_size,
)

from ._explanation import MaskExplanation
from ._fitted_training import COURSE
from ._nmf_init import StartsFromNMF
from ._recipes import (
    DRNMF_MODEL_PARAMETERS,
    TRAINING_PARAMETERS,
    check_training_parameters,
    resolve_recipe,
)
from ._resume import suited_values

# What the network is made of, and the fitted attribute that holds it.
WEIGHT_ATTRIBUTES = {
    "components": "components_",
    "envelopes": "envelopes_",
    "output_components": "output_components_",
    "step_sizes": "step_sizes_",
    "sparsity": "sparsity_",
    "initial_activations": "initial_activations_",
    "mask_exponent": "mask_exponent_",
    "evidence": "evidence_",
    "dynamics": "dynamics_",
    "gru_weight_ih": "gru_weight_ih_",
    "gru_weight_hh": "gru_weight_hh_",
    "gru_bias": "gru_bias_",
    "gru_evidence": "gru_evidence_",
}


# What holds for them and the rest, see `_fitted`; `dynamics_` has two forms.
FITTED = (
    *COURSE,
    Invariant("output_components_", "2*pairs freqs", low=0.0),
    Invariant("initial_components_", "2*pairs freqs", low=0.0),
    Invariant("components_", "layers 2*pairs freqs", low=0.0),
    Invariant("envelopes_", "layers 2*pairs context", low=0.0),
    Invariant("step_sizes_", "layers", positive=True),
    Invariant("sparsity_", "layers 2*pairs", low=0.0),
    Invariant("initial_activations_", "2*pairs", low=0.0),
    Invariant("mask_exponent_", "", positive=True),
    Invariant("evidence_", "2*pairs freqs | 0 freqs"),
    Invariant("gru_evidence_", "units? freqs"),
    Invariant("gru_weight_ih_", "3*units? 2*pairs"),
    Invariant("gru_weight_hh_", "3*units? units?"),
    Invariant("gru_bias_", "2 3*units?"),
)


class DRNMFSeparator(OnnxExport, MaskExplanation, StartsFromNMF):
    r"""Separation with deep recurrent NMF.

    Warm-start ISTA infers sparse NMF activations frame by frame, each frame starting from the
    result of the one before:
    :math:`h \leftarrow \mathrm{relu}((I - W^T W / \alpha) h + (W^T x - \lambda) / \alpha)`,
    `n_layers` times a frame. Unfolded, it is a recurrent network. It starts as that algorithm on
    the dictionaries of an NMF estimator, and is then trained to make the mask
    :math:`\hat{Y}^p / (\hat{Y}^p + \hat{V}^p)` bring the mixture close to the clean target. By
    default it goes beyond the paper: x is several frames (`context`), and a frame starts from
    :math:`A h` (`dynamics`).

    Parameters
    ----------
    n_layers : int, default=2
        Iterations a frame (the paper's K), each a layer with a dictionary of its own.
    n_components : int or None, default=None
        Number of components for each of the two sources (the paper's N counts both). None takes
        that of `nmf`, 100 without one; another number than that of `nmf` is refused.
    nmf : SupervisedNMFSeparator, SparseNMF or None, default=None
        Where to start from. Fitted, or in scikit-learn's ``FrozenEstimator`` (which survives
        ``clone`` in a grid search), it is used as it is. Unfitted, a clone of it is fitted inside
        ``fit``: with all its own parameters, which a grid search reaches as ``nmf__sparsity`` and
        so on; only its ``random_state=None`` is drawn from that of this estimator. None is a
        `SupervisedNMFSeparator` with `n_components`, `sparsity` and `verbose` of this estimator. A
        `SparseNMF` serves as the target's dictionary; the interference's is learned beside it with
        `sparsity` and `verbose` of this estimator.
    sparsity : float, default=1.0
        Weight lambda of the sum of the activations that the network starts with, in the units of
        magnitudes at the reference level, which is about that of speech at -26 dBFS in as much
        noise.
    step_size : "auto" or float, default="auto"
        Initial step, the inverse of the paper's alpha. ``"auto"`` takes the inverse of the largest
        eigenvalue of the Gram matrix of the starting components.
    recipe : {"default", "paper"}, default="default"
        How to train: the defaults of the following parameters, see Notes.
    learning_rate : float or None, default=None
        Adam's. None, here and below: what `recipe` says.
    batch_size : int or None, default=None
        Sequences in a batch.
    sequence_length : int or None, default=None
        Frames a sequence at most; longer recordings are cut into equal parts for training.
    max_epochs : int or None, default=None
        Passes over the training data at most; 0 leaves warm-start ISTA as it is.
    patience : int or None, default=None
        Epochs without a better validation loss before training stops.
    loss : str, callable or None, default=None
        Loss that training lowers: ``"signal_approximation"``, ``"phase_sensitive"``, ``"snr"`` or
        ``"si_sdr"``, see Notes, or your own function ``loss(mask, mixture, target)``. Its arguments
        are torch tensors of shape (batch, frames, bins): the target's mask, and the magnitudes of
        mixture and target, or their complex frames if the function has the attribute ``input =
        "complex"``, which needs spectrograms. The sequences have one length and no padding. It
        returns a tensor of shape (batch,), one number for each sequence, less is better; training
        lowers the mean over all sequences.
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
        anything else: then a recording may be louder or quieter than those of training, and its
        level tells nothing about its signal-to-noise ratio. 250 are two seconds at the default hop.
        With 0 frames are taken as they are, but for one factor that brings the training set to the
        reference level; with 0 and ``recipe="paper"`` not even that.
    dynamics : {"identity", "diagonal", "full"} or None, default=None
        What becomes of the activations of a frame before they begin the next one. ``"identity"``,
        the paper's warm start, leaves them; ``"diagonal"`` learns how long each component lasts,
        ``"full"`` also which components follow which, in a matrix A: :math:`h \leftarrow h A`.
    context : int or None, default=None
        Frames that the activations of a frame explain: itself and the ``context - 1`` before it.
        Each component is then a spectrum and an envelope over so many frames. It adds no latency.
    evidence : bool or None, default=None
        Whether the mask also weighs evidence: what each component that is active says for the
        target or against it in every bin, whichever source it explains.
    n_gru_units : int, default=0
        Gated recurrent units [4]_ that listen to the components and add to the evidence what they
        remember of the frames before; some hundred separate better by half a dB. They need
        `evidence`. What each says in every bin can be seen, why it speaks only from its weights.
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
    components_ : ndarray of shape (n_layers, 2 * n_components, n_freqs)
        Dictionary of each layer: non-negative, rows of unit l2-norm, the target's first.
    envelopes_ : ndarray of shape (n_layers, 2 * n_components, context)
        How strong each component is in the frames that it explains, the oldest first:
        non-negative, rows of unit l2-norm.
    output_components_ : ndarray of shape (2 * n_components, n_freqs)
        Non-negative; turn activations into the estimates that make the mask.
    step_sizes_ : ndarray of shape (n_layers,)
        Step of each layer.
    sparsity_ : ndarray of shape (n_layers, 2 * n_components)
        The l1 weight lambda of each component in each layer.
    initial_activations_ : ndarray of shape (2 * n_components,)
        Learned activations before the first frame.
    mask_exponent_ : ndarray of shape ()
        Power p of the mask :math:`\hat{Y}^p / (\hat{Y}^p + \hat{V}^p)`: 1 is the ratio mask, 2 the
        Wiener filter.
    evidence_ : ndarray of shape (2 * n_components, n_freqs) or (0, n_freqs)
        What each component says for the target, in natural logarithms of odds; negative entries
        speak against it. Without `evidence` there is none.
    dynamics_ : ndarray of shape (2 * n_components,) or (2 * n_components, 2 * n_components)
        What the activations of a frame are multiplied by to begin the next: the diagonal, or for
        ``dynamics="full"`` the matrix A, whose row i says what component i starts.
    gru_weight_ih_ : ndarray of shape (3 * n_gru_units, 2 * n_components)
        What opens the reset gates, the update gates and makes the new activity of the GRU units,
        one below the other: the part of each component in the activations,
        :math:`h / (\lVert h \rVert + 1)`.
    gru_weight_hh_ : ndarray of shape (3 * n_gru_units, n_gru_units)
        The same for the activity of the units in the frame before.
    gru_bias_ : ndarray of shape (2, 3 * n_gru_units)
        Biases beside the first and beside the second.
    gru_evidence_ : ndarray of shape (n_gru_units, n_freqs)
        What each unit says for the target, as `evidence_`; its activity is between -1 and 1.
    initial_components_ : ndarray of shape (2 * n_components, n_freqs)
        The NMF dictionaries that training started from.
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
    ====================  =============  ====================
    recipe                "default"      "paper"
    ====================  =============  ====================
    learning_rate         1e-2           1e-3
    batch_size            16             32
    sequence_length       125            500
    loss                  snr            signal_approximation
    remix                 True           False
    speed_factors         0.8 to 1.2     1
    gain_db               -24 to 12      0
    level_frames          250            0
    max_epochs            50             500
    patience              8              50
    sparsity weights      trained        fixed
    mask exponent         trained        1
    dynamics              full           identity
    context               8              1
    evidence              True           False
    gradient norm         <= 1           free
    halve learning_rate   after 2        never
    weight average        0.999          0
    ====================  =============  ====================

    The learning rate is halved after so many epochs without a better validation loss. What is
    validated and kept is an exponential moving average of the weights over the steps: at each step
    it keeps so much of itself, less in the first steps.

    Of the losses, ``"signal_approximation"`` [1]_ is the mean over frames and bins of
    ``(|Y| - mask * |X|) ** 2``; ``"phase_sensitive"`` [2]_ of ``|Y - mask * X| ** 2``, up to a
    constant; ``"snr"`` [3]_ is the energy of the error of the separated waveform over that of the
    mixture, in dB, for each sequence, and ``"si_sdr"`` [3]_ the negative SI-SDR, in dB. All but the
    first need spectrograms, which know their phase; for magnitudes a recipe means the first.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.
    .. [2] Erdogan, Hershey, Watanabe, Le Roux, "Phase-sensitive and recognition-boosted speech
       separation using deep recurrent neural networks", ICASSP 2015.
    .. [3] Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019.
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
    >>> pipe["sep"].components_.shape, pipe["sep"].output_components_.shape
    ((2, 20, 257), (20, 257))

    A loss of your own, the mean absolute error of the magnitudes:

    >>> def absolute_error(mask, mixture, target):
    ...     return (mask * mixture - target).abs().mean(dim=(1, 2))
    >>> pipe = pipe.set_params(sep__loss=absolute_error).fit(X, Y)
    >>> losses = pipe["sep"].history_["validation_loss"]
    >>> losses[-1] < losses[0]
    True
    """

    def __init__(
        self,
        n_layers=2,
        n_components=None,
        *,
        nmf=None,
        sparsity=1.0,
        step_size="auto",
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
        dynamics=None,
        context=None,
        evidence=None,
        n_gru_units=0,
        validation_fraction=0.1,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        random_state=None,
        verbose=0,
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

    def _invariants(self):
        # A matrix of dynamics may have negative entries.
        is_matrix = np.ndim(vars(self).get("dynamics_", 0)) == 2
        shape, low = ("2*pairs 2*pairs", -np.inf) if is_matrix else ("2*pairs", 0.0)
        return (*FITTED, Invariant("dynamics_", shape, low=low))

    def _add_missing_attributes(self):
        super()._add_missing_attributes()
        # Stored when the network itself had a level.
        level, _ = (self.__dict__.pop(name, 0) for name in ("level_", "level_decay_"))
        if level > 0:
            raise ValueError(
                "The model was stored with a running level of another kind; train it again."
            )
        if hasattr(self, "evidence_") and not hasattr(self, "gru_evidence_"):
            # Stored when there were no GRU units yet.
            from sknmf_unfold.networks.gru import draw_gates

            components = to_tensor(self.output_components_, "cpu")
            for name, value in draw_gates(components, 0, None).items():
                setattr(self, WEIGHT_ATTRIBUTES[name], to_numpy(value))

    def _starting_values(self, sequences, targets, rng):
        from sknmf_unfold.networks.unfolding import unfold

        seed = rng.randint(2**31 - 1)
        components = self._starting_components(sequences, targets, seed)
        components = components.astype(sequences.dtype)
        step_size = check_step_size(self.step_size)
        if step_size == "auto":
            step_size = 1 / largest_eigenvalue(components)
        recipe = self._recipe()
        model = {name: recipe[name] for name in ("dynamics", "context", "evidence")}
        model |= {"n_gru_units": int(self.n_gru_units), "rng": rng}
        components, sparsity = to_tensor(components, "cpu"), check_sparsity(self.sparsity)
        return unfold(components, int(self.n_layers), sparsity, step_size, **model)

    def _remember_start(self, start):
        self.initial_components_ = to_numpy(start["output_components"])

    def _fitted_values(self):
        values = {name: to_tensor(getattr(self, a), "cpu") for name, a in WEIGHT_ATTRIBUTES.items()}
        model = int(self.n_layers), int(self.n_gru_units)
        return suited_values(values, *model, self._recipe())

    @staticmethod
    def _make_network(values, **learned):
        from sknmf_unfold.networks.drnmf import DRNMF

        return DRNMF(**values, **learned)

    @staticmethod
    def _attributes(network):
        return {
            WEIGHT_ATTRIBUTES[name]: to_numpy(value) for name, value in network.values().items()
        }

    def _network(self, dtype):
        """Rebuild the fitted network from numpy arrays."""
        from sknmf_unfold.networks.drnmf import DRNMF

        device = resolve_device(self.device, fall_back=True)
        arrays = {name: getattr(self, attribute) for name, attribute in WEIGHT_ATTRIBUTES.items()}
        return DRNMF(**{name: to_tensor(a.astype(dtype), device) for name, a in arrays.items()})

    def _mask_step(self, dtype):
        from ._steps import mask_step, unfolded_inference

        network = self._network(dtype)
        return mask_step(network, unfolded_inference(network))

    def _activation_step(self, dtype):
        from ._steps import hidden_step, unfolded_inference

        network = self._network(dtype)
        return hidden_step(unfolded_inference(network), len(network.initial))

    def _masks_at_level(self, dtype, n_streams, max_frames):
        from ._steps import frame_masks

        return frame_masks(self._network(dtype), n_streams, max_frames)

    def _check_parameters(self):
        """Check all parameters; return the settings of training."""
        n_layers = check_size("n_layers", self.n_layers, high=MAX_LAYERS)
        n_components = self._check_n_components()
        check_sparsity(self.sparsity)
        check_step_size(self.step_size)
        n_gru_units = check_size("n_gru_units", self.n_gru_units, low=0, high=MAX_UNITS)
        check_training_parameters(self)
        settings = self._recipe()
        self._check_n_weights(n_layers, 2 * n_components, n_gru_units, settings)
        if self.n_gru_units and not settings["evidence"]:
            raise ValueError(
                f"`n_gru_units` is {self.n_gru_units} but there is no evidence for them to add to; "
                f"use evidence=True or n_gru_units=0."
            )
        settings["learn_dynamics"] = settings.pop("dynamics") != "identity"
        del settings["context"], settings["evidence"]
        return settings

    @staticmethod
    def _check_n_weights(n_layers, n_components, n_gru_units, recipe):
        context, is_full = recipe["context"], recipe["dynamics"] == "full"
        layers = {"n_layers": n_layers, "n_components": n_components // 2, "context": context}
        check_n_weights(n_layers * n_components * (context + 1), **layers)
        if is_full:
            made = {"dynamics": "full", "n_components": n_components // 2}
            check_n_weights(n_components**2, **made)
        gates = 3 * n_gru_units * (n_gru_units + n_components)
        check_n_weights(gates, n_gru_units=n_gru_units, n_components=n_components // 2)

    def _recipe(self):
        names = (*TRAINING_PARAMETERS, *DRNMF_MODEL_PARAMETERS)
        return resolve_recipe(self.recipe, {name: getattr(self, name) for name in names})
