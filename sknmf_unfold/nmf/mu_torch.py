"""The multiplicative updates on a torch device, a GPU for example, with the same numbers."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.base.tensors import to_numpy, to_tensor

from .mu_updates import FLOOR, TINY, exponent, initial_activations

# Frames that are worked on together.
SLAB = 65_536


class DescentOnDevice:
    """What `descent.Divergence` is on the CPU, for every beta.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    H : ndarray of shape (n_frames, n_components)
        Activations to start from.
    sparsity, beta : float
        Weight of the l1 penalty, and divergence.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    scale : float
        What rounding errors of the objective are relative to.
    """

    def __init__(self, X, H, sparsity, beta, device):
        self._X, self._H = _floored(X, beta, device), to_tensor(np.maximum(H, TINY), device)
        self._sparsity, self._beta, self.scale = sparsity, beta, 0.0

    @property
    def H(self):
        """The activations now, an ndarray of shape (n_frames, n_components)."""
        return to_numpy(self._H)

    def propose(self, W):
        """Compute the objective of these components and the activations, and go on from there.

        Parameters
        ----------
        W : ndarray of shape (n_components, n_freqs)

        Returns
        -------
        objective : float
        """
        W, beta = to_tensor(W, self._X.device), self._beta
        value, new, negative, positive = 0.0, [], np.zeros(()), np.zeros(())
        for x, h in zip(self._X.split(SLAB), self._H.split(SLAB), strict=True):
            value += _divergence(x, _approximation(h, W, beta), beta)
            value += self._sparsity * _sum(h)
            h = _step(x, W, h, beta, self._sparsity)
            parts = _gradient_parts(x, _approximation(h, W, beta), beta)
            negative, positive = (
                total + to_numpy(h.T @ part).astype(np.float64)
                for total, part in zip((negative, positive), parts, strict=True)
            )
            new.append(h)
        self._new, self._parts = new, (negative, positive)
        self.scale = value
        return value

    def advance(self, W):
        """Adopt the step that `propose` has taken.

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


def infer_activations(X, W, *, beta, sparsity, n_iter, device):
    """Infer activations for a fixed dictionary, as `inference.infer_activations` does.

    Parameters
    ----------
    X : ndarray of shape (n_frames, n_freqs)
    W : ndarray of shape (n_components, n_freqs)
    beta, sparsity : float
        Divergence, and weight of the l1 penalty.
    n_iter : int
        Number of updates.
    device : torch.device
        Where to compute.

    Returns
    -------
    H : ndarray of shape (n_frames, n_components)
    """
    components, results = to_tensor(W, device), []
    for start in range(0, len(X), SLAB):
        x = X[start : start + SLAB]
        h = to_tensor(initial_activations(x, W), device)
        x = _floored(x, beta, device)
        for _ in range(n_iter):
            h = _step(x, components, h, beta, sparsity)
        results.append(to_numpy(h))
    H = np.concatenate(results)
    H[(H <= TINY) | ~X.any(axis=1, keepdims=True)] = 0
    return H


def _floored(X, beta, device):
    return to_tensor(X, device).clamp(min=FLOOR if beta <= 0 else 0)


def _approximation(H, W, beta):
    return H @ W if beta == 2 else H @ W + FLOOR


def _gradient_parts(X, Y, beta):
    """Negative and positive part of the gradient of the divergence with respect to Y."""
    if beta == 2:
        return X, Y
    positive = Y ** (beta - 1)
    return X * positive / Y, positive


def _step(X, W, H, beta, sparsity):
    negative, positive = _gradient_parts(X, _approximation(H, W, beta), beta)
    ratio = (negative @ W.T) / (positive @ W.T + max(sparsity, TINY))
    return (H * ratio ** exponent(beta)).clamp(min=TINY)


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
