"""`SparseNMF`: sparse non-negative matrix factorisation with unit-norm components."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.base.all_or_nothing import fits_all_or_nothing
from sknmf_unfold.base.callbacks import CallbackSupportMixin, FitTask, with_callbacks
from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.progress import end_early, progress_bar
from sknmf_unfold.base.set_output import RecordingsTransformerMixin
from sknmf_unfold.base.versions import VersionedEstimator
from sknmf_unfold.validation.options import check_random_state
from sknmf_unfold.validation.recordings import as_list, check_list
from sknmf_unfold.validation.sequences import check_sequences, is_nested_table
from sknmf_unfold.validation.tables import check_activations, check_array_like, check_components

from . import mu_torch
from .cd_inference import solve_activations
from .initial import initial_components
from .learning import learn, learn_more
from .mu_inference import check_range, infer_activations
from .mu_updates import unit_rows
from .settings import check_settings, invariants, n_fixed_of, solver_of, torch_device
from .silencing import Silencing, is_blank, silencing_of


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
        whose correlation with every component is below `sparsity` gets no activation at all). The
        default suits spectrograms of recordings in [-1, 1]; for rows of unit norm try 0.1. Where it
        leaves (nearly) no activation, a warning suggests a value.
    solver : {"auto", "mu", "cd"}, default="auto"
        ``"mu"``: multiplicative updates, for every `beta_loss`. ``"cd"``: coordinate descent, for
        beta = 2 only, many times faster; it finds the components on a part of the frames before
        it works on all. ``"auto"``: ``"cd"`` where beta = 2, else ``"mu"``. Batches are learned
        from by coordinate descent where beta = 2, whatever the solver.
    batch_size : "auto", int or None, default="auto"
        Learn from this many frames at a time, drawn anew in each pass over them, and keep of the
        others no more than statistics of a fixed size. None looks at all frames in each iteration;
        ``"auto"`` does so unless their activations take more than 12 MiB, and has batches of 4096
        frames then.
    max_iter : int, default=200
        Number of iterations in ``fit`` (for ``"cd"`` on a part of the frames and on all; passes
        over all frames if there are batches), and of updates or sweeps of the activations in
        ``transform``.
    tol : float, default=1e-4
        ``fit`` stops once 10 iterations lowered the objective by less than `tol` times its first
        value, or a pass by less than 10 `tol` times that of the first; 0 runs all iterations.
        ``transform`` does not look at it.
    transform_tol : float, default=5e-3
        ``transform`` by coordinate descent stops for a frame, whatever the others do, once no
        activation is further from the best value for its component, given the others, than
        `transform_tol` times the frame's largest activation. Multiplicative updates do not stop.
    init : {"random", "nndsvd", "exemplar"} or array-like of shape (n_components, n_freqs), \
            default="random"
        The components to start from: random ones, those of scikit-learn's non-negative double
        singular value decomposition (at most min(n_frames, n_freqs) components), frames drawn from
        X (loud ones more often), or given ones.
    fixed_components : array-like of shape (n_fixed, n_freqs), optional
        Components that stay as they are (scaled to unit norm) while `n_components` others are
        learned beside them.
    max_frames : int, optional
        Learn from at most this many frames, drawn at random from all of X.
    device : str, default="cpu"
        Where multiplicative updates of all frames at once are computed: ``"cpu"``, ``"cuda"`` or
        another torch device, or ``"auto"`` (a GPU where there is one). ``"cd"`` and batches are for
        the CPU; on another device ``solver="auto"`` is ``"mu"``.
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
    objective_curve_ : ndarray of shape (n_iter_ + 1,) or (n_iter_,)
        The objective before and after each iteration (for ``"cd"`` those on all frames); it never
        rises by more than rounding. With batches: summed over those of each pass, or for
        ``partial_fit`` of each call, before the components learned from them.
    n_frames_seen_ : int
        Frames that components were learned from, those seen again counted again.
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

    _fitted_mark = "components_"

    def __init__(
        self,
        n_components=100,
        *,
        beta_loss="frobenius",
        sparsity=1.0,
        solver="auto",
        batch_size="auto",
        max_iter=200,
        tol=1e-4,
        transform_tol=5e-3,
        init="random",
        fixed_components=None,
        max_frames=None,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
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
    def fit(self, X, y=None):
        """Learn the components.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_freqs), list of such, or Spectrograms
            Magnitudes.
        y : ignored

        Returns
        -------
        self : SparseNMF

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        checked, device = check_settings(self), torch_device(self)
        context = self._init_callback_context(max_subtasks=checked.max_iter)
        task = FitTask(context, self, X, y)
        rng = check_random_state(self.random_state)
        frames = check_sequences(self, X, reset=True).frames(checked.max_frames, rng)
        W, n_fixed = self._initialize(frames, checked.n_components, rng)
        settings = {"sparsity": checked.sparsity, "n_fixed": n_fixed}
        with progress_bar(checked.max_iter, self.verbose, "SparseNMF") as bar:

            def report(value, components):
                bar.set_postfix_str(f"objective {value:.4g}", refresh=False)
                bar.update()
                stop = task.part("iteration").end(lambda: {"components_": components})
                if stop:
                    end_early(bar, "stopped by a callback")
                return stop

            settings |= {"max_iter": checked.max_iter, "tol": checked.tol, "callback": report}
            settings |= {"beta": checked.beta, "batch_size": checked.batch_size}
            solver = solver_of(self, checked.beta, device)
            learned = learn(frames, W, solver=solver, rng=rng, device=device, **settings)
            end_early(bar, "converged")
        self._keep(frames, checked.beta, learned)
        if checked.beta == 2:
            silencing_of(frames, learned.W, checked.sparsity).warn(pause_too=True)
        task.end(dict)
        return self

    @default_settings()
    @fits_all_or_nothing
    def partial_fit(self, X, y=None):
        """Learn from some more frames, and keep of them no more than statistics.

        So the components of recordings that do not fit into memory are learned, in one pass or a
        few: call it for some recordings at a time, in random order, with thousands of frames.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_freqs), list of such, or Spectrograms
            Magnitudes. They are worked on in batches of `batch_size` (4096 if that is no number).
        y : ignored

        Returns
        -------
        self : SparseNMF

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not as described.
        """
        checked = check_settings(self)
        goes_on = hasattr(self, "components_")
        rng = check_random_state(self.random_state)
        frames = check_sequences(self, X, reset=not goes_on).frames(checked.max_frames, rng)
        settings = {name: getattr(checked, name) for name in ("batch_size", "sparsity", "beta")}
        if goes_on:
            W, n_fixed = self._components(frames.dtype), n_fixed_of(self)
            settings |= {"statistics": self._statistics, "curve": self.objective_curve_}
        else:
            W, n_fixed = self._initialize(frames, checked.n_components, rng)
        first = not goes_on or is_blank(self._statistics)
        learned = learn_more(frames, W, n_fixed=n_fixed, rng=rng, **settings)
        self._keep(frames, checked.beta, learned)
        if checked.beta == 2 and first:
            silencing_of(frames, learned.W, checked.sparsity).warn()
        return self

    @default_settings()
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
        checked, device = check_settings(self), torch_device(self, fall_back=True)
        sequences = check_sequences(self, X, reset=False)
        W = self._components(sequences.dtype)
        settings, silencing = {"sparsity": checked.sparsity}, Silencing(checked.sparsity)

        def infer(x):
            if solver_of(self, checked.beta, device) == "cd":
                stop = {"tol": checked.transform_tol, "max_iter": checked.max_iter}
                return solve_activations(x, W, **stop, **settings)
            updates = {"beta": checked.beta, "n_iter": checked.max_iter}
            if device is not None:
                return mu_torch.infer_activations(x, W, device=device, **updates, **settings)
            return infer_activations(x, W, **updates, **settings)

        table = sequences.kind == "table"
        parts = [sequences.frames()] if table else sequences
        activations = []
        for x in parts:
            activations.append(infer(x))
            silencing.add(x, activations[-1])
        silencing.warn()
        return self._in_container(activations[0] if table else activations, X)

    @default_settings()
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
        X = as_list(X)
        if not isinstance(X, (list, tuple)) or is_nested_table(X):
            check_array_like(X, "X", "activation arrays")
            return self._synthesize(X, "X")
        check_list(X, "X", "activation arrays")
        return [self._synthesize(x, f"X[{i}]") for i, x in enumerate(X)]

    def _synthesize(self, activations, label):
        activations = check_activations(activations, label, len(self.components_))
        return activations @ self._components(activations.dtype)

    def _initialize(self, frames, n_components, rng):
        W = initial_components(self.init, frames, n_components, rng)
        if self.fixed_components is None:
            return W, 0
        fixed = check_components("fixed_components", self.fixed_components, frames.shape[1])
        return np.vstack([unit_rows(fixed).astype(W.dtype), W]), len(fixed)

    def _keep(self, frames, beta, learned):
        check_range(frames, beta, learned.curve, learned.W)
        self.components_, self.objective_curve_ = learned.W, learned.curve
        self.reconstruction_err_ = float(np.sqrt(2 * max(learned.divergence, 0.0)))
        self._statistics, is_whole = learned.statistics, learned.statistics is None
        self.n_iter_ = len(learned.curve) - is_whole
        self.n_frames_seen_ = (
            self.n_iter_ * len(frames) if is_whole else learned.statistics["n_frames"]
        )

    def _invariants(self):
        return invariants(self)

    def _fitted_items(self):
        statistics = vars(self).get("_statistics") or {}
        return vars(self) | {f"_statistics[{name!r}]": x for name, x in statistics.items()}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def _components(self, dtype):
        return self.components_.astype(dtype, copy=False)

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
