"""`ObjectiveDisplay`: the objective of sparse NMF over the iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknmf_unfold.nmf import SparseNMF
from sknmf_unfold.validation.messages import shown

from ._figures import LINE_STYLES, count_from_whole_numbers, single_axes
from ._recordings import last_step


class ObjectiveDisplay:
    """Objective of sparse NMF over the iterations, a curve for each model.

    Parameters
    ----------
    curves : dict of str to array-like of shape (n_values,)
        Values of the objective, as in ``objective_curve_``, by the label of the curve.
    first : dict of str to int, optional
        Number of the iteration of the first value of each curve; 0 by default.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
    lines_ : list of Line2D

    Examples
    --------
    >>> from sknmf_unfold import SparseNMF
    >>> from sknmf_unfold.plotting import ObjectiveDisplay
    >>> X = np.random.default_rng(0).random((50, 8))
    >>> models = {s: SparseNMF(3, solver=s, random_state=0).fit(X) for s in ("mu", "cd")}
    >>> display = ObjectiveDisplay.from_estimator(models)
    >>> [line.get_label() for line in display.lines_]
    ['mu', 'cd']
    """

    def __init__(self, curves: Mapping[str, Any], *, first: Mapping[str, int] | None = None):
        self.curves = curves
        self.first = first

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> ObjectiveDisplay:
        """Draw the objective of fitted models.

        Parameters
        ----------
        estimator : SparseNMF, list of them, or dict of str to SparseNMF
            Fitted, or `Pipeline` objects that end in one. The keys of a dict label the curves.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; those of a new figure by default.

        Returns
        -------
        display : ObjectiveDisplay

        Raises
        ------
        TypeError, ValueError
            If an estimator is not a `SparseNMF`, or there is none.
        NotFittedError
            If one is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        models = {label: _check_nmf(model) for label, model in _labelled(estimator).items()}
        curves = {label: model.objective_curve_ for label, model in models.items()}
        # Of batches there is no value before the first iteration.
        first = {label: 1 + models[label].n_iter_ - len(curve) for label, curve in curves.items()}
        return cls(curves, first=first).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> ObjectiveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; those of a new figure by default.

        Returns
        -------
        display : ObjectiveDisplay
            This object.
        """
        self.figure_, self.ax_ = single_axes(ax)
        self.lines_ = []
        for i, (label, curve) in enumerate(self.curves.items()):
            start = (self.first or {}).get(label, 0)
            style = LINE_STYLES[i % len(LINE_STYLES)]
            iterations = start + np.arange(len(curve))
            self.lines_ += self.ax_.plot(iterations, curve, style, label=label)
        self.ax_.set(xlabel="Iteration", ylabel="Objective")
        count_from_whole_numbers(self.ax_.xaxis)
        if len(self.lines_) > 1:
            self.ax_.legend()
        return self


def _labelled(estimator):
    if isinstance(estimator, Mapping):
        labelled = {str(label): model for label, model in estimator.items()}
    elif isinstance(estimator, (list, tuple)):
        labelled = {f"NMF {i + 1}": model for i, model in enumerate(estimator)}
    else:
        labelled = {"NMF": estimator}
    if not labelled:
        raise ValueError("`estimator` is empty; pass one fitted SparseNMF or more.")
    return labelled


def _check_nmf(estimator):
    last = last_step(estimator)
    if not isinstance(last, SparseNMF):
        raise TypeError(
            f"`estimator` must be a SparseNMF, which has an `objective_curve_`, or a list or dict "
            f"of them; got {shown(estimator)}."
        )
    check_is_fitted(last)
    return last
