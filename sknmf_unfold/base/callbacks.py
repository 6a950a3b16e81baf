"""scikit-learn's callbacks where it has them, from 1.9 on, and what stands in for them before."""

from __future__ import annotations

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class _NoContext:
        """A task that nobody watches."""

        def subcontext(self, **settings):
            """Return the context of a part of the task."""
            return self

        def call_on_fit_task_begin(self, **facts):
            """Tell nobody."""

        def call_on_fit_task_end(self, **facts):
            """Tell nobody; nobody wants to stop."""
            return False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin: fits as if no callback was set."""

        def set_callbacks(self, *callbacks):
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

    def with_callbacks(method):
        """Return the method as it is."""
        return method


class FitTask:
    """A task of a fit, or a part of it, with what callbacks may ask about it.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Where the task stands among the others.
    estimator : estimator
        The one that is fitted.
    X, y : object
        What ``fit`` got.
    """

    def __init__(self, context, estimator, X, y):
        self._context = context
        self._facts = {"estimator": estimator, "X": X, "y": y}
        context.call_on_fit_task_begin(**self._facts)

    def part(self, name):
        """Begin a part of this task; return its `FitTask`."""
        context = self._context.subcontext(task_name=name)
        return FitTask(context, self._facts["estimator"], self._facts["X"], self._facts["y"])

    def end(self, attributes):
        """Tell the callbacks that the task is over.

        Parameters
        ----------
        attributes : callable
            Returns the attributes that make the estimator a fitted one, as a dict.

        Returns
        -------
        stop : bool
            Whether a callback wants no more parts.
        """
        return self._context.call_on_fit_task_end(
            **self._facts, reconstruction_attributes=attributes
        )


__all__ = ["CallbackSupportMixin", "FitTask", "with_callbacks"]
