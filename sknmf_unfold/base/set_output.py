"""`set_output` and feature names of transformers that take a table or a list of recordings."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from sklearn import get_config
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from sknmf_unfold.validation.options import check_choice
from sknmf_unfold.validation.warn import once_per_call

Transformer = TypeVar("Transformer", bound="RecordingsTransformerMixin")

CONTAINERS = ("default", "pandas", "polars")


class RecordingsTransformerMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Transformer of a table or of a list of recordings.

    A subclass has ``_n_features_out`` and ends its ``transform`` with ``_in_container``.
    """

    def __init_subclass__(cls, **kwargs):
        # scikit-learn's own wrapper makes one DataFrame of the result of `transform`, which is
        # impossible for a list of recordings of different lengths.
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def set_output(self: Transformer, *, transform: str | None = None) -> Transformer:
        """Choose the containers that ``transform`` and ``fit_transform`` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            DataFrames whose columns are ``get_feature_names_out()``: one for a table, row by row,
            and a list of them for a list of recordings, one each, with a row for each frame.
            ``"default"`` stands for arrays, None changes nothing. `Spectrograms` are not converted.

        Returns
        -------
        self : estimator
        """
        if transform is not None:
            check_choice("transform", transform, CONTAINERS)
            # The name that scikit-learn's `clone` copies.
            self._sklearn_output_config = {"transform": transform}
        return self

    @once_per_call()
    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit to data, then transform them.

        Parameters
        ----------
        X, y : object
            Arguments of ``fit``.
        **fit_params : object
            Passed to ``fit``.

        Returns
        -------
        result : object
            The result of ``transform`` for X.
        """
        return super().fit_transform(X, y, **fit_params)

    def _container(self):
        """Return the name of the chosen containers."""
        chosen = getattr(self, "_sklearn_output_config", {})
        return chosen.get("transform", get_config()["transform_output"])

    def _in_container(self, arrays, X):
        """Convert the result for `X`, an array or a list of arrays, to the chosen containers."""
        library = self._container()
        if library == "default":
            return arrays
        names = self.get_feature_names_out()
        if not isinstance(arrays, list):
            return _data_frame(arrays, names, library, X)
        return [_data_frame(a, names, library, x) for a, x in zip(arrays, X, strict=True)]


def _data_frame(array, names, library, like):
    """Make a DataFrame, in pandas with the index of `like` if that is a DataFrame."""
    try:
        module = importlib.import_module(library)
    except ImportError as error:
        raise ImportError(f"Output in {library} DataFrames needs {library} installed.") from error
    if library == "polars":
        return module.DataFrame(array, schema=list(names), orient="row")
    index = like.index if isinstance(like, module.DataFrame) else None
    return module.DataFrame(array, index=index, columns=names)
