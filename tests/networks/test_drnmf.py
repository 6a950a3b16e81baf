import copy
import functools

import numpy as np
import pytest
import torch

from sknmf_unfold.networks.drnmf import DRNMF
from sknmf_unfold.networks.gru import draw_gru
from sknmf_unfold.networks.initial_weights import ENVELOPE_DECAY, unfold
from sknmf_unfold.runtime.ista import largest_eigenvalue
from tests.oracles.ista import warm_ista_loop
from tests.oracles.recurrence import drnmf_loop

N_FREQS, N_COMPONENTS, SPARSITY = 14, 6, 0.1
LEARN_ALL = {"learn_sparsity": True, "learn_mask_exponent": True, "learn_dynamics": True}
TOLERANCES = {"float32": 1e-5, "float64": 1e-10}


def problem(n_sequences=3, n_frames=20, dtype="float64", seed=0):
    """Magnitudes (n_sequences, n_frames, N_FREQS) and the dictionary of unit rows they use."""
    rng = np.random.default_rng(seed)
    components = rng.gamma(0.5, 1.0, (N_COMPONENTS, N_FREQS))
    components[0, :3] = 0
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    activations = rng.gamma(0.5, 2.0, (n_sequences, n_frames, N_COMPONENTS)) + 0.1
    return (activations @ components).astype(dtype), components.astype(dtype)


def untrained(
    components,
    n_layers=2,
    sparsity=SPARSITY,
    dynamics="identity",
    context=1,
    evidence=False,
    n_gru_units=0,
    **settings,
):
    step_size = 1 / largest_eigenvalue(components)
    components = torch.from_numpy(components)
    model = {"dynamics": dynamics, "context": context, "evidence": evidence}
    model["gru"] = draw_gru(components, n_gru_units, np.random.RandomState(0))
    return DRNMF(unfold(components, n_layers, sparsity, step_size, **model), **settings)


def trained(**settings):
    """A network whose layers have different weights, and magnitudes."""
    return copy.deepcopy(train(**settings))


@functools.cache
def train(n_layers=3, dtype="float64", n_steps=10, learning_rate=0.1, **settings):
    magnitude, components = problem(dtype=dtype)
    network = untrained(components, n_layers, **settings)
    magnitude = torch.from_numpy(magnitude)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss(network, magnitude).backward()
        optimizer.step()
    return network, magnitude


def loss(network, magnitude):
    """Signal approximation of a target that is most of the low bins and little of the high ones."""
    masks, _ = network(magnitude)
    target = magnitude * torch.linspace(1, 0, magnitude.shape[-1], dtype=magnitude.dtype)
    return (target - masks[:, 0] * magnitude).square().mean()


# It is warm-start ISTA


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_untrained_equals_warm_start_ista(n_layers, dtype):
    magnitude, components = problem(dtype=dtype)
    network = untrained(components, n_layers)
    settings = {"sparsity": SPARSITY, "step_size": 1 / largest_eigenvalue(components)}
    exact = components.astype("float64")
    expected = [warm_ista_loop(x, exact, n_iter=n_layers, **settings) for x in magnitude]
    with torch.no_grad():
        masks, state = network(torch.from_numpy(magnitude))
        activations = network.hidden(torch.from_numpy(magnitude)).transpose(0, 1)
    assert masks.dtype == state.dtype == getattr(torch, dtype)
    assert masks.shape == (3, 2, 20, N_FREQS)
    tolerance = TOLERANCES[dtype]
    np.testing.assert_allclose(activations, expected, rtol=0, atol=10 * tolerance)
    np.testing.assert_array_equal(state, activations[:, -1])
    for mask, h in zip(masks, expected, strict=True):
        target, rest = h[:, :3] @ exact[:3], h[:, 3:] @ exact[3:]
        wanted = target / (target + rest)
        assert wanted.std() > 0.1, "constant masks would prove nothing"
        np.testing.assert_allclose(mask[0], wanted, rtol=0, atol=tolerance)
        np.testing.assert_allclose(mask[1], 1 - wanted, rtol=0, atol=tolerance)


MODELS = [
    {"dynamics": "diagonal", "context": 1, "evidence": False},
    {"dynamics": "full", "context": 1, "evidence": True},
    {"dynamics": "diagonal", "context": 3, "evidence": True},
    {"dynamics": "full", "context": 3, "evidence": False},
    {"dynamics": "full", "context": 1, "evidence": True, "n_gru_units": 4},
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_trained_equals_the_loop_with_the_values_of_each_layer(model):
    network, magnitude = trained(**model, **LEARN_ALL)
    values = {name: value.numpy() for name, value in network.values().items()}
    assert values["initial_activations"].max() > 0.01
    assert abs(values["mask_exponent"] - 1) > 0.1
    dynamics = values["dynamics"]
    carry = np.diag(dynamics) if dynamics.ndim == 1 else dynamics
    assert 0.05 < np.abs(carry - np.eye(N_COMPONENTS)).max() < 2
    for name in ("evidence", "gru_evidence"):
        assert not values[name].size or np.ptp(values[name]) > 0.1
    with torch.no_grad():
        hidden, masks = network.hidden(magnitude), network(magnitude)[0].numpy()
        # As in training, which has one mask only.
        trained_for = network.target_mask(hidden, network.output_weights())
    activations = hidden[..., :N_COMPONENTS].transpose(0, 1).numpy()
    for i, sequence in enumerate(magnitude.numpy()):
        expected = drnmf_loop(values, sequence)
        np.testing.assert_allclose(activations[i], expected[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(masks[i, 0], expected[1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(trained_for[:, i], expected[1], rtol=0, atol=1e-12)


def test_untrained_equals_the_slow_loop():
    magnitude, components = problem(1, 5)
    with torch.no_grad():
        activations = untrained(components, 2).hidden(torch.from_numpy(magnitude))[:, 0]
    step_size = 1 / largest_eigenvalue(components)
    expected = warm_ista_loop(magnitude[0], components, SPARSITY, step_size, 2)
    np.testing.assert_allclose(activations, expected, rtol=0, atol=1e-12)


# Sequences, batches, blocks


@pytest.mark.parametrize(
    "model", [{}, {"context": 4}, {"evidence": True, "n_gru_units": 3}], ids=str
)
@pytest.mark.parametrize("cuts", [[1], [19], [7, 8, 15]])
def test_carrying_the_state_over_blocks_equals_one_go(cuts, model):
    network, magnitude = trained(**model)
    with torch.no_grad():
        whole, last = network(magnitude)
        blocks, state = [], None
        for block in torch.tensor_split(magnitude, cuts, dim=1):
            masks, state = network(block, state)
            blocks.append(masks)
        forgetful = network(magnitude[:, cuts[0] :])[0]
    torch.testing.assert_close(torch.cat(blocks, dim=2), whole, rtol=0, atol=1e-13)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-13)
    # The state matters: without it the second block would start otherwise.
    assert (forgetful[:, :, 0] - whole[:, :, cuts[0]]).abs().max() > 1e-4


def test_batch_equals_one_by_one():
    network, magnitude = trained()
    with torch.no_grad():
        together, states = network(magnitude)
        for i, sequence in enumerate(magnitude):
            alone, state = network(sequence[None])
            torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-13)
            torch.testing.assert_close(states[i : i + 1], state, rtol=0, atol=1e-13)


def test_a_frame_does_not_depend_on_later_ones():
    network, magnitude = trained()
    changed = magnitude.clone()
    changed[:, 11:] *= 3
    with torch.no_grad():
        before, after = network(magnitude)[0], network(changed)[0]
    torch.testing.assert_close(before[:, :, :11], after[:, :, :11], rtol=0, atol=1e-14)
    assert (before[:, :, 11:] - after[:, :, 11:]).abs().max() > 1e-3


@pytest.mark.parametrize("level", [0.0, 1e-8, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_are_shares(level, dtype):
    network, magnitude = trained(dtype=dtype)
    with torch.no_grad():
        masks, _ = network(level * magnitude)
    assert 0 <= float(masks.min()) <= float(masks.max()) <= 1
    eps = torch.finfo(masks.dtype).eps
    torch.testing.assert_close(masks.sum(dim=1), torch.ones_like(magnitude), rtol=0, atol=4 * eps)


# Weights and values


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("n_steps", [0, 10])
def test_values_make_the_same_network_again(n_steps, dtype):
    network, magnitude = trained(dtype=dtype, n_steps=n_steps, **LEARN_ALL)
    values = network.values()
    assert not any(value.requires_grad for value in values.values())
    again = DRNMF(values)
    tolerance = 10 * torch.finfo(magnitude.dtype).eps
    for name, value in again.values().items():
        torch.testing.assert_close(value, values[name], rtol=tolerance, atol=tolerance)
    with torch.no_grad():
        one, other = network(magnitude)[0], again(magnitude)[0]
    torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCES[dtype])


@pytest.mark.parametrize("matrix", [False, True])
def test_values_are_those_that_went_in(matrix):
    rng = np.random.default_rng(0)
    _, components = problem()
    values = {
        "components": np.stack([components, components[::-1]]),
        "envelopes": np.tile(np.sqrt([0.1, 0.6, 0.3]), (2, N_COMPONENTS, 1)),
        "output_components": rng.random((N_COMPONENTS, N_FREQS)) + 0.1,
        "step_sizes": np.array([0.1, 0.7]),
        "sparsity": rng.random((2, N_COMPONENTS)) + 0.1,
        "initial_activations": rng.random(N_COMPONENTS),
        "mask_exponent": np.array(1.7),
        "evidence": rng.uniform(-1, 1, (N_COMPONENTS * matrix, N_FREQS)),
        "dynamics": rng.uniform(-1, 1, (N_COMPONENTS,) * 2) if matrix else 0.5 + rng.random(6),
        "gru_weight_ih": rng.uniform(-1, 1, (6 * matrix, N_COMPONENTS)),
        "gru_weight_hh": rng.uniform(-1, 1, (6 * matrix, 2 * matrix)),
        "gru_bias": rng.uniform(-1, 1, (2, 6 * matrix)),
        "gru_evidence": rng.uniform(-1, 1, (2 * matrix, N_FREQS)),
    }
    tensors = {name: torch.from_numpy(x.copy()) for name, x in values.items()}
    network = DRNMF(tensors)
    out = network.values()
    assert list(out) == list(values)
    for name, value in values.items():
        # Zeros come back as the smallest number that has a logarithm worth training.
        np.testing.assert_allclose(out[name], value, rtol=1e-13, atol=1e-15)
    # A copy: training the network must not change what it was made from.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    np.testing.assert_array_equal(tensors["initial_activations"], values["initial_activations"])
    assert float(out["initial_activations"].max()) <= 1


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_training_keeps_unit_rows_and_signs(dtype):
    model = {"context": 3, **LEARN_ALL}
    network, _ = trained(dtype=dtype, n_steps=30, learning_rate=0.5, **model)
    start = untrained(problem(dtype=dtype)[1], 3, **model).values()
    end = network.values()
    for name in ("evidence", "gru_evidence", "gru_weight_ih", "gru_weight_hh", "gru_bias"):
        assert not end.pop(name).numel(), name
    for name, value in end.items():
        assert torch.isfinite(value).all(), name
        assert float(value.min()) >= 0, name
        moved = float((value - start[name]).abs().max()) > 0.01
        assert moved, name
    for name in ("components", "envelopes"):
        norms = torch.linalg.vector_norm(end[name], dim=-1)
        eps = torch.finfo(norms.dtype).eps
        torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=4 * eps)
        # Layers are untied.
        assert float((end[name][0] - end[name][1]).abs().max()) > 0.01


def test_initial_activations_are_never_negative():
    network, magnitude = trained(n_steps=0)
    with torch.no_grad():
        values = torch.linspace(-1, 1, N_COMPONENTS, dtype=torch.float64)
        network.initial.copy_(values)
        expected = values.clamp(min=0)
        assert torch.equal(network.initial_activations(), expected)
        from_start = network(magnitude)[0]
        from_state = network(magnitude, expected.expand(3, -1))[0]
    torch.testing.assert_close(from_start, from_state, rtol=0, atol=1e-14)


def test_unfold_ties_all_layers():
    _, components = problem()
    values = unfold(torch.from_numpy(components), 4, 0.3, 0.02)
    shapes = {name: tuple(value.shape) for name, value in values.items()}
    assert shapes == {
        "components": (4, N_COMPONENTS, N_FREQS),
        "envelopes": (4, N_COMPONENTS, 1),
        "output_components": (N_COMPONENTS, N_FREQS),
        "step_sizes": (4,),
        "sparsity": (4, N_COMPONENTS),
        "initial_activations": (N_COMPONENTS,),
        "mask_exponent": (),
        "evidence": (0, N_FREQS),
        "dynamics": (N_COMPONENTS,),
        "gru_weight_ih": (0, N_COMPONENTS),
        "gru_weight_hh": (0, 0),
        "gru_bias": (2, 0),
        "gru_evidence": (0, N_FREQS),
    }
    for layer in values["components"]:
        np.testing.assert_array_equal(layer, components)
    np.testing.assert_array_equal(values["output_components"], components)
    assert (values["step_sizes"] == 0.02).all()
    assert (values["sparsity"] == 0.3).all()
    assert (values["initial_activations"] == 0).all()
    assert (values["mask_exponent"] == 1).all()
    assert (values["dynamics"] == 1).all()
    convinced = unfold(torch.from_numpy(components), 4, 0.3, 0.02, evidence=True)["evidence"]
    np.testing.assert_array_equal(convinced, np.zeros((N_COMPONENTS, N_FREQS)))
    full = unfold(torch.from_numpy(components), 4, 0.3, 0.02, "full")["dynamics"]
    np.testing.assert_array_equal(full, np.eye(N_COMPONENTS))
    lasting = unfold(torch.from_numpy(components), 4, 0.3, 0.02, context=3)
    assert lasting["envelopes"].shape == (4, N_COMPONENTS, 3)
    np.testing.assert_array_equal(lasting["components"], values["components"])
    np.testing.assert_allclose(lasting["envelopes"].norm(dim=-1), 1, rtol=0, atol=1e-12)
    oldest, middle, latest = lasting["envelopes"].unbind(-1)
    np.testing.assert_allclose(middle, ENVELOPE_DECAY * latest, rtol=0, atol=1e-12)
    np.testing.assert_allclose(oldest, ENVELOPE_DECAY * middle, rtol=0, atol=1e-12)
    assert {value.dtype for value in values.values()} == {torch.float64}


# Gradients


@pytest.mark.parametrize(
    ("learned", "fixed"),
    [
        ({}, {"log_sparsity", "log_exponent", "raw_dynamics"}),
        ({"learn_sparsity": True}, {"log_exponent", "raw_dynamics"}),
        ({"learn_mask_exponent": True}, {"log_sparsity", "raw_dynamics"}),
        (LEARN_ALL, set()),
        (LEARN_ALL | {"dynamics": "full"}, set()),
        (LEARN_ALL | {"context": 3}, set()),
        (LEARN_ALL | {"evidence": True}, set()),
    ],
)
@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_a_gradient_reaches_every_trained_parameter(n_layers, learned, fixed):
    magnitude, components = problem()
    network = untrained(components, n_layers, **learned)
    loss(network, torch.from_numpy(magnitude)).backward()
    untouched = {name for name, p in network.named_parameters() if p.grad is None}
    absent = {"log_envelopes": network.context == 1, "evidence": not len(network.evidence)}
    absent |= dict.fromkeys(("gru.raw", "raw_gru_evidence"), True)
    assert untouched == fixed | {name for name, is_absent in absent.items() if is_absent}
    for name, parameter in network.named_parameters():
        if name in untouched:
            continue
        assert torch.isfinite(parameter.grad).all(), name
        # Also in every layer, and into initial activations that are exactly 0.
        by_layer = name.startswith("log_") and name not in ("log_output", "log_exponent")
        layers = parameter.grad if by_layer else parameter.grad[None]
        for gradient in layers.reshape(len(layers), -1):
            assert float(gradient.abs().max()) > 1e-7, name


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_gradients_are_those_of_finite_differences(model):
    network, magnitude = trained(n_layers=2, **model, **LEARN_ALL)
    network.zero_grad()
    loss(network, magnitude).backward()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            assert name == "log_envelopes" or not parameter.numel()
            continue
        direction = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        slope = float((parameter.grad * direction).sum())
        sides = []
        with torch.no_grad():
            for step in (1e-5, -1e-5):
                parameter.add_(direction, alpha=step)
                sides.append(float(loss(network, magnitude)))
                parameter.sub_(direction, alpha=step)
        assert slope == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-8, 1e-3, 1e4])
def test_gradients_are_finite_at_any_level(level, dtype):
    magnitude, components = problem(dtype=dtype)
    network = untrained(components, 2, **LEARN_ALL)
    magnitude = torch.from_numpy(level * magnitude).to(getattr(torch, dtype))
    # A recording that begins with digital silence, too.
    magnitude[0, :5] = 0
    loss(network, magnitude).backward()
    for name, parameter in network.named_parameters():
        assert not parameter.requires_grad or torch.isfinite(parameter.grad).all(), name


# Edges


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 14), (1, 5, 1), (4, 1, 3)])
def test_one_sequence_one_frame_one_bin(shape):
    rng = np.random.default_rng(0)
    components = rng.random((2, shape[-1])) + 0.1
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    magnitude = rng.random(shape) + 0.5
    with torch.no_grad():
        masks, state = untrained(components, 1)(torch.from_numpy(magnitude))
    assert masks.shape == (shape[0], 2, *shape[1:])
    assert state.shape == (shape[0], 2)
    step_size = 1 / largest_eigenvalue(components)
    for mask, x in zip(masks, magnitude, strict=True):
        h = warm_ista_loop(x, components, SPARSITY, step_size, 1)
        target, rest = h[:, :1] @ components[:1], h[:, 1:] @ components[1:]
        np.testing.assert_allclose(mask[0], target / (target + rest), rtol=0, atol=1e-12)


def test_inputs_are_left_alone():
    network, magnitude = trained()
    for level in (1e-8, 1.0, 1e4):
        scaled = level * magnitude
        state = torch.full((3, N_COMPONENTS), level, dtype=torch.float64)
        copies = scaled.clone(), state.clone()
        loss(network, scaled).backward()
        network(scaled, state)
        assert torch.equal(scaled, copies[0])
        assert torch.equal(state, copies[1])
