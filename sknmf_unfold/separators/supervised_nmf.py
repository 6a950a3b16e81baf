"""`SupervisedNMFSeparator`: sparse NMF with dictionaries of the target and the interference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sknmf_unfold.base.all_or_nothing import fits_all_or_nothing
from sknmf_unfold.base.callbacks import FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.nmf.checked_frames import frames_of
from sknmf_unfold.nmf.problem import Problem
from sknmf_unfold.runtime.ista import resolve_step_size
from sknmf_unfold.validation.fitted import Invariant
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.sequences import Sequences, check_sequences
from sknmf_unfold.validation.tables import check_components
from sknmf_unfold.validation.targets import check_targets
from sknmf_unfold.validation.warn import once_per_call

from ._base import BASICS, BaseSeparator
from ._component_summary import SummarisesComponents
from ._docs import BASIC_ATTRIBUTES, insert_docs
from ._measures import measured, training_level
from ._nmf_inference import NMFInference
from ._nmf_parameters import check_nmf_parameters
from ._recipes import LEVEL_FRAMES


@insert_docs(basic_attributes=BASIC_ATTRIBUTES)
class SupervisedNMFSeparator(SummarisesComponents, BaseSeparator):
    r"""Separation with sparse NMF dictionaries learned from pairs of mixture and target.

    The target's dictionary is learned from the clean recordings, the interference's from the
    mixtures with the target's held fixed. To separate, activations :math:`h` of both dictionaries
    are inferred for every frame, and the mask is :math:`\hat{Y} / (\hat{Y} + \hat{V})`, where
    :math:`\hat{Y}` and :math:`\hat{V}` are the products of each dictionary and its activations.

    Parameters
    ----------
    n_components : int, default=100
        Number of components of each of the two sources.
    sparsity : float, default=1.0
        Weight lambda of the sum of the activations, in the units of magnitudes at the reference
        level, which is about that of speech at -26 dBFS in as much noise.
    inference : {"auto", "cd", "mu", "ista", "warm_ista"}, default="auto"
        Algorithm that infers activations: coordinate descent, multiplicative updates, iterative
        soft-thresholding, or iterative soft-thresholding that starts each frame from the result of
        the frame before. ``"auto"`` takes coordinate descent for beta = 2, else multiplicative
        updates. With ``"mu"`` the dictionaries are learned by multiplicative updates too.
    n_iter : int, default=200
        Iterations for each frame. Coordinate descent stops earlier, once no activation is further
        from its best value than 5e-3 times the largest one of the frame.
    step_size : "auto" or float, default="auto"
        Step of the soft-thresholding, the inverse of the paper's alpha. ``"auto"`` takes the
        inverse of the largest eigenvalue of the Gram matrix of the components, the largest step
        with which no iteration raises the objective.
    beta_loss : {"frobenius", "kullback-leibler", "itakura-saito"} or float, default="frobenius"
        The beta divergence; soft-thresholding needs "frobenius".
    max_iter : int, default=200
        Iterations of learning each dictionary.
    tol : float, default=1e-4
        Tolerance of learning, see `SparseNMF`.
    max_frames : int or None, default=20000
        Largest number of frames that each dictionary is learned from, drawn at random; None takes
        all.
    level_frames : int, default=250
        Number of frames over which a running level is measured. Each frame is divided by it before
        inference, so that results do not depend on the level of a recording. 250 are two seconds at
        the default hop. Dictionaries are learned from recordings that are each brought to the
        reference level. With 0 all frames are multiplied by one factor, which brings the training
        set to that level.
    random_state : int, RandomState instance or None, default=None
        Seed of the first components and of the drawn frames.
    verbose : int, default=0
        Whether to show progress bars.

    Attributes
    ----------
    target_components_, interference_components_ : ndarray of shape (n_components, n_freqs)
        Non-negative, rows of unit l2-norm.
    n_iter_ : int
        Number of iterations of learning, the larger of the two dictionaries.
    step_size_ : float
        Step of the soft-thresholding.
    {basic_attributes}

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
        n_components: int = 100,
        *,
        sparsity: float = 1.0,
        inference: str = "auto",
        n_iter: int = 200,
        step_size: float | str = "auto",
        beta_loss: float | str = "frobenius",
        max_iter: int = 200,
        tol: float = 1e-4,
        max_frames: int | None = 20_000,
        level_frames: int = LEVEL_FRAMES,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
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
    def fit(self, X: Any, y: Any) -> SupervisedNMFSeparator:
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
        task = FitTask(self._init_callback_context(), self, X, y)
        checked = self._check_parameters()
        sequences = check_sequences(self, X, reset=True)
        targets = check_targets(y, sequences)
        sequences = measured(sequences, targets)
        return self._learn(sequences, targets, checked, task)

    @with_callbacks
    def fit_checked(self, sequences: Sequences, targets: Sequences) -> SupervisedNMFSeparator:
        """Do what ``fit`` does with data that another estimator has checked.

        Parameters
        ----------
        sequences, targets : Sequences

        Returns
        -------
        self : SupervisedNMFSeparator
        """
        context = self._init_callback_context()
        task = FitTask(context, self, sequences.as_input(), targets.as_input())
        checked = self._check_parameters()
        sequences = check_sequences(self, sequences, reset=True)
        return self._learn(sequences, targets, checked, task)

    def _learn(self, sequences, targets, checked, task):
        rng = check_random_state(self.random_state)
        training = training_level(sequences)
        frames = frames_of(
            targets, checked["max_frames"], rng, training.scaling(bool(self.level_frames))
        )
        nmf = self._dictionary(rng).fit(frames)
        # Their memory is free before the frames of the mixtures take as much.
        del frames
        n_iter = self._fit_interference(sequences, nmf.components_, checked, rng, training)
        self.n_iter_ = max(nmf.n_iter_, n_iter)
        task.end(dict)
        return self

    @once_per_call()
    @default_settings()
    @fits_all_or_nothing
    def fit_interference(self, X: Any, target_components: ArrayLike) -> SupervisedNMFSeparator:
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
        training = training_level(sequences)
        self.n_iter_ = self._fit_interference(sequences, target_components, checked, rng, training)
        return self

    def _fit_interference(self, sequences, target, checked, rng, training):
        frames = frames_of(
            sequences, checked["max_frames"], rng, training.scaling(bool(self.level_frames))
        )
        nmf = self._dictionary(rng, fixed_components=target).fit(frames)
        components = nmf.components_
        self.target_components_ = components[: len(target)]
        self.interference_components_ = components[len(target) :]
        self.stft_settings_ = sequences.settings
        self.input_scale_, self.level_frames_ = training.scale, int(self.level_frames)
        self.step_size_ = resolve_step_size(checked["step_size"], components)
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
    def components_(self) -> np.ndarray:
        """Both dictionaries, (2 * n_components, n_freqs), the target's first."""
        return np.vstack([self.target_components_, self.interference_components_])

    def _check_parameters(self):
        return check_nmf_parameters(self)

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
