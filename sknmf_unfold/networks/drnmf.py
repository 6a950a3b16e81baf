"""DR-NMF: warm-start ISTA unfolded into a recurrent network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from sknmf_unfold.runtime.gru import GRU_WEIGHTS

from .gru import GRU
from .masks import PowerMaskOutput, component_shares
from .positive import log_or_epsilon, log_parameter, unit_rows
from .recurrence import unfolded_recurrence


class DRNMF(PowerMaskOutput):
    """Deep recurrent NMF: some ISTA iterations for each frame, each a layer of its own weights.

    Weights are trained as logarithms, so that they stay positive (a matrix of dynamics may have
    negative entries); the dictionaries of the layers are normalised to unit rows when used.

    Parameters
    ----------
    values : mapping of str to Tensor
        ``components`` of shape (n_layers, n_components, n_freqs)
            Dictionary of each layer, the target's components first.
        ``envelopes`` of shape (n_layers, n_components, context)
            Amplitude of each component over the last `context` frames, which it explains together;
            the oldest frame first.
        ``output_components`` of shape (n_components, n_freqs)
            Turn activations into the estimates that make the masks.
        ``step_sizes`` of shape (n_layers,)
            Inverse of the paper's alpha.
        ``sparsity`` of shape (n_layers, n_components)
            Weight of the l1 penalty.
        ``initial_activations`` of shape (n_components,)
            Activations before the first frame.
        ``mask_exponent`` of shape ()
            Power of the estimates in the masks, see `masks.power_mask`.
        ``evidence`` of shape (n_components, n_freqs) or (0, n_freqs)
            Weight of evidence of each component, see `masks.evidence_log_odds`.
        ``dynamics`` of shape (n_components,) or (n_components, n_components)
            Transition of the activations from one frame to the next: a diagonal, non-negative, or
            a whole matrix.
        ``gru_weight_ih``, ``gru_weight_hh``, ``gru_bias``
            Weights of GRU units, see `runtime.gru.gru_shapes`; empty if there are none.
        ``gru_evidence`` of shape (n_units, n_freqs)
            Weight of evidence of each unit.
    learn_sparsity, learn_mask_exponent, learn_dynamics : bool, default=False
        Whether ``sparsity``, ``mask_exponent`` and ``dynamics`` are trained too.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017, algorithm 2.

    Examples
    --------
    >>> from sknmf_unfold.networks.initial_weights import unfold
    >>> values = unfold(torch.eye(4), n_layers=2, sparsity=0.1, step_size=1.0)
    >>> masks, state = DRNMF(values)(torch.rand(3, 5, 4))
    >>> tuple(masks.shape), tuple(state.shape)
    ((3, 2, 5, 4), (3, 4))
    """

    def __init__(
        self,
        values: Mapping[str, torch.Tensor],
        learn_sparsity: bool = False,
        learn_mask_exponent: bool = False,
        learn_dynamics: bool = False,
    ):
        super().__init__()
        self.context = values["envelopes"].shape[-1]
        evidence, dynamics = values["evidence"], values["dynamics"]
        self.log_components = log_parameter(values["components"])
        # Envelopes of one frame have unit norm, and cannot change.
        self.log_envelopes = log_parameter(values["envelopes"], self.context > 1)
        self.log_output = log_parameter(values["output_components"])
        self.log_step_sizes = log_parameter(values["step_sizes"])
        self.log_sparsity = log_parameter(values["sparsity"], learn_sparsity)
        self.log_exponent = log_parameter(values["mask_exponent"], learn_mask_exponent)
        self.evidence = torch.nn.Parameter(evidence.clone(), requires_grad=len(evidence) > 0)
        raw = _raw_matrix(dynamics) if dynamics.ndim == 2 else log_or_epsilon(dynamics)
        self.raw_dynamics = torch.nn.Parameter(raw, requires_grad=learn_dynamics)
        # Not a logarithm: it starts at exactly 0, where a logarithm would have no gradient.
        self.initial = torch.nn.Parameter(values["initial_activations"].clone())
        self.gru = GRU(*(values[name] for name in GRU_WEIGHTS))
        # Scaled as other weights of the units, so that steps of training are as small.
        raw = values["gru_evidence"] / self.gru.scales[-1]
        self.raw_gru_evidence = torch.nn.Parameter(raw, requires_grad=len(raw) > 0)

    @torch.no_grad()
    def values(self) -> dict[str, torch.Tensor]:
        """Return the values of the constructor, as they are now.

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
            **dict(zip(GRU_WEIGHTS, self.gru.weights(), strict=True)),
            "gru_evidence": self.gru_evidence(),
        }

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.log_components.device

    @property
    def n_components(self) -> int:
        """Number of components of both sources."""
        return len(self.initial)

    def layer_components(self) -> torch.Tensor:
        """Compute the dictionaries of all layers.

        Returns
        -------
        components : Tensor of shape (n_layers, n_components, n_freqs)
            Non-negative, rows of unit l2-norm.
        """
        return unit_rows(self.log_components)

    def layer_envelopes(self) -> torch.Tensor:
        """Compute the envelopes of all layers.

        Returns
        -------
        envelopes : Tensor of shape (n_layers, n_components, context)
            Non-negative, rows of unit l2-norm.
        """
        return unit_rows(self.log_envelopes)

    def initial_activations(self) -> torch.Tensor:
        """Compute the activations before the first frame.

        Returns
        -------
        activations : Tensor of shape (n_components,)
            Non-negative.
        """
        return self.initial.clamp(min=0)

    def dynamics(self) -> torch.Tensor:
        """Compute the transition of the activations from one frame to the next.

        Returns
        -------
        dynamics : Tensor of shape (n_components,) or (n_components, n_components)
        """
        raw = self.raw_dynamics
        if raw.ndim == 1:
            return raw.exp()
        return raw / len(raw) ** 0.5 + torch.eye(len(raw), dtype=raw.dtype, device=raw.device)

    def gru_evidence(self) -> torch.Tensor:
        """Compute the weight of evidence of the GRU units.

        Returns
        -------
        evidence : Tensor of shape (units, bins)
        """
        return self.raw_gru_evidence * self.gru.scales[-1]

    def all_evidence(self) -> torch.Tensor:
        """Return the weight of evidence of components and GRU units.

        Returns
        -------
        evidence : Tensor of shape (components + units, bins)
        """
        if not self.gru.n_units:
            return self.evidence
        return torch.cat([self.evidence, self.gru_evidence()])

    def output_weights(self) -> tuple[torch.Tensor, ...]:
        """Compute what `target_mask` takes beside hidden units.

        Returns
        -------
        target, interference : Tensor of shape (components of a source, bins)
        exponent : Tensor of shape ()
        evidence : Tensor of shape (components + units, bins)
            Where there is any.
        """
        evidence = self.all_evidence()
        return *super().output_weights(), *[evidence][: len(evidence)]

    def recurrence(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Prepare the recurrence of the layers with the weights as they are now.

        Returns
        -------
        recurrence : callable
            See `unfolded_recurrence`.
        """
        step_sizes = self.log_step_sizes.exp()
        biases = -step_sizes[:, None] * self.log_sparsity.exp()
        raw = self.raw_dynamics
        is_identity = raw.ndim == 1 and not raw.requires_grad and not bool(raw.any())
        return unfolded_recurrence(
            self.layer_components(),
            step_sizes,
            biases,
            dynamics=None if is_identity else self.dynamics(),
            envelopes=self.layer_envelopes() if self.context > 1 else None,
        )

    def run(
        self,
        magnitude: torch.Tensor,
        state: torch.Tensor | None = None,
        recurrence: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute activations and GRU units, all sequences of a frame side by side.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
        state : Tensor of shape (batch, n_state), optional
            Result of an earlier call. Without it recordings begin, after silence.
        recurrence : callable, optional
            Result of `recurrence`, or a function of the same arguments and result. By default it
            is prepared for this call.

        Returns
        -------
        hidden : Tensor of shape (frames, batch, components + units)
            Activations of the last layer, and GRU units.
        state : Tensor of shape (batch, n_state)
            Activations, the last ``context - 1`` frames, the oldest first, and GRU units:
            ``components + (context - 1) * bins + units`` numbers.
        """
        recurrence = self.recurrence() if recurrence is None else recurrence
        activations, past, units = self.split_state(magnitude, state)
        frames = magnitude
        if self.context > 1:
            # In memory frames come first, as they do in batches.
            frames = torch.cat([past, magnitude.transpose(0, 1)]).transpose(0, 1)
        hidden = recurrence(frames, activations)
        if self.gru.n_units:
            units = self.gru(component_shares(hidden), units)
            hidden = torch.cat([hidden, units], dim=-1)
        past = frames[:, frames.shape[1] - self.context + 1 :].flatten(1)
        activations, units = hidden[-1].tensor_split([self.n_components], dim=1)
        return hidden, torch.cat([activations, past, units], dim=1)

    def split_state(
        self, magnitude: torch.Tensor, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Split a state into its parts.

        Parameters
        ----------
        magnitude : Tensor of shape (batch, frames, bins)
            The next frames.
        state : Tensor of shape (batch, n_state) or None
            See `run`.

        Returns
        -------
        activations : Tensor of shape (batch, components)
        past : Tensor of shape (context - 1, batch, bins)
            The last frames, the oldest first.
        units : Tensor of shape (batch, units)
        """
        n_batch, _, n_freqs = magnitude.shape
        n_past = self.context - 1
        if state is None:
            activations = self.initial_activations().expand(n_batch, -1)
            units = magnitude.new_zeros(n_batch, self.gru.n_units)
            return activations, magnitude.new_zeros(n_past, n_batch, n_freqs), units
        sizes = [self.n_components, n_past * n_freqs, self.gru.n_units]
        activations, past, units = state.split(sizes, dim=1)
        return activations, past.unflatten(1, (n_past, n_freqs)).transpose(0, 1), units


def _raw_matrix(dynamics):
    """Compute the trained form of a matrix of dynamics: its distance from the identity, scaled.

    Random steps in n entries change their sum by the root of n of them.
    """
    identity = torch.eye(len(dynamics), dtype=dynamics.dtype, device=dynamics.device)
    return (dynamics - identity) * len(dynamics) ** 0.5
