"""DR-NMF: warm-start ISTA unfolded into a recurrent network."""

from __future__ import annotations

import torch

from .gru import GRU_WEIGHTS, Gates
from .masks import PowerMaskOutput, component_shares, evidence_log_odds, power_masks
from .recurrence import unfolded_recurrence


def log_or_epsilon(value):
    """Compute the logarithm of a non-negative tensor.

    Parameters
    ----------
    value : Tensor
        The dtype's epsilon stands in for what is smaller.

    Returns
    -------
    logarithm : Tensor
    """
    return torch.log(value.clamp(min=torch.finfo(value.dtype).eps))


def _raw_matrix(dynamics):
    """Compute what a matrix of dynamics is trained as: what it has beside the identity, scaled.

    Random steps in n entries change their sum by the root of n of them.
    """
    identity = torch.eye(len(dynamics), dtype=dynamics.dtype, device=dynamics.device)
    return (dynamics - identity) * len(dynamics) ** 0.5


class DRNMF(PowerMaskOutput, torch.nn.Module):
    """Deep recurrent NMF: a few ISTA iterations a frame, each a layer with weights of its own.

    Weights are kept as logarithms, so that training cannot make them negative (a matrix of dynamics
    may); the dictionaries of the layers are normalised to unit rows on use.

    Parameters
    ----------
    components : Tensor of shape (n_layers, n_components, n_freqs)
        Dictionary of each layer, the target's components first.
    envelopes : Tensor of shape (n_layers, n_components, context)
        How strong each component is in the last `context` frames, which it explains together; the
        oldest frame comes first.
    output_components : Tensor of shape (n_components, n_freqs)
        Turn activations into the estimates that make the masks.
    step_sizes : Tensor of shape (n_layers,)
        Inverse of the paper's alpha.
    sparsity : Tensor of shape (n_layers, n_components)
        Weight of the l1 penalty.
    initial_activations : Tensor of shape (n_components,)
        Activations before the first frame.
    mask_exponent : Tensor of shape ()
        Power of the estimates that the masks share, see `power_masks`.
    evidence : Tensor of shape (n_components, n_freqs) or (0, n_freqs)
        What each component says for the target or against it, see `masks.evidence_log_odds`.
    dynamics : Tensor of shape (n_components,) or (n_components, n_components)
        What activations of a frame are multiplied by to begin the next one: the diagonal,
        non-negative, or the whole of a matrix.
    gru_weight_ih : Tensor of shape (3 * n_units, n_components)
    gru_weight_hh : Tensor of shape (3 * n_units, n_units)
    gru_bias : Tensor of shape (2, 3 * n_units)
        Of GRU units that listen to the components, see `gates.Gates`; 0 of them are none.
    gru_evidence : Tensor of shape (n_units, n_freqs)
        What each unit says for the target or against it, beside `evidence`.
    n_sources : int, default=2
        Number of sources, which share the components equally; the first is the target.
    learn_sparsity, learn_mask_exponent, learn_dynamics : bool, default=False
        Whether `sparsity`, `mask_exponent` and `dynamics` are trained too.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017, algorithm 2.

    Examples
    --------
    >>> from .unfolding import unfold
    >>> values = unfold(torch.eye(4), n_layers=2, sparsity=0.1, step_size=1.0)
    >>> masks, state = DRNMF(**values)(torch.rand(3, 5, 4))
    >>> tuple(masks.shape), tuple(state.shape)
    ((3, 2, 5, 4), (3, 4))
    """

    def __init__(
        self,
        components,
        envelopes,
        output_components,
        step_sizes,
        sparsity,
        initial_activations,
        mask_exponent,
        evidence,
        dynamics,
        gru_weight_ih,
        gru_weight_hh,
        gru_bias,
        gru_evidence,
        n_sources=2,
        learn_sparsity=False,
        learn_mask_exponent=False,
        learn_dynamics=False,
    ):
        super().__init__()
        self.n_sources = n_sources
        self.context = envelopes.shape[-1]
        self.log_components = torch.nn.Parameter(log_or_epsilon(components))
        # Of one frame, envelopes of unit norm cannot change.
        self.log_envelopes = torch.nn.Parameter(
            log_or_epsilon(envelopes), requires_grad=self.context > 1
        )
        self.log_output = torch.nn.Parameter(log_or_epsilon(output_components))
        self.log_step_sizes = torch.nn.Parameter(log_or_epsilon(step_sizes))
        self.log_sparsity = torch.nn.Parameter(
            log_or_epsilon(sparsity), requires_grad=learn_sparsity
        )
        self.log_exponent = torch.nn.Parameter(
            log_or_epsilon(mask_exponent), requires_grad=learn_mask_exponent
        )
        self.evidence = torch.nn.Parameter(evidence.clone(), requires_grad=len(evidence) > 0)
        raw = _raw_matrix(dynamics) if dynamics.ndim == 2 else log_or_epsilon(dynamics)
        self.raw_dynamics = torch.nn.Parameter(raw, requires_grad=learn_dynamics)
        # Not a logarithm: it starts at exactly 0, where a logarithm would have no gradient.
        self.initial = torch.nn.Parameter(initial_activations.clone())
        self.gates = Gates(gru_weight_ih, gru_weight_hh, gru_bias)
        # In the scale that other weights of the units have, so that steps are as small.
        raw = gru_evidence / self.gates.scales[-1]
        self.raw_gru_evidence = torch.nn.Parameter(raw, requires_grad=len(raw) > 0)

    @torch.no_grad()
    def values(self):
        """Return what the constructor takes, as it is now.

        Returns
        -------
        values : dict of Tensor
            Detached from the network.
        """
        return {
            "components": self.layer_components(),
            "envelopes": self.layer_envelopes(),
            "output_components": self.output_components(),
            "step_sizes": self.log_step_sizes.exp(),
            "sparsity": self.log_sparsity.exp(),
            "initial_activations": self.initial_activations(),
            "mask_exponent": self.log_exponent.exp(),
            "evidence": self.evidence.detach().clone(),
            "dynamics": self.dynamics(),
            **dict(zip(GRU_WEIGHTS, self.gates.weights(), strict=True)),
            "gru_evidence": self.gru_evidence(),
        }

    @property
    def device(self):
        """Where the weights are."""
        return self.log_components.device

    def layer_components(self):
        """Compute the dictionaries of all layers.

        Returns
        -------
        components : Tensor of shape (n_layers, n_components, n_freqs)
            Non-negative, rows of unit l2-norm.
        """
        return torch.nn.functional.normalize(self.log_components.exp(), dim=-1)

    def layer_envelopes(self):
        """Compute how strong components are in the frames that they explain.

        Returns
        -------
        envelopes : Tensor of shape (n_layers, n_components, context)
            Non-negative, rows of unit l2-norm.
        """
        return torch.nn.functional.normalize(self.log_envelopes.exp(), dim=-1)

    def initial_activations(self):
        """Compute the activations before the first frame.

        Returns
        -------
        activations : Tensor of shape (n_components,)
            Non-negative.
        """
        return self.initial.clamp(min=0)

    def dynamics(self):
        """Compute what activations are multiplied by to begin the next frame.

        Returns
        -------
        dynamics : Tensor of shape (n_components,) or (n_components, n_components)
        """
        raw = self.raw_dynamics
        if raw.ndim == 1:
            return raw.exp()
        return raw / len(raw) ** 0.5 + torch.eye(len(raw), dtype=raw.dtype, device=raw.device)

    def gru_evidence(self):
        """Compute what the GRU units say for the target.

        Returns
        -------
        evidence : Tensor of shape (units, bins)
        """
        return self.raw_gru_evidence * self.gates.scales[-1]

    def all_evidence(self):
        """Return what components and GRU units say for the target.

        Returns
        -------
        evidence : Tensor of shape (components + units, bins)
        """
        if not self.gates.n_units:
            return self.evidence
        return torch.cat([self.evidence, self.gru_evidence()])

    def output_weights(self):
        """Compute what `target_mask` needs beside hidden units.

        Returns
        -------
        target, rest : Tensor of shape (components of a source, bins)
        exponent : Tensor of shape ()
        evidence : Tensor of shape (components + units, bins)
            Where there is any.
        """
        evidence = self.all_evidence()
        return *super().output_weights(), *[evidence][: len(evidence)]

    def log_odds_terms(self, hidden):
        """Compute the terms of the log odds of the first of two sources.

        Parameters
        ----------
        hidden : Tensor of shape (frames, batch, components + units)
            From `hidden`.

        Returns
        -------
        terms : Tensor of shape (frames, batch, 3 * bins)
            Of the estimates, of the components' evidence and of the GRU units.
        """
        activations, units = hidden.tensor_split([len(self.initial)], dim=-1)
        target, rest, exponent = super().output_weights()
        floor = torch.finfo(hidden.dtype).eps ** 2
        logs = [
            torch.log(part @ weights + floor)
            for part, weights in zip(
                activations.split([len(target), len(rest)], dim=-1), (target, rest), strict=True
            )
        ]
        ratio = exponent * (logs[0] - logs[1])
        # A component that has no evidence says nothing.
        said = component_shares(activations)[..., : len(self.evidence)] @ self.evidence
        return torch.cat([ratio, said, units @ self.gru_evidence()], dim=-1)

    def recurrence(self):
        """Prepare what goes through the frames, for `hidden`.

        Returns
        -------
        recurrence : callable
            See `unfolded_recurrence`.
        """
        step_sizes = self.log_step_sizes.exp()
        biases = -step_sizes[:, None] * self.log_sparsity.exp()
        is_matrix = self.raw_dynamics.ndim == 2
        changes = is_matrix or self.raw_dynamics.requires_grad or bool(self.raw_dynamics.any())
        return unfolded_recurrence(
            self.layer_components(),
            step_sizes,
            biases,
            dynamics=self.dynamics() if changes else None,
            envelopes=self.layer_envelopes() if self.context > 1 else None,
        )

    def enter(self, magnitude, state=None):
        """Lay out frames and state for the recurrence.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, n_state), optional
            From `next_state`. At the beginning the frames before are silent.

        Returns
        -------
        frames : Tensor of shape (batch, context - 1 + frames, bins)
            Those before the first one, and all others.
        activations : Tensor of shape (batch, components)
        units : Tensor of shape (batch, units)
            GRU units.
        """
        n_components, n_past = len(self.initial), self.context - 1
        n_batch, _, n_freqs = magnitude.shape
        if state is None:
            activations = self.initial_activations().expand(n_batch, -1)
            past = magnitude.new_zeros(n_batch, n_past * n_freqs)
            units = magnitude.new_zeros(n_batch, self.gates.n_units)
        else:
            sizes = [n_components, n_past * n_freqs, self.gates.n_units]
            activations, past, units = state.split(sizes, dim=1)
        if not n_past:
            return magnitude, activations, units
        # In memory frames come first, as they do in batches.
        past = past.unflatten(1, (n_past, n_freqs)).transpose(0, 1)
        together = torch.cat([past, magnitude.transpose(0, 1)]).transpose(0, 1)
        return together, activations, units

    def with_units(self, activations, units):
        """Let the GRU units listen.

        Parameters
        ----------
        activations : Tensor of shape (frames, batch, components)
        units : Tensor of shape (batch, units)
            From `enter`.

        Returns
        -------
        hidden : Tensor of shape (frames, batch, components + units)
            The activations, and the units side by side with them.
        """
        if not self.gates.n_units:
            return activations
        units = self.gates(component_shares(activations), units)
        return torch.cat([activations, units], dim=-1)

    def next_state(self, frames, hidden):
        """Return the state to go on from.

        Parameters
        ----------
        frames : Tensor of shape (batch, context - 1 + frames, bins)
            From `enter`.
        hidden : Tensor of shape (frames, batch, components + units)
            From `with_units`.

        Returns
        -------
        state : Tensor of shape (batch, n_state)
            Activations, the frames before the next one, of which the oldest comes first, and gated
            units: ``components + (context - 1) * bins + units`` numbers.
        """
        past = frames[:, frames.shape[1] - self.context + 1 :].flatten(1)
        activations, units = hidden[-1].tensor_split([len(self.initial)], dim=1)
        return torch.cat([activations, past, units], dim=1)

    def hidden(self, magnitude, state=None):
        """Compute the hidden units, all sequences of a frame side by side.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, n_state), optional
            From `next_state`.

        Returns
        -------
        hidden : Tensor of shape (frames, batch, components + units)
            Activations of the last layer, and GRU units.
        """
        frames, entered, units = self.enter(magnitude, state)
        return self.with_units(self.recurrence()(frames, entered), units)

    def activations(self, magnitude, state=None):
        """Compute the activations of the last layer.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, n_state), optional
            From `next_state`.

        Returns
        -------
        activations : Tensor of shape (batch, frames, components)
        """
        return self.hidden(magnitude, state)[..., : len(self.initial)].transpose(0, 1)

    def forward(self, magnitude, state=None):
        """Compute masks that sum to 1 over sources, and the state to go on from.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, n_state), optional
            What an earlier call returned.

        Returns
        -------
        masks : Tensor of shape (batch, sources, frames, bins)
        state : Tensor of shape (batch, n_state)
        """
        frames, entered, units = self.enter(magnitude, state)
        hidden = self.with_units(self.recurrence()(frames, entered), units)
        n_components, evidence = len(self.initial), self.all_evidence()
        activations = hidden[..., :n_components].transpose(0, 1)
        outputs = self.output_components().unflatten(0, (self.n_sources, -1))
        sources = activations.unflatten(-1, (self.n_sources, -1))
        estimates = torch.einsum("btsn,snf->bstf", sources, outputs)
        log_odds = None
        if len(evidence):
            log_odds = evidence_log_odds(hidden, evidence, n_components).transpose(0, 1)
        masks = power_masks(estimates, self.log_exponent.exp(), 1, log_odds)
        return masks, self.next_state(frames, hidden)
