"""Peers of the network: its loop recorded by autograd, an LSTM, and the matrix products alone."""

from __future__ import annotations

import torch


class AutogradRecurrence(torch.nn.Module):
    """DR-NMF's activations by one torch call a layer and frame, recorded by autograd.

    Parameters
    ----------
    network : DRNMF
        The network that has the weights.
    gram : bool
        Whether to use the Gram matrix, or products with the dictionary and its transpose.
    unbind : bool
        Whether frames are taken from a list, or from one large tensor by their index.
    """

    def __init__(self, network, gram, unbind):
        super().__init__()
        self.network, self.gram, self.unbind = network, gram, unbind

    def forward(self, magnitude, state=None):
        """Compute the mask of the target, (batch, 1, frames, bins), and the last activations."""
        activations, net = self.activations(magnitude), self.network
        target, rest = net.log_output.exp().chunk(2)
        first, others = activations.chunk(2, dim=-1)
        floor = torch.finfo(target.dtype).eps ** 2
        distance = torch.log(first @ target + floor) - torch.log(others @ rest + floor)
        mask = torch.sigmoid(net.log_exponent.exp() * distance)
        return mask.transpose(0, 1)[:, None], activations[-1]

    def activations(self, magnitude):
        """Compute activations, (frames, batch, components)."""
        net = self.network
        components, steps = net.layer_components(), net.log_step_sizes.exp()[:, None]
        encoders, biases = steps[..., None] * components, -steps * net.log_sparsity.exp()
        state = net.initial_activations().expand(len(magnitude), -1)
        frames = magnitude.transpose(0, 1).contiguous()
        identity = torch.eye(components.shape[1], device=components.device)
        if self.gram:
            transitions = identity - components @ encoders.mT
            inputs = torch.einsum("tbf,knf->tkbn", frames, encoders) + biases[:, None]
        source = inputs if self.gram else frames
        source = source.unbind(0) if self.unbind else source
        outputs = []
        for t in range(len(frames)):
            frame = source[t].unbind(0) if self.gram and self.unbind else source[t]
            for k in range(len(components)):
                if self.gram:
                    state = torch.relu(torch.addmm(frame[k], state, transitions[k]))
                else:
                    error = torch.addmm(frame, state, components[k], alpha=-1)
                    state = torch.relu(state + torch.addmm(biases[k], error, encoders[k].T))
            outputs.append(state)
        return torch.stack(outputs)


class LSTM(torch.nn.Module):
    """Stacked LSTM with a sigmoid mask, as in the DR-NMF paper.

    Parameters
    ----------
    n_layers, n_units, n_freqs : int
    """

    def __init__(self, n_layers, n_units, n_freqs):
        super().__init__()
        self.lstm = torch.nn.LSTM(n_freqs, n_units, n_layers)
        self.output = torch.nn.Linear(n_units, n_freqs)

    def forward(self, magnitude, state=None):
        """Compute the mask of the target, (batch, 1, frames, bins), and the state."""
        hidden, state = self.lstm(magnitude.transpose(0, 1), state)
        return torch.sigmoid(self.output(hidden)).transpose(0, 1)[:, None], state


def lstm_step(lstm):
    """Make the step of `run_in_blocks` for an LSTM.

    Parameters
    ----------
    lstm : LSTM

    Returns
    -------
    step : callable
    """

    @torch.no_grad()
    def step(magnitude, state):
        frames = torch.from_numpy(magnitude).transpose(0, 1).contiguous()
        if state is not None:
            # torch has layers first, `run_in_blocks` recordings.
            state = tuple(part.contiguous() for part in state.permute(2, 1, 0, 3))
        mask, state = lstm(frames.transpose(0, 1), state)
        return mask[:, 0].numpy(), torch.stack(state).permute(2, 1, 0, 3)

    return step


def operations(n_layers, n_components, n_freqs, gram, training):
    """Count the floating-point operations of matrix products for one frame.

    In training the products of the recurrence and of the output count three times, once forward and
    twice backward; those of the input twice, as the magnitude needs no gradient.
    """
    products = n_components * n_freqs
    recurrent = n_components**2 if gram else 2 * products
    inputs = products if gram else 0
    passes = (3, 2) if training else (1, 1)
    return 2 * (n_layers * (passes[0] * recurrent + passes[1] * inputs) + passes[0] * products)
