"""Prediction by a torch network, which is built from the fitted arrays when it is needed."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.tensors import as_numpy, resolve_device, to_numpy, to_tensor
from sknmf_unfold.base.threads import one_thread_of_torch

from ._base import BaseSeparator
from ._blocks import finished


class NetworkSeparator(BaseSeparator):
    """A separator whose fitted attributes hold the weights of a network.

    A subclass has the parameter `device`, and

    - ``_weight_attributes``, the fitted attributes by the names of the network's values,
    - ``_make_network(values, **learned)``, which builds a `networks.protocol.MaskNetwork`,
    - ``_masks_at_level(dtype, n_streams)``, if the network has a counterpart in `runtime`.
    """

    _weight_attributes: dict[str, str]
    _fitted_mark = "n_parameters_"
    _reason = (
        "its weights grew too large in training, which diverged. Fit it again with a lower "
        "`learning_rate`."
    )

    def _attributes(self, network):
        """Return the fitted attributes that hold a network."""
        values = network.values()
        return {attribute: to_numpy(values[k]) for k, attribute in self._weight_attributes.items()}

    def _weights(self, dtype):
        """Return the arrays of the fitted network by their names there."""
        arrays = {name: getattr(self, each) for name, each in self._weight_attributes.items()}
        return {name: array.astype(dtype, copy=False) for name, array in arrays.items()}

    def _fitted_values(self):
        """Return tensors of the fitted network, which training resumes from."""
        arrays = {name: getattr(self, each) for name, each in self._weight_attributes.items()}
        return {name: to_tensor(array, "cpu") for name, array in arrays.items()}

    def _network(self, weights):
        """Build the torch network of some weights."""
        device = resolve_device(self.device, fall_back=True)
        return self._make_network({name: to_tensor(x, device) for name, x in weights.items()})

    def _inference(self, dtype):
        """Build the fitted network, and the function that infers its hidden units."""
        from ._block_inference import network_inference

        network = self._network(self._weights(dtype))
        return network, network_inference(network)

    def _mask_step(self, dtype):
        from ._block_inference import mask_step

        return mask_step(*self._inference(dtype))

    def _activation_step(self, dtype):
        from ._block_inference import output_step

        _, infer = self._inference(dtype)
        n_features = self._n_features_out
        return output_step(infer, lambda hidden: hidden[..., :n_features])

    def _masks_at_level(self, dtype, n_streams):
        return NetworkMasks(self, dtype)


class NetworkMasks:
    """Masks of streams by the torch network, for networks without a counterpart in `runtime`.

    Parameters
    ----------
    separator : NetworkSeparator
        Fitted.
    dtype : numpy.dtype
        Of the magnitudes.
    """

    def __init__(self, separator: NetworkSeparator, dtype: np.dtype):
        self._separator, self._dtype = separator, dtype
        self._step, self._state = separator._mask_step(dtype), None

    def __getstate__(self):
        # The step contains a network, and the state may lie on a GPU.
        state = None if self._state is None else as_numpy(self._state)
        return vars(self) | {"_step": None, "_state": state}

    def __setstate__(self, state):
        vars(self).update(state)
        self._step = self._separator._mask_step(self._dtype)
        if self._state is not None:
            device = resolve_device(self._separator.device, fall_back=True)
            self._state = to_tensor(self._state, device)

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Estimate the mask of the next frames, see `runtime.masks.MaskEstimator`."""
        with one_thread_of_torch():
            mask, self._state = self._step(magnitude, self._state)
            return finished(mask)

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._state = None
