"""Train changes of DR-NMF that the package does not have for some epochs, and print their losses.

    python -m benchmarks.variants --variants none shared momentum --layers 4 --set max_epochs=12

``shared`` has one dictionary for all layers, ``momentum`` adds to what a layer starts from a
learned part of its last step (FISTA unfolded), ``alike`` keeps what the components explain of
frames side by side alike (SISTA unfolded), ``signed`` hears with weights of any sign beside the
dictionaries (LISTA), ``dropout`` leaves a tenth of the components out of each batch, ``bins`` has a
mask exponent for each bin; ``softplus``, ``square`` and ``projected`` keep dictionaries
non-negative by other means than logarithms (and want a smaller ``learning_rate``); ``last`` trains
the network of ``none`` and keeps its weights after a step instead of their average. The losses are
of the training set, by the weights of the time, and of the development set, by their average.
Every run is a file of results, and is not trained again where that file exists.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from benchmarks import open_speech
from benchmarks._environment import environment, print_environment
from benchmarks.table1 import AT_ONE_LEVEL, Systems, parse_setting
from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.recurrence import GramRecurrence

RESULTS = Path(__file__).parent / "results" / "variants"
# Of the components, of a batch.
DROPPED = 0.1
# A bias that no input comes up against.
SILENCED = -1e3
# What a layer of `Momentum` and of `Alike` begins with.
MOMENTUM = 0.3
ALIKE = 0.1


class Shared(DRNMF):
    """One dictionary for all layers; steps and thresholds stay apart."""

    def __init__(self, components, envelopes, *args, **kwargs):
        super().__init__(components[:1], envelopes[:1], *args, **kwargs)
        self.n_layers = len(components)

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
        """Prepare what goes through the frames, as `DRNMF.recurrence`."""
        encoders, biases, transitions, envelopes = self.gram_weights()

        def activations(magnitude, initial):
            last = transitions, initial, envelopes
            return GramRecurrence.apply(magnitude, encoders.contiguous(), biases, *last)

        return activations


class Twice(GramVariant):
    """Other activations go through the layers beside the latest ones."""

    def gram_weights(self):
        """Carry what a frame starts from beside what the first layer makes of it."""
        encoders, biases, transitions, envelopes = super().gram_weights()
        nothing = torch.zeros_like(transitions[0])
        first = torch.cat([transitions[0], self.dynamics_matrix()], 1)
        first = torch.cat([first, nothing.repeat(1, 2)])
        later = [self.carry(*layer) for layer in enumerate(transitions[1:], 1)]
        twice = [torch.cat([x, torch.zeros_like(x)], -1) for x in (encoders, biases)]
        envelopes = torch.cat([envelopes, torch.zeros_like(envelopes)], 1)
        return *twice, torch.stack([first, *later]), envelopes

    def carry(self, layer, transition):
        """Say how both enter a later layer.

        Parameters
        ----------
        layer : int
        transition : Tensor of shape (components, components)
            Of the layer.

        Returns
        -------
        block : Tensor of shape (2 components, 2 components)
            From the latest and the others, in rows, to both.
        """
        raise NotImplementedError

    def recurrence(self):
        """Prepare what goes through the frames, and keep the latest half of its state."""
        activations, n_components = super().recurrence(), len(self.initial)
        return lambda x, initial: activations(x, initial.repeat(1, 2))[..., :n_components]


class Momentum(Twice):
    """Layers start from ``h + m (h - h before)``; the first starts a frame without."""

    def __init__(self, components, *args, **kwargs):
        super().__init__(components, *args, **kwargs)
        self.momentum = torch.nn.Parameter(torch.full((len(components),), MOMENTUM))

    def carry(self, layer, transition):
        """Go on from both, and carry what this layer started from."""
        momentum, identity = self.momentum[layer], torch.eye(len(transition))
        latest = torch.cat([(1 + momentum) * transition, identity], 1)
        before = torch.cat([-momentum * transition, torch.zeros_like(transition)], 1)
        return torch.cat([latest, before])


class Alike(Twice):
    """A penalty ``s/2 ||D h - D A h_before||^2`` for each frame, which began with ``A h_before``.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Interpretable recurrent neural networks using sequential
       sparse recovery", NIPS 2016 workshop on interpretable machine learning.
    """

    def __init__(self, components, *args, **kwargs):
        super().__init__(components, *args, **kwargs)
        # The first layer starts from what the penalty draws to.
        strengths = torch.full((len(components) - 1,), ALIKE)
        self.log_strengths = torch.nn.Parameter(strengths.log())

    def carry(self, layer, transition):
        """Draw to what the frame began with, and carry it on."""
        strength, identity = self.log_strengths[layer - 1].exp(), torch.eye(len(transition))
        drawn = strength * (identity - transition)
        latest = torch.cat([transition - drawn, torch.zeros_like(transition)], 1)
        return torch.cat([latest, torch.cat([drawn, identity], 1)])


class Signed(GramVariant):
    """What a layer hears is not only the dictionary: further weights may have any sign."""

    def __init__(self, components, *args, **kwargs):
        super().__init__(components, *args, **kwargs)
        self.heard = torch.nn.Parameter(torch.zeros_like(components.mT))

    def gram_weights(self):
        """Add the further weights, scaled as sums over the bins are."""
        encoders, *rest = super().gram_weights()
        steps = self.log_step_sizes.exp()[:, None, None]
        return encoders + steps * self.heard / encoders.shape[1] ** 0.5, *rest


class Dropout(GramVariant):
    """Some components stay silent for a batch of training."""

    def gram_weights(self):
        """Silence components by their biases."""
        encoders, biases, *rest = super().gram_weights()
        if torch.is_grad_enabled():
            biases = biases + SILENCED * (torch.rand(len(self.initial)) < DROPPED)
        return encoders, biases, *rest


class Bins(DRNMF):
    """An exponent of the mask for each bin."""

    def __init__(self, components, *args, **kwargs):
        super().__init__(components, *args, **kwargs)
        exponents = self.log_exponent.detach().expand(components.shape[-1]).clone()
        self.log_exponent = torch.nn.Parameter(exponents)


class Parametrised(DRNMF):
    """Dictionaries that are kept non-negative otherwise; envelopes, steps and thresholds stay."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with torch.no_grad():
            for raw in (self.log_components, self.log_output):
                raw.copy_(self.raw(raw.exp()))

    def layer_components(self):
        """Compute the dictionaries of all layers, rows of unit norm."""
        return torch.nn.functional.normalize(self.value(self.log_components), dim=-1)

    def output_components(self):
        """Compute what turns activations into estimates."""
        return self.value(self.log_output)


class Softplus(Parametrised):
    """``log(1 + exp(raw))``."""

    value = staticmethod(torch.nn.functional.softplus)

    @staticmethod
    def raw(value):
        """Invert it, of no less than a millionth."""
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
}
# What they change of the recipe.
RECIPES = {"last": {"ema_decay": 0.0}}


def separator_of(name):
    """Make a class of separators that train this variant; they learn, and do not predict."""

    class Variant(DRNMFSeparator):
        @staticmethod
        def _make_network(values, **learned):
            return VARIANTS[name](**values, **learned)

        def _make_trainer(self, start, settings, *args):
            return super()._make_trainer(start, settings | RECIPES.get(name, {}), *args)

        @staticmethod
        def _attributes(network):
            return {}

    return Variant


def train(name, nmf, data, args):
    """Train one variant; return its number of parameters and its losses."""
    torch.manual_seed(args.seed)
    settings = AT_ONE_LEVEL | {"random_state": args.seed, "verbose": 1} | dict(args.set)
    separator = separator_of(name)(
        args.layers, args.components // 2, nmf=FrozenEstimator(nmf), **settings
    )
    pipe = Pipeline([("stft", STFT()), ("sep", separator)])
    pipe.fit(*data[0], sep__validation_data=data[1])
    return {"parameters": separator.n_parameters_, "history": separator.history_}


def print_losses(row):
    """Print the losses after every fourth epoch and the last one."""
    history = row["history"]
    print(f"{row['variant']:10} {row['settings']}, {row['parameters']} parameters")
    for epoch in history["epoch"]:
        if epoch and (epoch % 4 == 0 or epoch == history["epoch"][-1]):
            losses = history["train_loss"][epoch], history["validation_loss"][epoch]
            print("    epoch {:3}: train {:8.3f}, dev {:8.3f}".format(epoch, *losses))


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
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    args = parser.parse_args(arguments)
    facts = environment(args.seed)
    print_environment(facts)
    args.results.mkdir(parents=True, exist_ok=True)
    settings = ",".join(f"{name}={value}" for name, value in sorted(args.set))
    settings = ",".join(filter(None, (f"{args.layers}x{args.components}", settings)))
    data, nmf = None, None
    for name in args.variants:
        path = args.results / f"{name}_{settings}_seed{args.seed}.json"
        if not path.exists():
            if data is None:
                parts = ("tenth",), ("dev", "matched")
                data = [open_speech.load(*part, cache=args.cache) for part in parts]
                systems = Systems(data[0], data[1], {}, args.seed)
                nmf = systems.fit("snmf", 0, args.components)[0][-1]
            row = {"variant": name, "settings": settings, "environment": facts}
            path.write_text(json.dumps(row | train(name, nmf, data, args), indent=1))
        print_losses(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
