"""Type of distributions that parameters of dynamic mixing can be drawn from."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from numpy.typing import ArrayLike


@runtime_checkable
class Distribution(Protocol):
    """A distribution to draw from, as those of `scipy.stats`."""

    def rvs(self, *, size: Any, random_state: Any) -> ArrayLike:
        """Draw values in an array of shape `size` by a `numpy.random.RandomState`."""
