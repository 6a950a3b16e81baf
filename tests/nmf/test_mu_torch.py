import numpy as np
import pytest
import torch

from sknmf_unfold import SparseNMF
from sknmf_unfold.nmf import mu, mu_inference, mu_torch
from sknmf_unfold.nmf import settings as settings_module
from sknmf_unfold.nmf.matrices import unit_rows
from sknmf_unfold.nmf.problem import Problem, Stopping

CPU = torch.device("cpu")
BETAS = [2, 1, 0, 0.5, 3, -1]


def problem(dtype="float64"):
    rng = np.random.RandomState(0)
    X = rng.gamma(0.5, 2.0, (90, 20))
    X[4], X[7, 3] = 0, 0
    W = unit_rows(rng.uniform(0.1, 1, (6, 20)))
    return X.astype(dtype), W.astype(dtype), rng.uniform(0.5, 1.5, (90, 6)).astype(dtype)


@pytest.mark.parametrize("n_fixed", [0, 2])
@pytest.mark.parametrize("block", [17, 65_536])
@pytest.mark.parametrize("beta", BETAS)
def test_torch_gives_the_numbers_of_numpy(monkeypatch, beta, block, n_fixed):
    monkeypatch.setattr(mu_torch, "BLOCK_FRAMES", block)
    X, W, H = problem()
    task, stopping = Problem(beta, 0.1, n_fixed, CPU), Stopping(10, 0)
    expected = mu.factorize(X, W, H, task, stopping)
    result = mu.alternate(mu_torch.TorchActivations(X, H, task), W, task, stopping)
    for one, other in zip(result, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
    activations = mu_torch.infer(X, W, task, stopping)
    expected = mu_inference.infer(X, W, task, stopping)
    np.testing.assert_allclose(activations, expected, rtol=1e-8, atol=1e-10)
    assert not activations[4].any()


@pytest.mark.parametrize("beta_loss", [2, 1, 0])
def test_float32_agrees_to_four_digits(beta_loss, monkeypatch):
    X, _, _ = problem("float32")
    settings = {"beta_loss": beta_loss, "solver": "mu", "sparsity": 0.1, "random_state": 0}
    settings |= {"max_iter": 50}
    here = SparseNMF(6, **settings).fit(X)
    # The CPU for a GPU, which this machine may not have.
    monkeypatch.setattr(settings_module, "torch_device", lambda *_, **__: CPU)
    there = SparseNMF(6, device="cuda", **settings).fit(X)
    assert there.objective_curve_[-1] == pytest.approx(here.objective_curve_[-1], rel=1e-4)
    np.testing.assert_allclose(there.components_, here.components_, atol=1e-3)
    np.testing.assert_allclose(there.transform(X), here.transform(X), atol=1e-2)
    assert there.components_.dtype == there.transform(X).dtype == np.float32
    assert type(there.components_) is np.ndarray


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("beta_loss", [2, 1, 0])
def test_a_gpu_gives_the_numbers_of_the_cpu(beta_loss):
    X, W, _ = problem()
    settings = {"beta_loss": beta_loss, "solver": "mu", "init": W, "random_state": 0}
    here, there = (SparseNMF(6, device=device, **settings).fit(X) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(there.objective_curve_, here.objective_curve_, rtol=1e-4)
    np.testing.assert_allclose(there.components_, here.components_, atol=1e-4)
    np.testing.assert_allclose(there.transform(X), here.transform(X), atol=1e-4)


def test_what_a_device_has_not():
    X, _, _ = problem()
    nmf = SparseNMF(6, device="abacus")
    with pytest.raises(ValueError, match="`device` must be 'auto', 'cpu', 'cuda' or another"):
        nmf.fit(X)
    expected = SparseNMF(6, random_state=0).fit(X).components_
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="`device` is 'cuda' but torch finds no GPU"):
            nmf.set_params(device="cuda").fit(X)
        result = nmf.set_params(device="auto", random_state=0).fit(X).components_
        np.testing.assert_array_equal(result, expected)


@pytest.fixture
def fake_gpu(monkeypatch):
    """A GPU as far as the choice of the solver goes."""
    monkeypatch.setattr(settings_module, "resolve_device", lambda *_: torch.device("cuda"))


@pytest.mark.parametrize("settings", [{"solver": "cd"}, {"batch_size": 10}])
def test_coordinate_descent_and_batches_are_for_the_cpu(fake_gpu, settings):
    with pytest.raises(ValueError, match="`device`='cuda' has multiplicative updates of all"):
        SparseNMF(6, device="cuda", **settings).fit(problem()[0])
    X = problem()[0]
    expected = SparseNMF(6, random_state=0, **settings).fit(X).components_
    result = SparseNMF(6, device="auto", random_state=0, **settings).fit(X).components_
    np.testing.assert_array_equal(result, expected)


def test_partial_fit_is_for_the_cpu(fake_gpu):
    X = problem()[0]
    with pytest.raises(ValueError, match=r"`device`='cuda' .* and batches\. Use device='cpu'\."):
        SparseNMF(6, device="cuda").partial_fit(X)
    expected = SparseNMF(6, random_state=0).partial_fit(X).components_
    result = SparseNMF(6, device="auto", random_state=0).partial_fit(X).components_
    np.testing.assert_array_equal(result, expected)
