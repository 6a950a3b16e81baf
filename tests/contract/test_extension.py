"""A new network takes a module and a separator: these two make all that a separator does work."""

import copy

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT
from sknmf_unfold.networks.protocol import TwoSourceNetwork
from sknmf_unfold.separators._recipes import (
    STACKED_RECIPES,
    TRAINING_PARAMETERS,
    check_training_parameters,
    resolve_recipe,
)
from sknmf_unfold.separators._trained_separator import TrainedSeparator
from sknmf_unfold.streaming import StreamingSeparator

# The module: a gain for each bin, and a memory of the last frames.


class Smoothed(TwoSourceNetwork):
    def __init__(self, values):
        super().__init__()
        self.gain = torch.nn.Parameter(values["gain"].clone())

    def values(self):
        return {"gain": self.gain.detach()}

    @property
    def device(self):
        return self.gain.device

    def run(self, magnitude, state=None):
        state = torch.zeros_like(magnitude[:, 0]) if state is None else state
        units = []
        for frame in magnitude.unbind(1):
            state = 0.5 * state + 0.5 * torch.log(frame + 0.01)
            units.append(state)
        return torch.stack(units), state

    def output_weights(self):
        return (self.gain,)

    def target_mask(self, hidden, weights):
        return torch.sigmoid(hidden * weights[0])


# The separator.


class SmoothedSeparator(TrainedSeparator):
    _weight_attributes = {"gain": "gain_"}  # noqa: RUF012

    def __init__(
        self,
        recipe="default",
        learning_rate=None,
        batch_size=None,
        sequence_length=None,
        max_epochs=None,
        patience=None,
        loss=None,
        remix=None,
        speed_factors=None,
        gain_db=None,
        level_frames=None,
        validation_fraction=0.1,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        for name, value in locals().items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _check_parameters(self):
        check_training_parameters(self)
        given = {name: getattr(self, name) for name in TRAINING_PARAMETERS}
        return resolve_recipe(self.recipe, given, STACKED_RECIPES)

    def _starting_values(self, sequences, targets, rng):
        return {"gain": torch.zeros(sequences.n_freqs)}

    def _remember_start(self, start):
        pass

    @staticmethod
    def _make_network(values, **learned):
        return Smoothed(values)

    @property
    def _n_features_out(self):
        return len(self.gain_)


@pytest.fixture(scope="module")
def fitted(speech):
    settings = {"loss": "signal_approximation", "remix": False, "learning_rate": 0.03}
    separator = SmoothedSeparator(max_epochs=5, **settings, device="cpu", random_state=0)
    X, Y = STFT().fit_transform(speech[0]), speech[1]
    return make_pipeline(STFT(), separator.fit(X, Y, validation_data=(X, Y)))


def test_it_learns(fitted):
    losses = fitted[-1].history_["validation_loss"]
    assert losses[-1] < losses[0]
    assert np.ptp(fitted[-1].gain_) > 0


@pytest.mark.parametrize("after", [0, 5, 60])
def test_it_streams_also_from_a_copy(fitted, speech, after):
    x = speech[0][0]
    stream, parts = StreamingSeparator(fitted), []
    chunks = np.array_split(x, 80)
    for i, chunk in enumerate(chunks):
        if i == after:
            stream = copy.deepcopy(stream)
        parts.append(stream.process(chunk))
    [expected] = fitted.predict([x])
    actual = np.concatenate([*parts, stream.flush()])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
