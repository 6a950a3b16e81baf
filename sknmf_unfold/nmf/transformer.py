"""``transform`` and ``inverse_transform`` of `SparseNMF`."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.base.global_settings import default_settings
from sknmf_unfold.base.set_output import RecordingsTransformerMixin
from sknmf_unfold.base.versions import VersionedEstimator
from sknmf_unfold.validation.dask_arrays import is_dask_array
from sknmf_unfold.validation.fitted import Invariant, refuse
from sknmf_unfold.validation.recordings import as_list, check_list
from sknmf_unfold.validation.sequences import is_nested_table
from sknmf_unfold.validation.sparse_tables import check_frames
from sknmf_unfold.validation.tables import check_activations, check_array_like

from .problem import Problem, Stopping
from .settings import check_settings, choose_solver
from .silencing import Silencing

# Of fitted attributes.
FITTED_INVARIANTS = (
    Invariant("n_features_in_", whole=True, low=1, axis="freqs"),
    Invariant("components_", "components freqs", low=0.0),
    Invariant("reconstruction_err_", low=0.0),
    Invariant("n_iter_", whole=True, low=0),
    Invariant("n_frames_seen_", whole=True, low=0),
)
# Of the statistics of batches, for beta = 2 and for other divergences.
PRODUCT_INVARIANTS = (
    Invariant("_statistics['products']", "components freqs", low=0.0),
    Invariant("_statistics['gram']", "components components", low=0.0),
)
GRADIENT_INVARIANTS = (
    Invariant("_statistics['negative']", "components freqs", low=0.0),
    Invariant("_statistics['positive']", "components freqs", low=0.0),
)
COUNT_INVARIANT = Invariant("_statistics['n_frames']", whole=True, low=0)


class NMFTransformer(RecordingsTransformerMixin, VersionedEstimator):
    """Base of `SparseNMF`: the methods that need components and do not change them."""

    _fitted_mark = "components_"

    @default_settings()
    def transform(self, X: ArrayLike) -> Any:
        """Infer the activations of the fitted components.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array} of shape (n_frames, n_freqs), list of arrays, \
                or Spectrograms
            Magnitudes.

        Returns
        -------
        activations : ndarray of shape (n_frames, n_components), list of such, or Dask array
            One array for an array, a list for a list; DataFrames if ``set_output`` says so. For a
            Dask array a lazy one with the same rows in each chunk: values are checked when they are
            computed, and nothing warns of a sparsity weight that sets all activations to 0.
        """
        check_is_fitted(self)
        if is_dask_array(X):
            from .dask_transform import transform_dask

            return transform_dask(self, X)
        checked = check_settings(self)
        solver, device = choose_solver(self, checked, fall_back=True, sparse=issparse(X))
        problem = Problem(checked.beta, checked.sparsity, device=device)
        stopping = Stopping(checked.max_iter, checked.transform_tol)
        sequences = check_frames(self, X, reset=False)
        W, silencing = self._components(sequences.dtype), Silencing(checked.sparsity)
        table = sequences.kind == "table"
        parts: Any = [sequences.frames()] if table else sequences
        activations = []
        for x in parts:
            activations.append(solver.infer(x, W, problem, stopping))
            silencing.add(x, activations[-1])
        silencing.warn()
        return self._in_container(activations[0] if table else activations, X)

    @default_settings()
    def inverse_transform(self, X: ArrayLike) -> Any:
        """Compute magnitudes from activations: ``X @ components_``.

        Parameters
        ----------
        X : ndarray or Dask array of shape (n_frames, n_components), or list of ndarray
            Activations.

        Returns
        -------
        magnitudes : ndarray or Dask array of shape (n_frames, n_freqs), or list of ndarray
            Lazy for a Dask array.
        """
        check_is_fitted(self)
        if is_dask_array(X):
            from .dask_transform import inverse_transform_dask

            return inverse_transform_dask(self, X)
        X = as_list(X)
        if not isinstance(X, (list, tuple)) or is_nested_table(X):
            check_array_like(X, "X", "activation arrays")
            return self._synthesize(X, "X")
        check_list(X, "X", "activation arrays")
        return [self._synthesize(x, f"X[{i}]") for i, x in enumerate(X)]

    def _synthesize(self, activations, label):
        activations = check_activations(activations, label, len(self.components_))
        return activations @ self._components(activations.dtype)

    def _components(self, dtype):
        return self.components_.astype(dtype, copy=False)

    @property
    def n_components_(self) -> int:
        """Number of components, the fixed ones too."""
        return len(self.components_)

    @property
    def _n_features_out(self):
        return len(self.components_)

    def _invariants(self):
        statistics = vars(self).get("_statistics")
        n_iter = vars(self).get("n_iter_")
        n_values = (n_iter if isinstance(n_iter, Integral) else 0) + (statistics is None)
        fitted = (*FITTED_INVARIANTS, Invariant("objective_curve_", str(n_values)))
        if statistics is None:
            return fitted
        if not isinstance(statistics, dict):
            refuse(
                type(self).__name__, "_statistics", "be a dict or None", type(statistics).__name__
            )
        has_products = "products" in statistics or "gram" in statistics
        rows = PRODUCT_INVARIANTS if has_products else GRADIENT_INVARIANTS
        return (*fitted, COUNT_INVARIANT, *rows)

    def _fitted_items(self):
        statistics = vars(self).get("_statistics") or {}
        return vars(self) | {f"_statistics[{name!r}]": x for name, x in statistics.items()}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
