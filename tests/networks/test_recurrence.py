import pytest
import torch

from sknmf_unfold.networks import recurrence_loops
from sknmf_unfold.networks.recurrence import (
    GramRecurrence,
    ResidualRecurrence,
    unfolded_recurrence,
)

# Frames, layers, sequences, components, bins.
SHAPES = {
    "some of each": (6, 3, 4, 5, 7),
    "more components than bins": (6, 3, 4, 7, 5),
    "one layer": (6, 1, 4, 5, 3),
    "one frame": (1, 3, 4, 5, 3),
    "one sequence": (6, 3, 1, 5, 3),
    "one component": (6, 3, 4, 1, 3),
    "one of each": (1, 1, 1, 1, 1),
}
NAMES = ("magnitude", "components", "step_sizes", "biases", "dynamics", "initial")


@pytest.fixture(params=[recurrence_loops.GEMM_ROWS, 8], ids=["one part", "parts"], autouse=True)
def rows(request, monkeypatch):
    """The backward pass goes through time in parts; here of all frames, or of two with 4."""
    monkeypatch.setattr(recurrence_loops, "GEMM_ROWS", request.param)


def loop(magnitude, components, step_sizes, biases, dynamics, initial):
    """h <- relu(h + s_k D_k (x - D_k' h) + b_k), one small product after the other, by autograd."""
    state, outputs = initial, []
    for frame in magnitude.unbind(1):
        state = state @ dynamics if dynamics.ndim == 2 else state * dynamics
        for D, step, bias in zip(components, step_sizes, biases, strict=True):
            state = torch.relu(state + step * (frame - state @ D) @ D.T + bias)
        outputs.append(state)
    return torch.stack(outputs)


def gram(magnitude, components, step_sizes, biases, dynamics, initial):
    encoders = step_sizes[:, None, None] * components.mT
    transitions = torch.eye(components.shape[1]).to(components) - components @ encoders
    first = torch.diag(dynamics) @ transitions[:1]
    transitions = torch.cat([first, transitions[1:]])
    return GramRecurrence.apply(magnitude, encoders, biases, transitions, initial)


def chosen(magnitude, components, step_sizes, biases, dynamics, initial):
    return unfolded_recurrence(components, step_sizes, biases, dynamics)(magnitude, initial)


def matrix(magnitude, components, step_sizes, biases, dynamics, initial):
    """The same with a full matrix of dynamics, which has the others beside the diagonal."""
    return chosen(magnitude, components, step_sizes, biases, mixed(dynamics), initial)


def mixed(dynamics):
    return torch.diag(dynamics) + 0.1 * dynamics.outer(dynamics.roll(1))


def lasting(magnitude, components, step_sizes, biases, dynamics, initial):
    """The same of components that last three frames."""
    envelopes = shapes_of(biases)
    weights = components, step_sizes, biases, dynamics, envelopes
    return unfolded_recurrence(*weights)(with_silence(magnitude), initial)


def lasting_loop(magnitude, components, step_sizes, biases, dynamics, initial):
    """The loop on stacks of frames, with dictionaries of outer products."""
    stacks = with_silence(magnitude).unfold(1, 3, 1).mT.flatten(2)
    dictionaries = (shapes_of(biases)[..., None] * components[:, :, None]).flatten(2)
    return loop(stacks, dictionaries, step_sizes, biases, dynamics, initial)


def shapes_of(biases):
    """Envelopes that depend on an argument, which shows their gradients."""
    return torch.stack([0.3 * torch.sin(5 * biases), 0.4 * torch.cos(5 * biases), biases], dim=-1)


def with_silence(magnitude):
    return torch.nn.functional.pad(magnitude, (0, 0, 2, 0))


FORMS = {
    "gram": gram,
    "residual": ResidualRecurrence.apply,
    "chosen": chosen,
    "matrix": matrix,
    "lasting": lasting,
}


def expected_of(form, tensors):
    """What plain autograd makes of it."""
    if form != "matrix":
        return results(lasting_loop if form == "lasting" else loop, tensors)
    return results(lambda *x: loop(*x[:4], mixed(x[4]), x[5]), tensors)


def arguments(shape, dtype=torch.float64, seed=0):
    """Weights around 0, so that the rectifiers of about half of all steps let through."""
    n_frames, n_layers, n_batch, n_components, n_freqs = shape
    generator = torch.Generator().manual_seed(seed)

    def draw(*size):
        return torch.randn(size, generator=generator, dtype=torch.float64)

    components = draw(n_layers, n_components, n_freqs)
    tensors = [
        draw(n_batch, n_frames, n_freqs),
        components / (n_components * n_freqs) ** 0.25,
        0.5 + 0.3 * draw(n_layers).sigmoid(),
        0.2 + 0.3 * draw(n_layers, n_components),
        0.7 + 0.3 * draw(n_components).sigmoid(),
        draw(n_batch, n_components).abs(),
    ]
    return [x.to(dtype).requires_grad_() for x in tensors]


def results(function, tensors):
    """Output, and the gradients of a weighted sum of it with respect to all arguments."""
    output = function(*tensors)
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    gradients = torch.autograd.grad((output * weights.to(output.dtype)).sum(), tensors)
    return [output.detach(), *gradients]


def assert_same(actual, expected, tolerance):
    for name, one, other in zip(("output", *NAMES), actual, expected, strict=True):
        assert one.dtype == other.dtype
        # Relative to the largest entry, which sums over frames grow with.
        scale = max(1.0, float(other.abs().max()))
        torch.testing.assert_close(
            one, other, rtol=0, atol=tolerance * scale, msg=lambda text, name=name: name + text
        )


# Along random directions, and for every entry.
@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradients_are_those_of_finite_differences(shape, form, fast):
    settings = {"eps": 1e-7, "atol": 1e-6, "fast_mode": fast}
    assert torch.autograd.gradcheck(FORMS[form], arguments(shape), **settings)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)], ids=str
)
@pytest.mark.parametrize("shape", [*SHAPES.values(), (40, 2, 3, 20, 30)], ids=[*SHAPES, "larger"])
def test_output_and_gradients_equal_those_of_autograd(shape, dtype, tolerance, form):
    tensors = arguments(shape, dtype)
    assert_same(results(FORMS[form], tensors), expected_of(form, tensors), 3 * tolerance)


def test_the_data_of_these_tests_exercise_both_sides_of_the_rectifier():
    for shape in list(SHAPES.values())[:5]:
        output = loop(*arguments(shape))
        assert 0.1 < float((output > 0).double().mean()) < 0.95


@pytest.mark.parametrize("form", FORMS)
def test_no_argument_needs_a_gradient_that_nobody_asks_for(form):
    tensors = arguments((6, 3, 4, 5, 7))
    expected = expected_of(form, tensors)
    for i, name in enumerate(NAMES):
        alone = [x.detach().requires_grad_(i == j) for j, x in enumerate(tensors)]
        output = FORMS[form](*alone)
        generator = torch.Generator().manual_seed(1)
        weights = torch.randn(output.shape, generator=generator, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((output * weights).sum(), [alone[i]])
        torch.testing.assert_close(gradient, expected[1 + i], rtol=0, atol=1e-13, msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_arguments_are_left_alone(form):
    for level in (1e-8, 1.0, 1e4):
        tensors = [(level * x).detach().requires_grad_() for x in arguments((6, 3, 4, 5, 7))]
        copies = [x.detach().clone() for x in tensors]
        results(FORMS[form], tensors)
        for tensor, copy in zip(tensors, copies, strict=True):
            assert torch.equal(tensor, copy)


@pytest.mark.parametrize("form", FORMS)
def test_strided_arguments_are_taken(form):
    tensors = arguments((6, 3, 4, 5, 7))
    expected = expected_of(form, tensors)
    strided = [x.detach().clone() for x in tensors]
    for i in (0, 1, 3, 5):
        strided[i] = strided[i].mT.contiguous().mT
        assert not strided[i].is_contiguous()
    strided = [x.requires_grad_() for x in strided]
    assert_same(results(FORMS[form], strided), expected, 1e-14)


@pytest.mark.parametrize("form", ["gram", "residual", "chosen"])
def test_one_initial_state_for_the_whole_batch_gets_the_sum_of_the_gradients(form):
    *others, initial = arguments((6, 3, 4, 5, 7))
    one = initial[0].detach().requires_grad_()
    gradients = []
    for function in (FORMS[form], loop):
        output = function(*others, one.expand(4, -1))
        gradients.append(torch.autograd.grad(output.square().sum(), one)[0])
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-13)
    assert gradients[0].abs().max() > 1e-3


@pytest.mark.parametrize("form", FORMS)
def test_a_rectifier_at_zero_passes_no_gradient(form):
    # As torch's own relu: silence at the start must not train what made it.
    shapes = [(1, 2, 3), (1, 3, 3), (1,), (1, 3), (3,), (1, 3)]
    tensors = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    for gradient in results(FORMS[form], tensors):
        assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("form", FORMS)
def test_second_derivatives_are_refused_and_not_wrong(form):
    tensors = arguments((2, 2, 1, 3, 3))
    output = FORMS[form](*tensors).square().sum()
    (gradient,) = torch.autograd.grad(output, tensors[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("size", [5, 6])
def test_no_dynamics_are_those_that_change_nothing(size):
    *others, dynamics, initial = arguments((6, 3, 4, size, 5))
    without = chosen(*others, None, initial)
    ones = torch.ones_like(dynamics)
    for each in (ones, torch.diag(ones)):
        torch.testing.assert_close(chosen(*others, each, initial), without, rtol=0, atol=1e-13)
    results(lambda *x: chosen(*x[:4], None, x[4]), [*others, initial])


def test_the_form_with_fewer_multiplications_is_chosen():
    for n_components, form in ((5, "GramRecurrence"), (6, "ResidualRecurrence")):
        output = chosen(*arguments((2, 1, 1, n_components, 5)))
        assert type(output.grad_fn).__name__ == f"{form}Backward"
