"""`SupervisedNMFSeparator`: one dictionary for the target, one for everything else."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.all_or_nothing import fits_all_or_nothing
from sknmf_unfold.base.callbacks import FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.nmf.divergence import check_beta
from sknmf_unfold.nmf.problem import Problem
from sknmf_unfold.nmf.settings import check_max_frames, check_tol
from sknmf_unfold.runtime.ista import largest_eigenvalue
from sknmf_unfold.runtime.level import TrainingLevel
from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.options import check_choice, check_random_state, check_verbose
from sknmf_unfold.validation.parameters import (
    MAX_COMPONENTS,
    check_number,
    check_size,
    check_sparsity,
    check_step_size,
)
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.tables import check_components
from sknmf_unfold.validation.targets import check_targets, warn_of_useless_targets
from sknmf_unfold.validation.warn import once_per_call

from ._base import BASICS, BaseSeparator
from ._nmf_inference import INFERENCES, NMFInference
from ._recipes import LEVEL_FRAMES, check_level_frames


class SupervisedNMFSeparator(BaseSeparator):
    r"""Separation with sparse NMF dictionaries learned from pairs of mixture and target.

    The target's dictionary is learned from the clean recordings; the interference's from the
    mixtures, with the target's held fixed. To separate, activations :math:`h` of both dictionaries
    are inferred for every frame, and the mask is :math:`\hat{Y} / (\hat{Y} + \hat{V})`, where
    :math:`\hat{Y}` and :math:`\hat{V}` are what each dictionary explains of the magnitude.

    Parameters
    ----------
    n_components : int, default=100
        Number of components for each of the two sources.
    sparsity : float, default=1.0
        Weight lambda of the sum of the activations, in the units of magnitudes at the reference
        level, which is about that of speech at -26 dBFS in as much noise.
    inference : {"auto", "cd", "mu", "ista", "warm_ista"}, default="auto"
        How activations are inferred: coordinate descent, multiplicative updates, iterative
        soft-thresholding, or iterative soft-thresholding that starts each frame from the result of
        the frame before. ``"auto"`` takes coordinate descent for beta = 2, else multiplicative
        updates. With ``"mu"`` the dictionaries, too, are learned by multiplicative updates.
    n_iter : int, default=200
        Iterations of the inference, for each frame; coordinate descent stops earlier, once no
        activation is further from its best value than 5e-3 times the largest one of the frame.
    step_size : "auto" or float, default="auto"
        Step of the soft-thresholding, the inverse of the paper's alpha. ``"auto"`` takes the
        inverse of the largest eigenvalue of the Gram matrix of the components, the largest step
        with which no iteration raises the objective.
    beta_loss : {"frobenius", "kullback-leibler", "itakura-saito"} or float, default="frobenius"
        The beta divergence; soft-thresholding works on "frobenius" only.
    max_iter : int, default=200
        Iterations of learning each dictionary.
    tol : float, default=1e-4
        Tolerance of learning, see `SparseNMF`.
    max_frames : int or None, default=20000
        Learn each dictionary from at most this many frames, drawn at random; None takes all.
    level_frames : int, default=250
        Frames over which a running level is measured, to which each frame is brought before
        activations are inferred, so that a recording may be louder or quieter than those of
        training; 250 are two seconds at the default hop. Dictionaries are learned from recordings
        that are each brought to that level. With 0 all frames are multiplied by the same factor,
        which brings the training set to the reference level.
    random_state : int, RandomState instance or None, default=None
        Draws starting points and frames.
    verbose : int, default=0
        Whether to show progress bars.

    Attributes
    ----------
    target_components_, interference_components_ : ndarray of shape (n_components, n_freqs)
        Non-negative, rows of unit l2-norm.
    n_iter_ : int
        Iterations that learning took, the larger number of the two dictionaries.
    step_size_ : float
        The step of the soft-thresholding.
    input_scale_ : float
        What magnitudes are multiplied by to bring the training set to the reference level.
    level_frames_ : int
        Frames of the running level; 0 for none.
    stft_settings_ : dict or None
        STFT settings of the spectrograms it was fitted on, None for bare magnitudes.
    n_features_in_ : int
        Number of bins.

    References
    ----------
    .. [1] Le Roux, Weninger, Hershey, "Sparse NMF - half-baked or well done?", MERL technical
       report TR2015-023, 2015.
    .. [2] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknmf_unfold import STFT, SupervisedNMFSeparator
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> X, y = make_noisy_speech(4, duration=1.0, random_state=0)
    >>> separator = SupervisedNMFSeparator(n_components=10, max_iter=20, random_state=0)
    >>> pipe = make_pipeline(STFT(), separator).fit(X, y)
    >>> [len(x) for x in pipe.predict(X)]
    [16000, 16000, 16000, 16000]
    """

    _fitted_mark = "target_components_"
    _fitted_attributes = (
        *BASICS,
        Invariant("target_components_", "targets freqs", low=0.0),
        Invariant("interference_components_", "others freqs", low=0.0),
        Invariant("n_iter_", whole=True, low=0),
        Invariant("step_size_", positive=True),
    )

    def __init__(
        self,
        n_components=100,
        *,
        sparsity=1.0,
        inference="auto",
        n_iter=200,
        step_size="auto",
        beta_loss="frobenius",
        max_iter=200,
        tol=1e-4,
        max_frames=20_000,
        level_frames=LEVEL_FRAMES,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.sparsity = sparsity
        self.inference = inference
        self.n_iter = n_iter
        self.step_size = step_size
        self.beta_loss = beta_loss
        self.max_iter = max_iter
        self.tol = tol
        self.max_frames = max_frames
        self.level_frames = level_frames
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @once_per_call()
    @default_settings()
    @fits_all_or_nothing
    def fit(self, X, y):
        """Learn both dictionaries.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures: spectrograms, magnitudes, or a 2-D table of independent frames.
        y : list of ndarray of shape (n_times,), or magnitudes like X
            Clean targets: waveforms (or spectrograms, or a 2-D array with one in each row) for
            spectrograms, magnitudes for magnitudes. A warning names those that are silent or equal
            to their mixtures.

        Returns
        -------
        self : SupervisedNMFSeparator

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        return self._fit(X, y, warn=True)

    @with_callbacks
    def _fit_quietly(self, X, y):
        """Do what ``fit`` does for an estimator that has warned of useless targets itself."""
        return self._fit(X, y, warn=False)

    def _fit(self, X, y, warn):
        checked = self._check_parameters()
        task = FitTask(self._init_callback_context(), self, X, y)
        rng = check_random_state(self.random_state)
        sequences = check_sequences(self, X, reset=True)
        targets = check_targets(y, sequences)
        if warn:
            warn_of_useless_targets(sequences, targets)
        training = TrainingLevel(sequences)
        frames = targets.frames(checked["max_frames"], rng, self._at_level(training))
        nmf = self._dictionary(rng).fit(frames)
        n_iter = self._fit_interference(sequences, nmf.components_, checked, rng, training)
        self.n_iter_ = max(nmf.n_iter_, n_iter)
        task.end(dict)
        return self

    @once_per_call()
    @default_settings()
    @fits_all_or_nothing
    def fit_interference(self, X, target_components):
        """Learn the interference's dictionary beside a given one of the target.

        Parameters
        ----------
        X : Spectrograms, list of ndarray of shape (n_frames, n_freqs), or array-like
            Mixtures.
        target_components : array-like of shape (n_components, n_freqs)
            The target's dictionary, as of a `SparseNMF` fitted on clean recordings.

        Returns
        -------
        self : SupervisedNMFSeparator

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        checked = self._check_parameters()
        sequences = check_sequences(self, X, reset=True)
        target_components = check_components(
            "target_components", target_components, sequences.n_freqs
        )
        rng = check_random_state(self.random_state)
        training = TrainingLevel(sequences)
        self.n_iter_ = self._fit_interference(sequences, target_components, checked, rng, training)
        return self

    def _at_level(self, training):
        """Make what brings recordings to the reference level, for `Sequences.frames`."""
        scales = training.scales
        if not self.level_frames:
            scales = np.full_like(scales, training.scale)

        def scaled(magnitude, indices):
            return magnitude * scales[indices, np.newaxis, np.newaxis].astype(magnitude.dtype)

        return scaled

    def _fit_interference(self, sequences, target, checked, rng, training):
        frames = sequences.frames(checked["max_frames"], rng, self._at_level(training))
        nmf = self._dictionary(rng, fixed_components=target).fit(frames)
        components = nmf.components_
        self.target_components_ = components[: len(target)]
        self.interference_components_ = components[len(target) :]
        self.stft_settings_ = sequences.settings
        self.input_scale_, self.level_frames_ = training.scale, int(self.level_frames)
        step_size = checked["step_size"]
        self.step_size_ = 1 / largest_eigenvalue(components) if step_size == "auto" else step_size
        return nmf.n_iter_

    def _dictionary(self, rng, **settings):
        return SparseNMF(
            self.n_components,
            beta_loss=self.beta_loss,
            sparsity=self.sparsity,
            solver="mu" if self.inference == "mu" else "auto",
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=rng.randint(2**31 - 1),
            verbose=self.verbose,
            **settings,
        )

    @property
    def components_(self):
        """Both dictionaries, (2 * n_components, n_freqs), the target's first."""
        return np.vstack([self.target_components_, self.interference_components_])

    def _check_parameters(self):
        """Check all parameters; return as plain numbers those that are used here."""
        check_size("n_components", self.n_components, high=MAX_COMPONENTS)
        check_number("max_iter", self.max_iter, low=1, integer=True)
        check_tol("tol", self.tol)
        check_level_frames(self.level_frames)
        check_verbose(self.verbose)
        check_choice("inference", self.inference, INFERENCES)
        checked = {
            "n_iter": check_number("n_iter", self.n_iter, low=1, integer=True),
            "max_frames": check_max_frames(self.max_frames),
            "sparsity": check_sparsity(self.sparsity),
            "step_size": check_step_size(self.step_size),
            "beta": check_beta(self.beta_loss),
        }
        if self.inference not in ("auto", "mu") and checked["beta"] != 2:
            raise ValueError(
                f"`inference`={self.inference!r} minimises beta_loss='frobenius' only; got "
                f"beta_loss={self.beta_loss!r}. Use inference='auto'."
            )
        return checked

    @property
    def _recurrent(self):
        return self.inference == "warm_ista"

    def _activation_step(self, dtype):
        return self._inference(dtype).activation_step

    def _mask_step(self, dtype):
        return self._inference(dtype).mask_step

    def _masks_at_level(self, dtype, n_streams):
        return self._inference(dtype).running_masks(n_streams)

    def _inference(self, dtype):
        # Parameters may have been set since the fit.
        checked = self._check_parameters()
        dictionaries = self.target_components_, self.interference_components_
        target, interference = (part.astype(dtype, copy=False) for part in dictionaries)
        problem = Problem(checked["beta"], checked["sparsity"])
        settings = problem, checked["n_iter"], self.step_size_
        return NMFInference(self.inference, target, interference, *settings)
