"""`SparseNMF`: sparse non-negative matrix factorisation with unit-norm components."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold._callbacks import CallbackSupportMixin, FitTask, with_callbacks
from sknmf_unfold._checks import check_choice, check_number, check_random_state, check_verbose
from sknmf_unfold._containers import RecordingsTransformerMixin
from sknmf_unfold._data_checks import check_components
from sknmf_unfold._persistence import VersionedEstimator
from sknmf_unfold._progress import progress_bar
from sknmf_unfold._sequences import check_sequences

from . import alternating
from .coordinate import solve_activations
from .divergence import beta_divergence, check_beta
from .inference import infer_activations
from .multiplicative import FLOOR, factorize, initial_activations, unit_rows

SOLVERS = ("mu", "cd")


class SparseNMF(CallbackSupportMixin, RecordingsTransformerMixin, VersionedEstimator):
    r"""Sparse NMF "well done": l1-penalised activations, unit-norm components.

    Minimises :math:`D_\beta(X \mid H W) + \lambda \sum_{tn} H_{tn}` over :math:`H \ge 0` and
    :math:`W \ge 0` with :math:`\|W_n\|_2 = 1`, by multiplicative updates that contain the norm
    constraint. :math:`D_2(X \mid Y) = \frac{1}{2} \|X - Y\|^2`.

    Parameters
    ----------
    n_components : int, default=100
        Number of components to learn.
    beta_loss : {"frobenius", "kullback-leibler", "itakura-saito"} or float, default="frobenius"
        The beta divergence: 2, 1, 0, or any real number.
    sparsity : float, default=1.0
        The weight lambda of the sum of the activations, in the units of X (for beta = 2: a frame
        whose correlation with every component is below `sparsity` gets no activation at all).
    solver : {"mu", "cd"}, default="mu"
        ``"mu"``: multiplicative updates, for every `beta_loss`. ``"cd"``: coordinate descent, for
        beta = 2 only, much faster; it finds the components on growing parts of the frames before it
        works on all, and its ``transform`` is optimal to within 1e-3 of each frame's largest
        activation.
    max_iter : int, default=200
        Number of iterations in ``fit`` (for ``"cd"`` on each part of the frames), and of updates or
        sweeps of the activations in ``transform``.
    tol : float, default=1e-4
        ``fit`` stops once 10 iterations lowered the objective by less than `tol` times its first
        value; 0 runs all iterations. ``transform`` does not look at it: a frame's activations do
        not depend on its neighbours.
    init : "random" or array-like of shape (n_components, n_freqs), default="random"
        The components to start from.
    fixed_components : array-like of shape (n_fixed, n_freqs), optional
        Components that stay as they are (scaled to unit norm) while `n_components` others are
        learned beside them.
    max_frames : int, optional
        Learn from at most this many frames, drawn at random from all of X.
    random_state : int, RandomState instance or None, default=None
        Draws the starting point and the frames.
    verbose : int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    components_ : ndarray of shape (n_fixed + n_components, n_freqs)
        Non-negative, rows of unit l2-norm, the fixed ones first.
    n_iter_ : int
        Number of iterations run.
    reconstruction_err_ : float
        ``sqrt(2 D_beta)`` between X and its approximation, for beta = 2 the Frobenius norm of the
        difference.
    objective_curve_ : ndarray of shape (n_iter_ + 1,)
        The objective before and after each iteration (for ``"cd"`` those on all frames); it never
        rises by more than rounding.
    n_features_in_ : int
        Number of bins.

    See Also
    --------
    SupervisedNMFSeparator : Separates with one dictionary for the target and one for the rest.

    References
    ----------
    .. [1] Le Roux, Weninger, Hershey, "Sparse NMF - half-baked or well done?", MERL technical
       report TR2015-023, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sknmf_unfold import SparseNMF
    >>> X = np.random.default_rng(0).random((50, 8))
    >>> nmf = SparseNMF(n_components=3, sparsity=0.1, random_state=0).fit(X)
    >>> nmf.components_.shape, nmf.transform(X).shape
    ((3, 8), (50, 3))
    >>> np.linalg.norm(nmf.components_, axis=1)
    array([1., 1., 1.])
    """

    def __init__(
        self,
        n_components=100,
        *,
        beta_loss="frobenius",
        sparsity=1.0,
        solver="mu",
        max_iter=200,
        tol=1e-4,
        init="random",
        fixed_components=None,
        max_frames=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.beta_loss = beta_loss
        self.sparsity = sparsity
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.fixed_components = fixed_components
        self.max_frames = max_frames
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, Y=None):
        """Learn the components.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_freqs), list of such, or Spectrograms
            Magnitudes.
        Y : ignored

        Returns
        -------
        self : SparseNMF

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        beta = self._check_parameters()
        context = self._init_callback_context(max_subtasks=self.max_iter)
        task = FitTask(context, self, X, Y)
        rng = check_random_state(self.random_state)
        frames = check_sequences(self, X, reset=True).frames(self.max_frames, rng)
        W, H, n_fixed = self._initialize(frames, rng)
        with progress_bar(self.max_iter, self.verbose, "SparseNMF") as bar:

            def report(value, components):
                bar.set_postfix_str(f"objective {value:.4g}", refresh=False)
                bar.update()
                return task.part("iteration").end(lambda: {"components_": components})

            settings = {
                "sparsity": self.sparsity,
                "n_fixed": n_fixed,
                "max_iter": self.max_iter,
                "tol": self.tol,
                "callback": report,
            }
            if self.solver == "cd":
                W, H, curve = alternating.factorize(frames, W, rng=rng, **settings)
            else:
                W, H, curve = factorize(frames, W, H, beta=beta, **settings)
        self._store(frames, W, H, curve, beta)
        task.end(dict)
        return self

    def transform(self, X):
        """Infer the activations of the fitted components.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_freqs), list of such, or Spectrograms
            Magnitudes.

        Returns
        -------
        activations : ndarray of shape (n_frames, n_components), or list of such
            One array for an array, a list for a list; DataFrames if ``set_output`` says so.
        """
        check_is_fitted(self)
        beta = self._check_parameters()
        sequences = check_sequences(self, X, reset=False)
        W = self.components_.astype(sequences.dtype, copy=False)

        def infer(x):
            if self.solver == "cd":
                return solve_activations(x, W, sparsity=self.sparsity, max_iter=self.max_iter)
            settings = {"beta": beta, "sparsity": self.sparsity, "n_iter": self.max_iter}
            return infer_activations(x, W, **settings)

        table = sequences.kind == "table"
        activations = infer(sequences.frames()) if table else [infer(x) for x in sequences]
        return self._in_container(activations, X)

    def inverse_transform(self, X):
        """Turn activations into magnitudes: ``X @ components_``.

        Parameters
        ----------
        X : ndarray of shape (n_frames, n_components), or list of such
            Activations.

        Returns
        -------
        magnitudes : ndarray of shape (n_frames, n_freqs), or list of such
        """
        check_is_fitted(self)
        if isinstance(X, (list, tuple)):
            return [self._synthesize(x) for x in X]
        return self._synthesize(X)

    def _synthesize(self, activations):
        activations = check_array(activations, dtype=[np.float64, np.float32])
        if activations.shape[1] != len(self.components_):
            raise ValueError(
                f"X has {activations.shape[1]} columns but there are {len(self.components_)} "
                f"components."
            )
        return activations @ self.components_.astype(activations.dtype, copy=False)

    def _check_parameters(self):
        check_number("n_components", self.n_components, low=1, integer=True)
        check_number("sparsity", self.sparsity, low=0)
        check_number("max_iter", self.max_iter, low=1, integer=True)
        check_number("tol", self.tol, low=0)
        check_verbose(self.verbose)
        if self.max_frames is not None:
            check_number("max_frames", self.max_frames, low=1, integer=True)
        check_choice("solver", self.solver, SOLVERS)
        beta = check_beta(self.beta_loss)
        if self.solver == "cd" and beta != 2:
            raise ValueError(
                f"`solver`='cd' minimises beta_loss='frobenius' only; got "
                f"beta_loss={self.beta_loss!r}. Use solver='mu'."
            )
        return beta

    def _initialize(self, frames, rng):
        n_freqs, dtype = frames.shape[1], frames.dtype
        if isinstance(self.init, str):
            if self.init != "random":
                raise ValueError(
                    f"`init` must be 'random' or an array of shape (n_components, n_freqs); "
                    f"got {self.init!r}."
                )
            # Bounded away from 0: an entry that starts (almost) there can never grow again.
            W = rng.uniform(0.1, 1.0, size=(self.n_components, n_freqs))
        else:
            W = check_components("init", self.init, n_freqs)
            if len(W) != self.n_components:
                raise ValueError(
                    f"`init` has {len(W)} rows but n_components={self.n_components} are wanted."
                )
        fixed = np.empty((0, n_freqs))
        if self.fixed_components is not None:
            fixed = check_components("fixed_components", self.fixed_components, n_freqs)
        W = unit_rows(np.vstack([fixed, W])).astype(dtype)
        H = initial_activations(frames, W)
        H *= rng.uniform(0.5, 1.5, size=H.shape).astype(dtype)
        return W, H, len(fixed)

    def _store(self, frames, W, H, curve, beta):
        background = 0 if beta == 2 else FLOOR
        target = np.maximum(frames, FLOOR if beta <= 0 else 0)
        divergence = beta_divergence(target, H @ W + frames.dtype.type(background), beta)
        self.reconstruction_err_ = float(np.sqrt(2 * max(divergence, 0.0)))
        self.objective_curve_ = curve
        self.n_iter_ = len(curve) - 1
        self.components_ = W

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
