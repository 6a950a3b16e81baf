"""DR-NMF one frame, layer and unit after the other: for networks, running masks and ONNX."""

import numpy as np


def gru_step(weights, share, units):
    """Next activity of GRU units, unit by unit, from the shares of a frame."""
    inputs, carry = weights["gru_weight_ih"], weights["gru_weight_hh"]
    input_bias, state_bias = weights["gru_bias"]
    n_units = carry.shape[1]
    after = np.zeros(n_units)
    for i in range(n_units):
        projected, carried = zip(
            *(
                (inputs[j] @ share + input_bias[j], carry[j] @ units + state_bias[j])
                for j in (i, n_units + i, 2 * n_units + i)
            ),
            strict=True,
        )
        reset, update = (1 / (1 + np.exp(-projected[g] - carried[g])) for g in (0, 1))
        candidate = np.tanh(projected[2] + reset * carried[2])
        after[i] = update * units[i] + (1 - update) * candidate
    return after


def drnmf_loop(weights, frames, n_repeats=1):
    """Activations and masks (frames, bins) of a recording by the formulas of the paper and ours.

    A layer is one iteration of soft-thresholding on the last frames, one below the other, with a
    dictionary of spectra times envelopes.
    """
    units = np.zeros(len(weights["gru_evidence"]))
    activations, masks = [], []
    for h in layer_loop(weights, frames, n_repeats)[:, -1]:
        share = h / (np.sqrt(sum(h**2)) + 1)
        if len(units):
            units = gru_step(weights, share, units)
        activations.append(h)
        masks.append(mask_of(weights, h, share, units))
    return np.array(activations), np.array(masks)


def layer_loop(weights, frames, n_repeats=1):
    """Activations after each layer of each frame, of shape (frames, layers, components).

    A frame starts from the last layer of the frame before.
    """
    components, envelopes = weights["components"], weights["envelopes"]
    n_layers, n_components, n_freqs = components.shape
    context = envelopes.shape[2]
    dynamics = weights["dynamics"]
    carry = np.diag(dynamics) if dynamics.ndim == 1 else dynamics
    h, activations = weights["initial_activations"], []
    for t in range(len(frames)):
        window = [frames[i] if i >= 0 else np.zeros(n_freqs) for i in range(t - context + 1, t + 1)]
        x = np.concatenate(window)
        h, layers = carry.T @ h, []
        for k in [*range(n_layers)] * n_repeats:
            W = (envelopes[k][:, :, None] * components[k][:, None]).reshape(n_components, -1)
            gradient = (h @ W - x) @ W.T + weights["sparsity"][k]
            h = np.maximum(h - weights["step_sizes"][k] * gradient, 0)
            layers.append(h)
        activations.append(layers)
    return np.array(activations)


def mask_of(weights, h, share, units):
    """The target's mask of a frame: odds of the estimates times those of the evidence."""
    output, n_target = weights["output_components"], len(h) // 2
    floor = np.finfo(h.dtype).eps ** 2
    target, rest = h[:n_target] @ output[:n_target], h[n_target:] @ output[n_target:]
    odds = ((target + floor) / (rest + floor)) ** weights["mask_exponent"]
    for part, evidence in zip(share, weights["evidence"], strict=False):
        odds = odds * np.exp(part * evidence)
    for unit, evidence in zip(units, weights["gru_evidence"], strict=True):
        odds = odds * np.exp(unit * evidence)
    return odds / (1 + odds)


def draw_weights(n_layers, n_components, n_freqs, seed=0, **model):
    """Weights of a DR-NMF with layers of their own.

    `model`: ``dynamics`` ("identity", "diagonal", "full"), ``context``, ``evidence``, ``n_units``.
    """
    rng = np.random.default_rng(seed)
    context, n_units = model.get("context", 1), model.get("n_units", 0)
    kind = model.get("dynamics", "identity")
    components = rng.gamma(0.5, 1.0, (n_layers, n_components, n_freqs)) + 1e-6
    components /= np.linalg.norm(components, axis=2, keepdims=True)
    envelopes = rng.gamma(0.5, 1.0, (n_layers, n_components, context)) + 1e-6
    envelopes /= np.linalg.norm(envelopes, axis=2, keepdims=True)
    dynamics = np.ones(n_components)
    if kind != "identity":
        dynamics = rng.uniform(0.3, 1.2, n_components)
    if kind == "full":
        dynamics = np.diag(dynamics) + 0.1 * rng.standard_normal((n_components, n_components))
    steps = [0.9 / np.linalg.norm(layer, 2) ** 2 for layer in components]
    return {
        "components": components,
        "envelopes": envelopes,
        "output_components": rng.gamma(0.5, 1.0, (n_components, n_freqs)) + 0.01,
        "step_sizes": np.array(steps),
        "sparsity": rng.uniform(0.05, 0.2, (n_layers, n_components)),
        "initial_activations": rng.uniform(0, 1, n_components),
        "mask_exponent": np.array(1.7),
        "evidence": rng.uniform(-2, 2, (n_components * model.get("evidence", False), n_freqs)),
        "dynamics": dynamics,
        "gru_weight_ih": rng.uniform(-2, 2, (3 * n_units, n_components)),
        "gru_weight_hh": rng.uniform(-1, 1, (3 * n_units, n_units)),
        "gru_bias": rng.uniform(-1, 1, (2, 3 * n_units)),
        "gru_evidence": rng.uniform(-2, 2, (n_units, n_freqs)),
    }


MODELS = {
    "plain": {},
    "diagonal": {"dynamics": "diagonal"},
    "full": {"dynamics": "full", "evidence": True},
    "context": {"context": 3, "dynamics": "diagonal", "evidence": True},
    "full context": {"context": 3, "dynamics": "full"},
    "units": {"dynamics": "full", "evidence": True, "n_units": 4},
    "all": {"dynamics": "full", "context": 3, "evidence": True, "n_units": 4},
}
