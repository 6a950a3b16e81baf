"""Callbacks of scikit-learn 1.9 and later, and stand-ins for earlier versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

from sknmf_unfold.validation.sequences import Sequences

Method = TypeVar("Method", bound=Callable)

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class _NoContext:
        """Context of a task without callbacks."""

        def subcontext(self, **settings):
            """Return the context of a part of the task."""
            return self

        def call_on_fit_task_begin(self, **facts):
            """Call no callback."""

        def call_on_fit_task_end(self, **facts):
            """Call no callback; return that none stops the task."""
            return False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's mixin: fits without callbacks."""

        def set_callbacks(self, *callbacks: object) -> None:
            """Refuse callbacks.

            Raises
            ------
            ImportError
                Always: they need scikit-learn 1.9.
            """
            raise ImportError(
                "`set_callbacks` needs scikit-learn 1.9 or newer; `verbose=1` shows progress."
            )

        def _init_callback_context(self, **settings):
            return _NoContext()

    def with_callbacks(method: Method) -> Method:
        """Return the method as it is."""
        return method


class FitTask:
    """A task of a fit, or a part of it, that reports its begin and its end to callbacks.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Position of the task in the tree of tasks.
    estimator : estimator
        The estimator that is fitted.
    X, y : object
        Arguments of ``fit``. Callbacks get `Sequences` in the form in which users pass data.
    """

    def __init__(self, context: Any, estimator: BaseEstimator, X: Any, y: Any):
        X, y = (each.as_input() if isinstance(each, Sequences) else each for each in (X, y))
        self._context = context
        self._facts = {"estimator": estimator, "X": X, "y": y}
        context.call_on_fit_task_begin(**self._facts)

    def part(self, name: str) -> FitTask:
        """Begin a part of this task; return its `FitTask`."""
        context = self._context.subcontext(task_name=name)
        return FitTask(context, self._facts["estimator"], self._facts["X"], self._facts["y"])

    def end(self, attributes: Callable[[], dict[str, Any]]) -> bool:
        """Tell the callbacks that the task is over.

        Parameters
        ----------
        attributes : callable
            Returns the fitted attributes of the estimator at this point, by name.

        Returns
        -------
        stop : bool
            Whether a callback stops the fit.
        """
        return self._context.call_on_fit_task_end(
            **self._facts, reconstruction_attributes=attributes
        )


__all__ = ["CallbackSupportMixin", "FitTask", "with_callbacks"]
