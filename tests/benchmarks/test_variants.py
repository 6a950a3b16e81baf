import numpy as np
import pytest
import torch

from benchmarks import open_speech
from benchmarks._results import read_rows
from benchmarks.variants import RECIPES, VARIANTS, main, separator_of
from sknmf_unfold.datasets import make_noisy_speech
from sknmf_unfold.networks.initial_weights import unfold

SETTINGS = {"learn_sparsity": True, "learn_mask_exponent": True, "learn_dynamics": True}


def mask_of(network, magnitude):
    return network.target_mask(network.hidden(magnitude), network.output_weights())


@pytest.fixture
def start():
    generator = torch.Generator().manual_seed(0)
    components = torch.rand(6, 9, generator=generator)
    components /= components.norm(dim=1, keepdim=True)
    values = unfold(components, 3, 0.1, 0.2, "full", context=3, evidence=True)
    return values, torch.rand(2, 12, 9, generator=generator)


def lasting(values):
    """Components as they last for three frames, and the step of all layers."""
    lasting = values["envelopes"][0, :, :, None] * values["components"][0, :, None]
    return lasting.flatten(1), values["step_sizes"][0]


def windows_of(magnitude):
    """Every frame with the two before it, the oldest first."""
    padded = torch.nn.functional.pad(magnitude, (0, 0, 2, 0))
    return [padded[:, t : t + 3].flatten(1) for t in range(magnitude.shape[1])]


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_begin_as_the_network_and_learn_all_weights(name, start):
    values, magnitude = start
    network = VARIANTS[name](values, **SETTINGS)
    with torch.no_grad():
        if name == "momentum":
            network.momentum.zero_()
        if name == "alike":
            network.log_strengths.fill_(-20)
        expected = mask_of(VARIANTS["none"](values, **SETTINGS), magnitude)
        assert expected.std() > 0.03
        # Nothing is left out where nothing is trained.
        torch.testing.assert_close(mask_of(network, magnitude), expected, rtol=0, atol=2e-6)
    (mask_of(network, magnitude) * torch.linspace(0, 1, 9)).sum().backward()
    # There are no GRU units, whose weights are empty.
    for parameter in filter(torch.Tensor.numel, network.parameters()):
        assert parameter.grad.abs().max() > 0


def test_momentum_is_that_of_fista(start):
    values, magnitude = start
    network = VARIANTS["momentum"](values, **SETTINGS)
    with torch.no_grad():
        hidden = network.hidden(magnitude)
        h = torch.zeros(2, 6)
        D, step = lasting(values)
        for latest, x in zip(hidden, windows_of(magnitude), strict=True):
            before, start_of_layer = h, h
            for _ in range(3):
                gradient = (start_of_layer @ D - x) @ D.T + 0.1
                h = torch.relu(start_of_layer - step * gradient)
                start_of_layer, before = h + 0.3 * (h - before), h
            torch.testing.assert_close(latest, h, rtol=0, atol=1e-5)


def test_alike_is_the_gradient_of_its_penalty(start):
    values, magnitude = start
    # Transitions that are not the identity.
    values["dynamics"] = values["dynamics"] + torch.linspace(0, 0.1, 36).reshape(6, 6)
    network = VARIANTS["alike"](values, **SETTINGS)
    with torch.no_grad():
        network.log_strengths.copy_(torch.tensor([0.5, 2.0]).log())
        hidden = network.hidden(magnitude)
    h = torch.zeros(2, 6)
    D, step = lasting(values)
    for latest, x in zip(hidden, windows_of(magnitude), strict=True):
        h = began = h @ values["dynamics"]
        for strength in (0.0, 0.5, 2.0):
            h = h.detach().requires_grad_()
            error = 0.5 * ((x - h @ D) ** 2).sum() + 0.1 * h.sum()
            error = error + 0.5 * strength * ((h @ D - began @ D) ** 2).sum()
            h = torch.relu(h - step * torch.autograd.grad(error, h)[0]).detach()
        torch.testing.assert_close(latest, h, rtol=0, atol=1e-5)


def test_recipes_of_variants_reach_training():
    rng = np.random.RandomState(0)
    X = [np.abs(rng.standard_normal((40, 9))) for _ in range(3)]
    Y = [0.5 * x for x in X]
    settings = {"max_epochs": 1, "batch_size": 1, "remix": False, "loss": "signal_approximation"}
    settings["random_state"] = 0
    losses, sizes = {}, {}
    for name in ("none", *RECIPES):
        separator = separator_of(name)(2, 3, **settings).fit(X, Y, validation_data=(X, Y))
        losses[name] = separator.history_["validation_loss"]
        sizes[name] = separator.n_parameters_
    for name in RECIPES:
        assert losses["none"][0] == losses[name][0]
        assert losses["none"][1] != losses[name][1]
    fixed = [sizes["none"] - sizes[name] for name in ("last", "fixed-sparsity", "fixed-exponent")]
    # A sparsity weight for each component of each layer; one exponent.
    assert fixed == [0, 2 * 6, 1]


def test_a_variant_is_trained_once(tmp_path, monkeypatch, capsys):
    X, Y = make_noisy_speech(3, duration=0.5, random_state=0)
    monkeypatch.setattr(open_speech, "load", lambda *args, cache: (X, Y))
    path = tmp_path / "rows.jsonl"
    arguments = ["--variants", "none", "shared", "--components", "4", "--results", str(path)]
    main([*arguments, "--set", "max_epochs=1", "batch_size=2"])
    written = path.stat().st_mtime_ns
    main([*arguments, "--set", "batch_size=2", "max_epochs=1"])
    rows = read_rows(path)
    assert [row["variant"] for row in rows] == ["none", "shared"]
    assert {row["settings"] for row in rows} == {"2x4,batch_size=2,max_epochs=1"}
    assert written == path.stat().st_mtime_ns
    assert capsys.readouterr().out.count("epoch   1") == 4
