"""Multiplicative updates on a torch device such as a GPU, with the same results as in numpy."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.tensors import to_numpy, to_tensor

from .divergence import MIN_MAGNITUDE
from .initial import initial_activations
from .mu import alternate, scattered_activations
from .mu_updates import MIN_ENTRY, exponent
from .problem import Problem, Stopping

# Frames of a block.
BLOCK_FRAMES = 65_536


def learn(
    X: np.ndarray, W: np.ndarray, problem: Problem, rng: np.random.RandomState, stopping: Stopping
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factorise as `mu.learn` does, on ``problem.device``.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
        Initial components, rows of unit norm.
    problem : Problem
    rng : numpy.random.RandomState
        Draws the initial activations.
    stopping : Stopping

    Returns
    -------
    W, H, curve : ndarray
        See `mu.factorize`.
    """
    activations = TorchActivations(X, scattered_activations(X, W, rng), problem)
    return alternate(activations, W, problem, stopping)


class TorchActivations:
    """`mu_activations.Activations` on a torch device, for every beta.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Initial activations.
    problem : Problem

    Attributes
    ----------
    scale : float
        Magnitude of the terms of the objective, to which its rounding errors are relative.
    """

    def __init__(self, X: np.ndarray, H: np.ndarray, problem: Problem) -> None:
        self._beta, self._sparsity = problem.beta, problem.sparsity
        self._X = _clipped(X, problem.beta, problem.device)
        self._H = to_tensor(np.maximum(H, MIN_ENTRY), problem.device)
        self.scale = 0.0

    @property
    def H(self) -> np.ndarray:
        """Current activations, of shape (n_frames, n_components)."""
        return to_numpy(self._H)

    def propose(self, W: np.ndarray) -> float:
        """Compute the objective of W and the current activations, and prepare their update.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        components, beta = to_tensor(W, self._X.device), self._beta
        value, new = 0.0, []
        negative = positive = np.zeros(())
        for x, h in zip(self._X.split(BLOCK_FRAMES), self._H.split(BLOCK_FRAMES), strict=True):
            value += _divergence(x, _approximation(h, components, beta), beta)
            value += self._sparsity * _sum(h)
            h = _step(x, components, h, beta, self._sparsity)
            parts = _gradient_parts(x, _approximation(h, components, beta), beta)
            negative, positive = (
                total + to_numpy(h.T @ part).astype(np.float64)
                for total, part in zip((negative, positive), parts, strict=True)
            )
            new.append(h)
        self._new, self._parts = new, (negative, positive)
        self.scale = value
        return value

    def advance(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adopt the update that `propose` has prepared.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)
            The components proposed last.

        Returns
        -------
        negative, positive : ndarray of shape (n_components, n_freqs), in float64
            Parts of the gradient of the divergence with respect to W, at the new activations.
        """
        import torch

        self._H = torch.cat(self._new)
        return self._parts


def infer(X: np.ndarray, W: np.ndarray, problem: Problem, stopping: Stopping) -> np.ndarray:
    """Infer activations as `mu_inference.infer` does, on ``problem.device``.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    problem : Problem
    stopping : Stopping
        Its `tol` is not used: every frame takes all updates.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    components, results = to_tensor(W, problem.device), []
    for start in range(0, len(X), BLOCK_FRAMES):
        x = X[start : start + BLOCK_FRAMES]
        h = to_tensor(initial_activations(x, W), problem.device)
        x = _clipped(x, problem.beta, problem.device)
        for _ in range(stopping.max_iter):
            h = _step(x, components, h, problem.beta, problem.sparsity)
        results.append(to_numpy(h))
    H = np.concatenate(results)
    H[(H <= MIN_ENTRY) | ~X.any(axis=1, keepdims=True)] = 0
    return H


def _clipped(X, beta, device):
    return to_tensor(X, device).clamp(min=MIN_MAGNITUDE if beta <= 0 else 0)


def _approximation(H, W, beta):
    return H @ W if beta == 2 else H @ W + MIN_MAGNITUDE


def _gradient_parts(X, Y, beta):
    """Split the gradient with respect to Y into its negative and positive part."""
    if beta == 2:
        return X, Y
    positive = Y ** (beta - 1)
    return X * positive / Y, positive


def _step(X, W, H, beta, sparsity):
    negative, positive = _gradient_parts(X, _approximation(H, W, beta), beta)
    ratio = (negative @ W.T) / (positive @ W.T + max(sparsity, MIN_ENTRY))
    return (H * ratio ** exponent(beta)).clamp(min=MIN_ENTRY)


def _divergence(X, Y, beta):
    import torch

    if beta == 2:
        return _sum(0.5 * (X - Y) ** 2)
    if beta == 1:
        return _sum(torch.xlogy(X, X / Y) - X + Y)
    if beta == 0:
        return _sum(X / Y - torch.log(X / Y) - 1)
    powers = X**beta + (beta - 1) * Y**beta - beta * X * Y ** (beta - 1)
    return _sum(powers / (beta * (beta - 1)))


def _sum(tensor):
    # Not every device has float64.
    return float(to_numpy(tensor.sum(dim=1)).sum(dtype=np.float64))
