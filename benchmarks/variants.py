"""Variants of DR-NMF that the package does not have: their losses after some epochs of training.

    python -m benchmarks.variants --variants none shared momentum --layers 4 --set max_epochs=12

``shared`` has one dictionary for all layers, ``momentum`` adds a learned part of the last step to
the start of each layer (FISTA unfolded), ``alike`` has a penalty on the difference between
reconstructions of successive frames (SISTA unfolded), ``signed`` has encoder weights of any sign
beside the dictionaries (LISTA), ``dropout`` leaves a tenth of the components out of each batch,
``bins`` has a mask exponent for each bin; ``softplus``, ``square`` and ``projected`` keep
dictionaries non-negative by other means than logarithms (and need a smaller ``learning_rate``).
Three have the network of ``none`` and another recipe: ``last`` keeps the latest weights instead of
their moving average, ``fixed-sparsity`` keeps the sparsity weights of the NMF, and
``fixed-exponent`` the mask exponent 1. The loss on the training set is that during the epoch, with
the latest weights; that on the development set is of their moving average. Each run is a line of
``results/variants.jsonl``, and is not trained again where that line exists.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks._results import FOLDER, VARIANTS_KEY, add_row, find_row
from benchmarks.table1 import Systems, parse_setting
from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.recurrence import GramRecurrence

RESULTS = FOLDER / "variants.jsonl"
# Probability that a batch leaves a component out.
DROPOUT_RATE = 0.1
# A bias that no input outweighs.
SILENCING_BIAS = -1e3
INITIAL_MOMENTUM = 0.3
INITIAL_STRENGTH = 0.1


class Shared(DRNMF):
    """One dictionary for all layers; each keeps its own step size and sparsity weights."""

    def __init__(self, values, **kwargs):
        first = {name: values[name][:1] for name in ("components", "envelopes")}
        super().__init__(values | first, **kwargs)
        self.n_layers = len(values["components"])

    def layer_components(self):
        """Repeat the one dictionary."""
        return super().layer_components().expand(self.n_layers, -1, -1)

    def layer_envelopes(self):
        """Repeat its envelopes."""
        return super().layer_envelopes().expand(self.n_layers, -1, -1)


class GramVariant(DRNMF):
    """A network that changes the weights of `GramRecurrence`."""

    def dynamics_matrix(self):
        """Compute the dynamics as a matrix, whichever form they have."""
        dynamics = self.dynamics()
        return dynamics if dynamics.ndim == 2 else dynamics.diag()

    def gram_weights(self):
        """Multiply out the layers.

        Returns
        -------
        encoders : Tensor of shape (layers, bins, components)
        biases : Tensor of shape (layers, components)
        transitions : Tensor of shape (layers, components, components)
        envelopes : Tensor of shape (layers, components, context)
        """
        components, envelopes = self.layer_components(), self.layer_envelopes()
        steps = self.log_step_sizes.exp()[:, None, None]
        gram = components @ components.mT * (envelopes @ envelopes.mT)
        transitions = torch.eye(len(self.initial)) - steps * gram
        biases = -steps[..., 0] * self.log_sparsity.exp()
        transitions = torch.cat([(self.dynamics_matrix() @ transitions[0])[None], transitions[1:]])
        return steps * components.mT, biases, transitions, envelopes

    def recurrence(self):
        """Prepare the function from frames to activations, as `DRNMF.recurrence`."""
        encoders, biases, transitions, envelopes = self.gram_weights()

        def activations(magnitude, initial):
            last = transitions, initial, envelopes
            return GramRecurrence.apply(magnitude, encoders.contiguous(), biases, *last)

        return activations


class Twice(GramVariant):
    """A second set of activations goes through the layers beside the latest ones."""

    def gram_weights(self):
        """Carry the start of a frame beside the result of its first layer."""
        encoders, biases, transitions, envelopes = super().gram_weights()
        nothing = torch.zeros_like(transitions[0])
        first = torch.cat([transitions[0], self.dynamics_matrix()], 1)
        first = torch.cat([first, nothing.repeat(1, 2)])
        later = [self.carry(*layer) for layer in enumerate(transitions[1:], 1)]
        twice = [torch.cat([x, torch.zeros_like(x)], -1) for x in (encoders, biases)]
        envelopes = torch.cat([envelopes, torch.zeros_like(envelopes)], 1)
        return *twice, torch.stack([first, *later]), envelopes

    def carry(self, layer, transition):
        """Compute how both sets enter a later layer.

        Parameters
        ----------
        layer : int
        transition : Tensor of shape (components, components)
            Transition of the layer.

        Returns
        -------
        block : Tensor of shape (2 components, 2 components)
            Rows are the latest set and the second one before the layer, columns those after it.
        """
        raise NotImplementedError

    def recurrence(self):
        """Prepare the function from frames to activations, which returns the latest set."""
        activations, n_components = super().recurrence(), len(self.initial)
        return lambda x, initial: activations(x, initial.repeat(1, 2))[..., :n_components]


class Momentum(Twice):
    """Layers start from ``h + m (h - h_before)``; the first of a frame has no momentum."""

    def __init__(self, values, **kwargs):
        super().__init__(values, **kwargs)
        self.momentum = torch.nn.Parameter(
            torch.full((len(values["components"]),), INITIAL_MOMENTUM)
        )

    def carry(self, layer, transition):
        """Extrapolate from both, and carry the start of this layer."""
        momentum, identity = self.momentum[layer], torch.eye(len(transition))
        latest = torch.cat([(1 + momentum) * transition, identity], 1)
        before = torch.cat([-momentum * transition, torch.zeros_like(transition)], 1)
        return torch.cat([latest, before])


class Alike(Twice):
    """A penalty ``s/2 ||D h - D A h_before||^2`` for each frame, which starts from ``A h_before``.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Interpretable recurrent neural networks using sequential
       sparse recovery", NIPS 2016 workshop on interpretable machine learning.
    """

    def __init__(self, values, **kwargs):
        super().__init__(values, **kwargs)
        # The first layer starts where the penalty is 0.
        strengths = torch.full((len(values["components"]) - 1,), INITIAL_STRENGTH)
        self.log_strengths = torch.nn.Parameter(strengths.log())

    def carry(self, layer, transition):
        """Pull towards the start of the frame, and carry it."""
        strength, identity = self.log_strengths[layer - 1].exp(), torch.eye(len(transition))
        pull = strength * (identity - transition)
        latest = torch.cat([transition - pull, torch.zeros_like(transition)], 1)
        return torch.cat([latest, torch.cat([pull, identity], 1)])


class Signed(GramVariant):
    """Encoders are the dictionaries plus weights of any sign."""

    def __init__(self, values, **kwargs):
        super().__init__(values, **kwargs)
        self.signed = torch.nn.Parameter(torch.zeros_like(values["components"].mT))

    def gram_weights(self):
        """Add the signed weights, scaled like sums over the bins."""
        encoders, *rest = super().gram_weights()
        steps = self.log_step_sizes.exp()[:, None, None]
        return encoders + steps * self.signed / encoders.shape[1] ** 0.5, *rest


class Dropout(GramVariant):
    """Each batch of training leaves some components out."""

    def gram_weights(self):
        """Keep components at 0 by their biases."""
        encoders, biases, *rest = super().gram_weights()
        if torch.is_grad_enabled():
            dropped = torch.rand(len(self.initial)) < DROPOUT_RATE
            biases = biases + SILENCING_BIAS * dropped
        return encoders, biases, *rest


class Bins(DRNMF):
    """An exponent of the mask for each bin."""

    def __init__(self, values, **kwargs):
        super().__init__(values, **kwargs)
        exponents = self.log_exponent.detach().expand(values["components"].shape[-1]).clone()
        self.log_exponent = torch.nn.Parameter(exponents)


class Parametrised(DRNMF):
    """Dictionaries that are kept non-negative by other means than logarithms."""

    def __init__(self, values, **kwargs):
        super().__init__(values, **kwargs)
        with torch.no_grad():
            for raw in (self.log_components, self.log_output):
                raw.copy_(self.raw(raw.exp()))

    def layer_components(self):
        """Compute the dictionaries of all layers, rows of unit norm."""
        return torch.nn.functional.normalize(self.value(self.log_components), dim=-1)

    def output_components(self):
        """Compute the output dictionary."""
        return self.value(self.log_output)


class Softplus(Parametrised):
    """``log(1 + exp(raw))``."""

    value = staticmethod(torch.nn.functional.softplus)

    @staticmethod
    def raw(value):
        """Invert `value`, of arguments of at least a millionth."""
        value = value.clamp(min=1e-6)
        return value + torch.log(-torch.expm1(-value))


class Square(Parametrised):
    """``raw ** 2``."""

    value, raw = staticmethod(torch.square), staticmethod(torch.sqrt)


class Projected(Parametrised):
    """``max(raw, 0)``."""

    value = staticmethod(torch.relu)
    raw = staticmethod(torch.clone)


VARIANTS = {
    "none": DRNMF,
    "shared": Shared,
    "momentum": Momentum,
    "alike": Alike,
    "signed": Signed,
    "dropout": Dropout,
    "bins": Bins,
    "softplus": Softplus,
    "square": Square,
    "projected": Projected,
    "last": DRNMF,
    "fixed-sparsity": DRNMF,
    "fixed-exponent": DRNMF,
}
# Settings of the recipe that variants change.
RECIPES = {
    "last": {"ema_decay": 0.0},
    "fixed-sparsity": {"learn_sparsity": False},
    "fixed-exponent": {"learn_mask_exponent": False},
}


def separator_of(name):
    """Make a class of separators for a variant, which can be fitted but do not predict."""

    class Variant(DRNMFSeparator):
        @staticmethod
        def _make_network(values, **learned):
            return VARIANTS[name](values, **learned)

        def _make_trainer(self, start, settings, *args):
            return super()._make_trainer(start, settings | RECIPES.get(name, {}), *args)

        @staticmethod
        def _attributes(network):
            return {}

    return Variant


def train(name, nmf, data, args):
    """Train one variant; return its number of parameters and its losses."""
    torch.manual_seed(args.seed)
    settings = {"random_state": args.seed, "verbose": 1} | dict(args.set)
    separator = separator_of(name)(
        args.layers, args.components // 2, nmf=FrozenEstimator(nmf), **settings
    )
    pipe = Pipeline([("stft", STFT()), ("sep", separator)])
    pipe.fit(*data[0], sep__validation_data=data[1])
    return {"parameters": separator.n_parameters_, "history": separator.history_}


def print_losses(row):
    """Print the losses after every fourth epoch and the last one."""
    history = row["history"]
    print(f"{row['variant']:14} {row['settings']}, {row['parameters']} parameters")
    for epoch in history["epoch"]:
        if epoch and (epoch % 4 == 0 or epoch == history["epoch"][-1]):
            losses = history["train_loss"][epoch], history["validation_loss"][epoch]
            print("    epoch {:3}: train {:8.3f}, dev {:8.3f}".format(epoch, *losses))


def run(args):
    """Train the variants without a row yet, and print the losses of all chosen ones."""
    facts = environment(args.seed)
    print_environment(facts)
    changes = [f"{name}={value}" for name, value in sorted(args.set)]
    settings = ",".join([f"{args.layers}x{args.components}", *changes])
    data, nmf = None, None
    for name in args.variants:
        key = {"variant": name, "settings": settings, "seed": args.seed}
        if find_row(args.results, key) is None:
            if data is None:
                parts = ("tenth",), ("dev", "matched")
                data = [open_speech.load(*part, cache=args.cache) for part in parts]
                systems = Systems(data[0], data[1], {}, args.seed)
                nmf = systems.fit("snmf", 0, args.components)[0][-1]
            row = key | {"environment": facts} | train(name, nmf, data, args)
            add_row(args.results, row, VARIANTS_KEY)
        print_losses(find_row(args.results, key))


def main(arguments=None):
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.variants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--layers", type=int, default=2, help="K")
    parser.add_argument("--components", type=int, default=200, help="N, of both sources")
    parser.add_argument("--set", nargs="+", type=parse_setting, default=[], metavar="NAME=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=None, help="folder of the corpus")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
    args = parser.parse_args(arguments)
    run(args)


if __name__ == "__main__":
    main()
