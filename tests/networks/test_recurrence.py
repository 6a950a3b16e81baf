import pytest
import torch

from sknmf_unfold.networks.recurrence import UnfoldedRecurrence

SHAPES = {
    "some of each": (6, 3, 4, 5),
    "one layer": (6, 1, 4, 5),
    "one frame": (1, 3, 4, 5),
    "one sequence": (6, 3, 1, 5),
    "one component": (6, 3, 4, 1),
    "one of each": (1, 1, 1, 1),
}


def loop(inputs, transitions, initial):
    """h <- relu(h W_k + b_tk), one small product after the other, recorded by autograd."""
    state, outputs = initial, []
    for frame in inputs:
        for layer, transition in zip(frame, transitions, strict=True):
            state = torch.relu(state @ transition + layer)
        outputs.append(state)
    return torch.stack(outputs)


def arguments(shape, dtype=torch.float64, seed=0):
    """Inputs around 0, so that the rectifiers of about half of all steps let through."""
    _, n_layers, n_batch, n_components = shape
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(shape, generator=generator, dtype=torch.float64) + 0.2
    transitions = torch.randn(
        (n_layers, n_components, n_components), generator=generator, dtype=torch.float64
    )
    transitions /= n_components**0.5
    initial = torch.rand((n_batch, n_components), generator=generator, dtype=torch.float64)
    return [x.to(dtype).requires_grad_() for x in (inputs, transitions, initial)]


def results(function, tensors):
    """Output, and the gradients of a weighted sum of it with respect to all arguments."""
    output = function(*tensors)
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    gradients = torch.autograd.grad((output * weights.to(output.dtype)).sum(), tensors)
    return [output.detach(), *gradients]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradients_are_those_of_finite_differences(shape):
    tensors = arguments(shape)
    assert torch.autograd.gradcheck(UnfoldedRecurrence.apply, tensors, eps=1e-7, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)], ids=str
)
@pytest.mark.parametrize("shape", [*SHAPES.values(), (40, 2, 3, 20)], ids=[*SHAPES, "larger"])
def test_output_and_gradients_equal_those_of_autograd(shape, dtype, tolerance):
    tensors = arguments(shape, dtype)
    for actual, expected in zip(
        results(UnfoldedRecurrence.apply, tensors), results(loop, tensors), strict=True
    ):
        assert actual.dtype == dtype
        # Relative to the largest entry, which sums over frames grow with.
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale)


def test_the_data_of_these_tests_exercise_both_sides_of_the_rectifier():
    for shape in list(SHAPES.values())[:5]:
        output = loop(*arguments(shape))
        assert 0.1 < float((output > 0).double().mean()) < 0.95


def test_inputs_are_left_alone():
    for level in (1e-8, 1.0, 1e4):
        tensors = [(level * x).detach().requires_grad_() for x in arguments((6, 3, 4, 5))]
        copies = [x.detach().clone() for x in tensors]
        results(UnfoldedRecurrence.apply, tensors)
        for tensor, copy in zip(tensors, copies, strict=True):
            assert torch.equal(tensor, copy)


def test_strided_arguments_are_taken():
    inputs, transitions, initial = arguments((6, 3, 4, 5))
    expected = results(loop, [inputs, transitions, initial])
    strided = [
        inputs.detach().permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
        transitions.detach().mT.contiguous().mT,
        initial.detach().T.contiguous().T,
    ]
    assert not any(x.is_contiguous() for x in strided)
    actual = results(UnfoldedRecurrence.apply, [x.requires_grad_() for x in strided])
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


def test_one_initial_state_for_the_whole_batch_gets_the_sum_of_the_gradients():
    inputs, transitions, initial = arguments((6, 3, 4, 5))
    one = initial[0].detach().requires_grad_()
    gradients = []
    for function in (UnfoldedRecurrence.apply, loop):
        output = function(inputs, transitions, one.expand(4, -1))
        gradients.append(torch.autograd.grad(output.square().sum(), one)[0])
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-13)
    assert gradients[0].abs().max() > 1e-3


def test_a_rectifier_at_zero_passes_no_gradient():
    # As torch's own relu: silence at the start must not train what made it.
    tensors = [torch.zeros(2, 1, 1, 3), torch.zeros(1, 3, 3), torch.zeros(1, 3)]
    tensors = [x.double().requires_grad_() for x in tensors]
    for gradient in results(UnfoldedRecurrence.apply, tensors):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_second_derivatives_are_refused_and_not_wrong():
    tensors = arguments((2, 2, 1, 3))
    output = UnfoldedRecurrence.apply(*tensors).square().sum()
    (gradient,) = torch.autograd.grad(output, tensors[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
