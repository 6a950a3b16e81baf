"""The base of the separators with stacked recurrent layers."""

from __future__ import annotations

from abc import abstractmethod

from sknmf_unfold.base.tensors import to_tensor, tree_to_numpy
from sknmf_unfold.runtime.stacked_rnn import N_GATES, RunningStackedRNN
from sknmf_unfold.validation.fitted import Invariant, refuse
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.parameters import MAX_LAYERS, MAX_UNITS, check_n_weights, check_size

from ._recipes import (
    STACKED_RECIPES,
    TRAINING_PARAMETERS,
    check_training_parameters,
    resolve_recipe,
)
from ._trained_separator import TrainedSeparator
from ._training_invariants import TRAINING_INVARIANTS

# Frames from which the standardisation of the inputs is computed.
MAX_STANDARDISED_FRAMES = 20_000


def _weight(name, shape, **bounds):
    return Invariant(f"weights_[{name!r}]", shape, **bounds)


class StackedSeparator(TrainedSeparator):
    """A separator whose network is a stack of recurrent layers with a sigmoid mask.

    A subclass has the kind of its layers, `_kind`, a key of `runtime.stacked_rnn.N_GATES`, and the
    parameters of `LSTMSeparator`.
    """

    _kind: str

    @abstractmethod
    def __init__(self):
        """Store the parameters."""

    def _starting_values(self, sequences, targets, rng):
        from sknmf_unfold.networks.stacked_rnn import draw_stacked_rnn

        level = self._input_level

        def scaled(magnitude, indices):
            return level(magnitude)[0]

        frames = sequences.frames(MAX_STANDARDISED_FRAMES, rng, scaled)
        values = draw_stacked_rnn(frames, int(self.n_layers), int(self.n_units), rng, self._kind)
        return {name: to_tensor(value, "cpu") for name, value in values.items()}

    def _remember_start(self, start):
        """Do nothing: random weights are not kept."""

    def _invariants(self):
        rows, layers = f"{N_GATES[self._kind]}*units", range(self._n_stored_layers())
        table = [*TRAINING_INVARIANTS, _weight("weight_hh_l0", f"{rows} units")]
        table += [_weight("output_weights", "freqs units")]
        table += [_weight("output_biases", "freqs"), _weight("offset", "freqs")]
        table += [_weight("scale", "freqs", positive=True), _weight("floor", "", positive=True)]
        for k in layers:
            table.append(_weight(f"weight_ih_l{k}", f"{rows} {'units' if k else 'freqs'}"))
            table.append(_weight(f"weight_hh_l{k}", f"{rows} units"))
            table += [_weight(f"{name}_l{k}", rows) for name in ("bias_ih", "bias_hh")]
        return table

    def _n_stored_layers(self):
        """Count the layers that have some weight."""
        numbers = [name.rpartition("_l")[2] for name in self.weights_ if "_l" in name]
        return 1 + max((int(number) for number in numbers if number.isdigit()), default=0)

    def _fitted_items(self):
        weights = vars(self).get("weights_")
        if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
            refuse(type(self).__name__, "weights_", "be a dict of arrays", shown(weights))
        return vars(self) | {f"weights_[{name!r}]": value for name, value in weights.items()}

    def _fitted_values(self):
        n_layers, (_, n_units) = self._shape
        if (n_layers, n_units) != (self.n_layers, self.n_units):
            raise ValueError(
                f"`n_layers` is {self.n_layers} and `n_units` is {self.n_units}, but the fitted "
                f"model has {n_layers} layers of {n_units} units; training cannot resume from it."
            )
        return {name: to_tensor(value, "cpu") for name, value in self.weights_.items()}

    @property
    def _shape(self):
        n_layers = sum(name.startswith("weight_hh") for name in self.weights_)
        return n_layers, self.weights_["output_weights"].shape

    @staticmethod
    def _make_network(values):
        from sknmf_unfold.networks.stacked_rnn import StackedRNN

        return StackedRNN(values)

    @staticmethod
    def _attributes(network):
        return {"weights_": tree_to_numpy(network.values())}

    def _weights(self, dtype):
        return {name: x.astype(dtype, copy=False) for name, x in self.weights_.items()}

    def _masks_at_level(self, dtype, n_streams):
        return RunningStackedRNN(self._weights(dtype), n_streams)

    @property
    def _n_features_out(self):
        return self._shape[1][1]

    def _check_parameters(self):
        """Check all parameters; return the settings of training."""
        n_layers = check_size("n_layers", self.n_layers, high=MAX_LAYERS)
        n_units = check_size("n_units", self.n_units, high=MAX_UNITS)
        check_n_weights(n_layers * n_units**2, n_layers=n_layers, n_units=n_units)
        check_training_parameters(self)
        overrides = {name: getattr(self, name) for name in TRAINING_PARAMETERS}
        return resolve_recipe(self.recipe, overrides, STACKED_RECIPES)
