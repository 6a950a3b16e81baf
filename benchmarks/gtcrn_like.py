"""A network like GTCRN, trained on our corpus as our models are.

    python -m benchmarks.gtcrn_like --size tenth --keep models/gtcrn-like.joblib
    python -m benchmarks.denoisers --models models/gtcrn-like.joblib

It tells how much of the difference to GTCRN comes from the corpus and how much from the model. As
in the paper, two convolutions halve the number of bands, blocks of grouped temporal convolutions
with temporal attention follow, then recurrent layers over bands and over frames, and a decoder of
the same shape with skip connections; there are about 24 thousand weights. Other than there,
magnitudes go in and a real mask of the target comes out, as for all networks of this package, and
each frame is normalised alone, in place of batch normalisation.

References
----------
.. [1] Rong, Sun, Zhang, Hu, Zhu, Lu, "GTCRN: A speech enhancement model requiring ultralow
   computational resources", ICASSP 2024.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.pipeline import Pipeline

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks.gtcrn_like_layers import (
    DualPathRecurrence,
    Memory,
    TemporalBlock,
    band_matrices,
    neighbours,
)
from benchmarks.table1 import MINUTES, stopping_set, training_set
from sknmf_unfold import STFT
from sknmf_unfold.base.tensors import to_tensor, tree_to_numpy
from sknmf_unfold.metrics import mean_sdr
from sknmf_unfold.networks.protocol import TwoSourceNetwork
from sknmf_unfold.separators._recipes import (
    STACKED_RECIPES,
    TRAINING_PARAMETERS,
    check_training_parameters,
    resolve_recipe,
)
from sknmf_unfold.separators._trained_separator import TrainedSeparator

N_CHANNELS = 16
DILATIONS = (1, 2, 5)
N_DUAL_PATHS = 2
# Added to magnitudes, whose running level is about 0.6, before the logarithm.
LOG_FLOOR = 1e-2


class GTCRNLike(TwoSourceNetwork):
    """A causal convolutional recurrent network on bands of magnitudes.

    Parameters
    ----------
    n_freqs : int
        Bins of a frame.

    Examples
    --------
    >>> network = GTCRNLike(257)
    >>> masks, state = network(torch.ones(2, 4, 257))
    >>> tuple(masks.shape)
    (2, 2, 4, 257)
    """

    to_bands: torch.Tensor
    to_bins: torch.Tensor

    def __init__(self, n_freqs: int):
        super().__init__()
        to_bands, to_bins = band_matrices(n_freqs)
        self.register_buffer("to_bands", torch.from_numpy(to_bands))
        self.register_buffer("to_bins", torch.from_numpy(to_bins))
        half = (len(to_bands) + 1) // 2
        quarter = (half + 1) // 2
        halving = {"kernel_size": (1, 5), "stride": (1, 2), "padding": (0, 2)}
        self.encoder = torch.nn.ModuleList(
            [
                torch.nn.Conv2d(3, N_CHANNELS, **halving),
                torch.nn.Conv2d(N_CHANNELS, N_CHANNELS, groups=2, **halving),
            ]
        )
        self.decoder = torch.nn.ModuleList(
            [
                torch.nn.ConvTranspose2d(N_CHANNELS, N_CHANNELS, groups=2, **halving),
                torch.nn.ConvTranspose2d(N_CHANNELS, 1, **halving),
            ]
        )
        self.norms = torch.nn.ModuleList([torch.nn.GroupNorm(1, N_CHANNELS) for _ in range(3)])
        self.activations = torch.nn.ModuleList([torch.nn.PReLU() for _ in range(3)])
        self.blocks = torch.nn.ModuleList([TemporalBlock(N_CHANNELS, d) for d in DILATIONS])
        self.paths = torch.nn.ModuleList(
            [DualPathRecurrence(N_CHANNELS, quarter) for _ in range(N_DUAL_PATHS)]
        )
        self.mirrored = torch.nn.ModuleList(
            [TemporalBlock(N_CHANNELS, d) for d in reversed(DILATIONS)]
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.to_bands.device

    def values(self) -> dict[str, torch.Tensor]:
        """Return all weights by name, detached."""
        return {name: value.detach() for name, value in self.state_dict().items()}

    def run(
        self, magnitude: torch.Tensor, state: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the log-odds of the target in every band.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, anything), optional
            Result of an earlier call.

        Returns
        -------
        hidden : Tensor of shape (frames, batch, bands)
        state : Tensor of shape (batch, anything)
        """
        memory = Memory(state, magnitude)
        x = neighbours(torch.log(magnitude @ self.to_bands.T + LOG_FLOOR)[:, None])
        skips = []
        for i, layer in enumerate(self.encoder):
            x = self._normalised(i, layer(x))
            skips.append(x)
        for block in self.blocks:
            x = block(x, memory)
            skips.append(x)
        for path in self.paths:
            x = path(x, memory)
        for block in self.mirrored:
            x = block(x + skips.pop(), memory)
        first, last = self.decoder
        shape = *x.shape[:2], x.shape[2], skips[0].shape[3]
        x = self._normalised(2, first(x + skips.pop(), output_size=shape))
        shape = *x.shape[:2], x.shape[2], len(self.to_bands)
        logits = last(x + skips.pop(), output_size=shape)[:, 0]
        return logits.transpose(0, 1), memory.state()

    def _normalised(self, i, x):
        """Normalise each frame alone."""
        frames = x.transpose(1, 2)
        flat = self.norms[i](frames.flatten(0, 1)).view(frames.shape)
        return self.activations[i](flat.transpose(1, 2))

    def output_weights(self) -> tuple[torch.Tensor, ...]:
        """Return nothing: the map from bands to bins is not trained."""
        return ()

    def target_mask(self, hidden: torch.Tensor, weights: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the target's mask (frames, batch, bins)."""
        return torch.sigmoid(hidden @ self.to_bins.T)


class GTCRNLikeSeparator(TrainedSeparator):
    """Separation with a `GTCRNLike` network; the parameters are those of `LSTMSeparator`.

    Examples
    --------
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> X, Y = make_noisy_speech(4, duration=0.5, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", GTCRNLikeSeparator(max_epochs=1))]).fit(X, Y)
    >>> pipe.predict(X)[0].shape
    (8000,)
    """

    def __init__(
        self,
        *,
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
        self.recipe = recipe
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self.max_epochs = max_epochs
        self.patience = patience
        self.loss = loss
        self.remix = remix
        self.speed_factors = speed_factors
        self.gain_db = gain_db
        self.level_frames = level_frames
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _check_parameters(self):
        check_training_parameters(self)
        given = {name: getattr(self, name) for name in TRAINING_PARAMETERS}
        return resolve_recipe(self.recipe, given, STACKED_RECIPES)

    def _starting_values(self, sequences, targets, rng):
        # Only the CPU's generator is used and restored.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.randint(2**31 - 1))
            return GTCRNLike(sequences.n_freqs).values()

    def _remember_start(self, start):
        """Do nothing: random weights are not kept."""

    @staticmethod
    def _make_network(values):
        # On no device torch draws no weights.
        with torch.device("meta"):
            network = GTCRNLike(values["to_bins"].shape[0])
        copies = {name: value.clone() for name, value in values.items()}
        network.load_state_dict(copies, assign=True)
        return network

    @staticmethod
    def _attributes(network):
        return {"weights_": tree_to_numpy(network.values())}

    def _weights(self, dtype):
        return {name: x.astype(dtype, copy=False) for name, x in self.weights_.items()}

    def _fitted_values(self):
        return {name: to_tensor(value, "cpu") for name, value in self.weights_.items()}

    @property
    def _n_features_out(self):
        return len(self.weights_["to_bands"])


def main(arguments=None):
    """Parse the command line, train, and store the pipeline."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gtcrn_like",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", choices=[*MINUTES, "tenth", "full"], default="tenth")
    parser.add_argument("--max-epochs", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    parser.add_argument("--checkpoints", type=Path, default=None, help="folder to resume from")
    parser.add_argument("--keep", type=Path, required=True, help="file of the fitted pipeline")
    args = parser.parse_args(arguments)
    print_environment(environment(args.seed))
    settings = {"max_epochs": args.max_epochs, "checkpoint_dir": args.checkpoints, "verbose": 1}
    separator = GTCRNLikeSeparator(random_state=args.seed, **settings)
    pipe = Pipeline([("stft", STFT()), ("sep", separator)])
    X, Y = open_speech.load("dev", cache=args.cache)
    train = training_set(args.size, functools.partial(open_speech.load, cache=args.cache))
    pipe.fit(*train, sep__validation_data=stopping_set(args.size, (X, Y)))
    args.keep.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(pipe, args.keep)
    score = np.mean(mean_sdr(Y, pipe.predict(X)))
    print(f"{separator.n_parameters_} weights; SDR on dev: {score:.2f} dB")


if __name__ == "__main__":
    # A class of __main__ could not be loaded by other programs.
    from benchmarks.gtcrn_like import main as imported_main

    imported_main()
