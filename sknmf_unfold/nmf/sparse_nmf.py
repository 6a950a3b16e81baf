"""`SparseNMF`: sparse non-negative matrix factorisation with unit-norm components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse

from sknmf_unfold.base.all_or_nothing import fits_all_or_nothing
from sknmf_unfold.base.callbacks import CallbackSupportMixin, FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.progress import end_early, progress_bar
from sknmf_unfold.validation.dask_arrays import is_dask_array
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.tables import check_components

from .checked_frames import check_and_stack, check_batched, seen
from .divergence import check_range
from .file_frames import FileFrames
from .initial import initial_components
from .learning import Learned, learn, learn_more
from .matrices import unit_rows
from .problem import Problem, Stopping
from .reports import reporter
from .settings import check_settings, choose_solver, count_learned, n_fixed_of
from .silencing import is_blank, silencing_of
from .transformer import NMFTransformer

if TYPE_CHECKING:
    from .dask_frames import DaskFrames


class SparseNMF(CallbackSupportMixin, NMFTransformer):
    r"""Sparse NMF "well done": l1-penalised activations, unit-norm components.

    Minimises :math:`D_\beta(X \mid H W) + \lambda \sum_{tn} H_{tn}` over :math:`H \ge 0` and
    :math:`W \ge 0` with :math:`\|W_n\|_2 = 1`; each update of the components contains the norm
    constraint. :math:`D_2(X \mid Y) = \frac{1}{2} \|X - Y\|^2`.

    Parameters
    ----------
    n_components : int, "auto" or None, default=100
        Number of components to learn. None stands for the number of bins; ``"auto"`` for the number
        of rows of `init` if that is an array, else for the number of bins.
    beta_loss : {"frobenius", "kullback-leibler", "itakura-saito"} or float, default="frobenius"
        The beta divergence: 2, 1, 0, or any real number.
    sparsity : float, default=1.0
        The weight lambda of the sum of the activations, in the units of X (for beta = 2: a frame
        whose correlation with every component is below `sparsity` gets no activation at all). The
        default suits spectrograms of recordings in [-1, 1]; for rows of unit norm try 0.1. Where it
        leaves (nearly) no activation, a warning suggests a value.
    solver : {"auto", "cd", "mu"}, default="auto"
        ``"mu"``: multiplicative updates, for every `beta_loss`. ``"cd"``: coordinate descent, for
        beta = 2 only, many times faster; its first iterations are on a part of the frames.
        ``"auto"``: ``"cd"`` where beta = 2 (and `device` is the CPU), else ``"mu"``.
    batch_size : "auto", int or None, default="auto"
        Number of frames of a batch. Batches are redrawn in each pass over the frames, and only
        statistics of a fixed size are kept of earlier ones. None uses all frames in each
        iteration. ``"auto"`` does so unless their activations take more than 12 MiB, then it takes
        batches of 4096 frames. Frames of files (`datasets.AudioFiles`) that take more than 64 MiB
        are always learned from in batches; the files are read in a new random order in each pass.
    max_iter : int, default=200
        Number of iterations in ``fit`` (for ``"cd"`` on a part of the frames and on all; passes
        over all frames if there are batches), and of updates or sweeps of the activations in
        ``transform``.
    tol : float, default=1e-4
        ``fit`` stops once 10 iterations lowered the objective by less than `tol` times its first
        value, or a pass by less than 10 `tol` times that of the first; 0 runs all iterations.
        ``transform`` does not use it.
    transform_tol : float, default=5e-3
        ``transform`` by coordinate descent stops for each frame once no activation is further from
        the best value for its component, given the others, than `transform_tol` times the frame's
        largest activation. Multiplicative updates do not stop early.
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "exemplar"} or array-like of shape \
            (n_components, n_freqs), default="random"
        Initial components: random ones; those of scikit-learn's non-negative double singular value
        decomposition (at most min(n_frames, n_freqs) components), with its zeros filled with the
        mean of X (``"nndsvda"``) or small random values (``"nndsvdar"``; ``"nndsvd"`` adds these to
        ``"nndsvda"``); frames drawn from X with probabilities in proportion to their largest
        magnitude; or given ones. Of recordings in files that do not fit into memory, the
        decomposition and the drawn frames are those of 5000 random frames (more for more than 1250
        components).
    fixed_components : array-like of shape (n_fixed, n_freqs), optional
        Components that stay as they are (scaled to unit norm) while `n_components` others are
        learned beside them.
    max_frames : int, optional
        Learn from at most this many frames, drawn at random from all of X.
    device : str, default="cpu"
        ``"cpu"``, ``"cuda"`` or another torch device, or ``"auto"`` (a GPU where there is one that
        can run the solver). Another device than the CPU runs multiplicative updates of all frames
        at once, without batches, of dense X; an H200 was 5 to 8 times as fast as 16 CPU cores
        (``python -m benchmarks.nmf_gpu``).
    random_state : int, RandomState instance or None, default=None
        Draws the initial components and activations, and frames.
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
    objective_curve_ : ndarray of shape (n_iter_ + 1,) or (n_iter_,)
        The objective before and after each iteration (for ``"cd"`` those on all frames); it never
        rises by more than rounding. With batches it is summed over those of each pass, or of each
        call of ``partial_fit``; that of a batch is computed before the components are updated.
    n_components_ : int
        Number of components, ``n_fixed + n_components``.
    n_frames_seen_ : int
        Number of frames learned from, with repetitions.
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
        n_components: int | str | None = 100,
        *,
        beta_loss: str | float = "frobenius",
        sparsity: float = 1.0,
        solver: str = "auto",
        batch_size: int | str | None = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        transform_tol: float = 5e-3,
        init: str | ArrayLike = "random",
        fixed_components: ArrayLike | None = None,
        max_frames: int | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.beta_loss = beta_loss
        self.sparsity = sparsity
        self.solver = solver
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.transform_tol = transform_tol
        self.init = init
        self.fixed_components = fixed_components
        self.max_frames = max_frames
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @default_settings()
    @fits_all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> SparseNMF:
        """Learn the components.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array} of shape (n_frames, n_freqs), list of arrays, \
                or Spectrograms
            Magnitudes. No dense copy is made of a sparse matrix or array of scipy, for which
            `beta_loss` is ``"frobenius"`` or ``"kullback-leibler"``. Of a Dask array, with chunks
            of whole rows, sums are gathered; all frames are used in each iteration, and the
            activations stay with the chunks.
        y : ignored

        Returns
        -------
        self : SparseNMF

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        if is_dask_array(X):
            from .dask_fit import fit_dask

            fit_dask(self, X, y)
            return self
        checked = check_settings(self)
        in_batches = checked.batch_size not in ("auto", None)
        solver, device = choose_solver(self, checked, in_batches=in_batches, sparse=issparse(X))
        context = self._init_callback_context(max_subtasks=checked.max_iter)
        task = FitTask(context, self, X, y)
        rng = check_random_state(self.random_state)
        frames = check_and_stack(self, X, checked.max_frames, rng, reset=True)
        check_batched(self, frames)
        if isinstance(frames, FileFrames):
            solver, device = choose_solver(self, checked, in_batches=True)
        W, n_fixed = self._initialize(frames, rng)
        problem = Problem(checked.beta, checked.sparsity, n_fixed, device)
        with progress_bar(checked.max_iter, self.verbose, "SparseNMF") as bar:
            stopping = Stopping(checked.max_iter, checked.tol, reporter(bar, task))
            size = checked.batch_size
            learned = learn(frames, W, solver, problem, batch_size=size, rng=rng, stopping=stopping)
            end_early(bar, "converged")
        self._keep(frames, problem, learned)
        silencing_of(seen(frames), learned.W, problem.sparsity, problem.beta).warn(pause_too=True)
        task.end(dict)
        return self

    @default_settings()
    @fits_all_or_nothing
    def partial_fit(self, X: ArrayLike, y: object = None) -> SparseNMF:
        """Learn from further frames, of which only statistics are kept.

        For recordings that do not fit into memory. Call it for some recordings at a time, in random
        order, with thousands of frames; one pass or a few over all recordings suffice.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array} of shape (n_frames, n_freqs), list of arrays, \
                or Spectrograms
            Magnitudes, learned from in batches of `batch_size` (4096 if that is not a number). Of a
            Dask array one chunk after the other is gathered and learned from.
        y : ignored

        Returns
        -------
        self : SparseNMF

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        if is_dask_array(X):
            from .dask_fit import partial_fit_dask

            partial_fit_dask(self, X)
            return self
        checked, is_first = check_settings(self), not hasattr(self, "components_")
        solver, _ = choose_solver(self, checked, in_batches=True, sparse=issparse(X))
        rng = check_random_state(self.random_state)
        frames = check_and_stack(self, X, checked.max_frames, rng, reset=is_first)
        settings: dict[str, Any] = {"batch_size": checked.batch_size, "rng": rng}
        if is_first:
            W, n_fixed = self._initialize(frames, rng)
        else:
            W, n_fixed = self._components(frames.dtype), n_fixed_of(self)
            settings |= {"statistics": self._statistics, "curve": self.objective_curve_}
        warns = is_first or is_blank(self._statistics)
        problem = Problem(checked.beta, checked.sparsity, n_fixed)
        learned = learn_more(frames, W, solver, problem, **settings)
        self._keep(frames, problem, learned)
        if warns:
            silencing_of(seen(frames), learned.W, problem.sparsity, problem.beta).warn()
        return self

    def _initialize(self, frames, rng):
        n_components = count_learned(self, frames.shape[1])
        if isinstance(frames, FileFrames) and isinstance(self.init, str) and self.init != "random":
            frames = frames.sample(rng, n_components)
        W = initial_components(self.init, frames, n_components, rng)
        if self.fixed_components is None:
            return W, 0
        fixed = check_components("fixed_components", self.fixed_components, frames.shape[1])
        return np.vstack([unit_rows(fixed).astype(W.dtype), W]), len(fixed)

    def _keep(
        self,
        frames: np.ndarray | csr_array | FileFrames | DaskFrames,
        problem: Problem,
        learned: Learned,
    ) -> None:
        check_range(seen(frames), problem.beta, learned.curve, learned.W)
        self.components_, self.objective_curve_ = learned.W, learned.curve
        self.reconstruction_err_ = float(np.sqrt(2 * max(learned.divergence, 0.0)))
        self._statistics = learned.statistics
        if learned.statistics is None:
            self.n_iter_ = len(learned.curve) - 1
            self.n_frames_seen_ = self.n_iter_ * frames.shape[0]
        else:
            self.n_iter_ = len(learned.curve)
            self.n_frames_seen_ = learned.statistics["n_frames"]
