import itertools

import numpy as np
import pytest
import torch

from sknmf_unfold.networks.deep_nmf import DeepNMF
from sknmf_unfold.runtime.deep_nmf import DeepNMFInference


def make(beta, n_fixed=2, n_trained=2, sparsity=0.3, exponent=1.5):
    rng = np.random.default_rng(0)
    components = rng.gamma(1.0, 1.0, (n_trained + 2, 6, 9))
    components /= np.linalg.norm(components, axis=-1, keepdims=True)
    first, *layers, output = torch.from_numpy(components)
    settings = {"n_fixed_updates": n_fixed, "beta": beta, "sparsity": sparsity}
    exponent = torch.tensor(exponent, dtype=torch.float64)
    values = {"components": first, "layer_components": torch.stack(layers)}
    values |= {"output_components": output, "mask_exponent": exponent}
    return DeepNMF(values, **settings)


def loop(network, x):
    """Mask of one frame, component by component (Le Roux, Hershey, Weninger 2015, section 3)."""
    values = {name: value.numpy() for name, value in network.values().items()}
    dictionaries = [values["components"]] * network.n_fixed_updates
    dictionaries += list(values["layer_components"])
    h = np.full(6, x.sum() / values["components"].sum())
    for components in dictionaries:
        model = sum(h[n] * components[n] for n in range(6))
        new = np.empty(6)
        for n in range(6):
            up = np.sum(components[n] * x * model ** (network.beta - 2))
            down = np.sum(components[n] * model ** (network.beta - 1)) + network.sparsity
            new[n] = h[n] * up / down
        h = new
    estimates = [h[part] @ values["output_components"][part] for part in (slice(3), slice(3, 6))]
    powers = [estimate ** values["mask_exponent"] for estimate in estimates]
    return h, powers[0] / sum(powers)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_the_network_is_the_loop_over_components(beta):
    network = make(beta)
    frames = np.random.default_rng(1).gamma(0.5, 2.0, (2, 3, 9))
    with torch.no_grad():
        hidden = network.hidden(torch.from_numpy(frames))
        masks, _ = network(torch.from_numpy(frames))
    for b in range(2):
        for t in range(3):
            h, mask = loop(network, frames[b, t])
            np.testing.assert_allclose(hidden[t, b], h, rtol=1e-10)
            np.testing.assert_allclose(masks[b, 0, t], mask, rtol=0, atol=1e-10)
            np.testing.assert_allclose(masks[b, 1, t], 1 - mask, rtol=0, atol=1e-10)


# Along random directions, and for every entry.
@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_gradients(beta, fast):
    network = make(beta)
    network.log_exponent.requires_grad_()
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    frames = torch.from_numpy(np.random.default_rng(1).gamma(0.5, 2.0, (2, 2, 9)))

    def masks(*parameters):
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(network, named, (frames,))[0]

    values = [dict(network.named_parameters())[name].detach().requires_grad_() for name in names]
    assert set(names) == {"log_components", "log_output", "log_exponent"}
    assert torch.autograd.gradcheck(masks, values, fast_mode=fast)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_updates_lower_the_objective(beta):
    from sknmf_unfold.nmf.divergence import beta_divergence

    network = make(beta, n_trained=1)
    components = network.components
    frames = torch.from_numpy(np.random.default_rng(1).gamma(0.5, 2.0, (1, 4, 9)))
    objectives = []
    for n_fixed in range(1, 12):
        network.n_fixed_updates = n_fixed
        network.log_components.data = torch.log(components)[None]
        with torch.no_grad():
            h = network.hidden(frames)[:, 0].numpy()
        model = h @ components.numpy()
        penalty = network.sparsity * h.sum()
        objectives.append(beta_divergence(frames[0].numpy(), model, beta) + penalty)
    assert all(later <= earlier for earlier, later in itertools.pairwise(objectives))


def test_silence_and_silent_bins_stay_finite():
    network = make(1.0).float()
    frames = torch.zeros(1, 3, 9)
    frames[0, 1, 2] = 1.0
    masks, _ = network(frames)
    masks.sum().backward()
    assert torch.isfinite(masks).all()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.requires_grad)


def test_only_the_last_layers_are_trained():
    network = make(1.0, n_fixed=20)
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {
        "log_components",
        "log_output",
    }


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_activations_in_numpy_are_the_same(beta):
    network = make(beta)
    values = {name: value.numpy() for name, value in network.values().items()}
    dictionaries = [values["components"]] * network.n_fixed_updates
    dictionaries += list(values["layer_components"])
    frames = np.random.default_rng(1).gamma(0.5, 2.0, (5, 9))
    with torch.no_grad():
        expected = network.hidden(torch.from_numpy(frames)[None])[:, 0]
    actual = DeepNMFInference(dictionaries, beta, network.sparsity)(frames)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
