"""Masks of streams by the same steps that go through recordings block by block."""

from __future__ import annotations

from typing import Any

from sknmf_unfold.base.tensors import as_numpy, resolve_device, to_tensor

from ._blocks import finished


class StepMasks:
    """Masks by a separator's step for blocks of frames, as `FrameMasks`.

    Parameters
    ----------
    separator : BaseSeparator
        Fitted.
    dtype : dtype
        Of the magnitudes.
    """

    uses_torch = True

    def __init__(self, separator, dtype):
        self._separator, self._dtype = separator, dtype
        self._step = separator._mask_step(dtype)
        self._state: Any = None

    def __getstate__(self):
        # The step is made of functions that hold a network, which cannot be stored; a state that
        # lies on a GPU has to load where there is none.
        of_torch = hasattr(self._state, "detach")
        state = as_numpy(self._state) if of_torch else self._state
        return vars(self) | {"_step": None, "_state": state, "_of_torch": of_torch}

    def __setstate__(self, state):
        of_torch = state.pop("_of_torch")
        vars(self).update(state)
        self._step = self._separator._mask_step(self._dtype)
        if of_torch:
            device = resolve_device(self._separator.device, fall_back=True)
            self._state = to_tensor(self._state, device)

    def __call__(self, magnitude):
        """Estimate the mask of the next frames, as `FrameMasks` does."""
        mask, self._state = self._step(magnitude, self._state)
        return finished(mask)

    def reset(self):
        """Begin again before the first frame."""
        self._state = None
