"""Sweeps of coordinate descent over the activations of a fixed dictionary, beta = 2.

A sweep gives each component in turn its best activations, given those of the others. A block of
frames lies component by component, ``(n_components, n_frames)``, so that the update of one
component accesses contiguous memory. `GramSweep` multiplies by the Gram matrix of the components.
`ResidualSweep` updates the residual of the data, which takes fewer multiplications where a
dictionary has several times more components than bins.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .blocks import Workspace
from .matrices import dense, multiply

# Components that are updated one after the other; the influence of all other components on them is
# one matrix product, which is faster the larger it is.
GROUP_COMPONENTS = 64


def choose_sweep(W: np.ndarray, sparsity: float) -> GramSweep | ResidualSweep:
    """Choose the sweep that takes fewer multiplications.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.

    Returns
    -------
    sweep : GramSweep or ResidualSweep

    Examples
    --------
    >>> [type(choose_sweep(np.ones((n, 1)), 0.0)).__name__ for n in (3, 4)]
    ['GramSweep', 'ResidualSweep']
    """
    # A sweep by the residual has three products of size (n_components, n_freqs) for each frame, and
    # its assessment nearly one more.
    return (ResidualSweep if len(W) > 3 * W.shape[1] else GramSweep)(W, sparsity)


class GramSweep:
    """Sweep by the Gram matrix of the components.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.

    Attributes
    ----------
    gram : ndarray of shape (n_components, n_components)
        Gram matrix, each row divided by its diagonal element, with 0 on the diagonal.
    """

    def __init__(self, W: np.ndarray, sparsity: float) -> None:
        gram = W @ W.T
        self._W, self._power = W, gram.diagonal()[:, np.newaxis].copy()
        self._sparsity = W.dtype.type(sparsity)
        gram /= self._power
        np.fill_diagonal(gram, 0)
        self.gram, self._rest = gram, gram.copy()
        self._groups = _groups(len(W))
        self._before = [np.tril(gram[rows, rows]) for rows in self._groups]
        for rows, before in zip(self._groups, self._before, strict=True):
            self._rest[rows, rows] -= before

    def targets(self, X: np.ndarray | csr_array, workspace: Workspace) -> np.ndarray:
        """Compute the best activation of each component if the others were 0.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
        workspace : Workspace
            Holds the result until the next call.

        Returns
        -------
        targets : ndarray of shape (n_components, n_frames)
            Negative ones are not clipped.
        """
        out = workspace.array("targets", len(self._W), X.shape[0], dtype=X.dtype)
        targets = multiply(self._W, X.T, out=out)
        targets -= self._sparsity
        targets /= self._power
        return targets

    def run(self, H: np.ndarray, targets: np.ndarray, workspace: Workspace) -> None:
        """Give each component in turn its best activations, given those of the others.

        Parameters
        ----------
        H : ndarray of shape (n_components, n_frames)
            Changed in place.
        targets : ndarray of shape (n_components, n_frames)
        workspace : Workspace
        """
        buffer = workspace.array("best", len(self._before[0]), H.shape[1], dtype=H.dtype)
        for rows, before in zip(self._groups, self._before, strict=True):
            # `_rest` leaves out earlier rows of the group: their influence follows one by one.
            best = np.matmul(self._rest[rows], H, out=buffer[: len(before)])
            np.subtract(targets[rows], best, out=best)
            _one_after_the_other(H[rows], best, before, workspace)

    def assess(self, H: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the optimality gap and the objective of activations.

        Parameters
        ----------
        H, targets : ndarray of shape (n_components, n_frames)

        Returns
        -------
        gap : ndarray of shape (n_frames,)
            See `cd_inference.optimality_gap`.
        objective : ndarray of shape (n_frames,)
            Half the squared error and the penalty, less half the squares of X.
        """
        influence = self.gram @ H
        objective = np.einsum("nt,nt->t", H, self._power * (0.5 * (influence + H) - targets))
        return _gap(H, np.subtract(targets, influence, out=influence)), objective


class ResidualSweep:
    """Sweep by the residual ``X - H W`` in the bins.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.
    """

    def __init__(self, W: np.ndarray, sparsity: float) -> None:
        power = np.einsum("nf,nf->n", W, W)[:, np.newaxis]
        self._W, self._scaled = W, W / power
        self._sparsity = W.dtype.type(sparsity)
        self._thresholds = self._sparsity / power
        self._groups = _groups(len(W))
        self._before = [np.tril(self._scaled[rows] @ W[rows].T) for rows in self._groups]

    def targets(self, X: np.ndarray | csr_array, workspace: Workspace) -> np.ndarray:
        """Transpose the data.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_frames, n_freqs)
        workspace : Workspace
            Holds the result until the next call.

        Returns
        -------
        targets : ndarray of shape (n_freqs, n_frames)
        """
        targets = workspace.array("targets", *X.shape[::-1], dtype=X.dtype)
        # Smaller than the activations, also of sparse data: `choose_sweep` wants few bins.
        np.copyto(targets, dense(X).T)
        return targets

    def run(self, H: np.ndarray, targets: np.ndarray, workspace: Workspace) -> None:
        """Give each component in turn its best activations, given those of the others.

        Parameters
        ----------
        H : ndarray of shape (n_components, n_frames)
            Changed in place.
        targets : ndarray of shape (n_freqs, n_frames)
        workspace : Workspace
        """
        # Recomputed in every sweep, so that rounding errors do not accumulate.
        explained = workspace.array("explained", *targets.shape, dtype=H.dtype)
        residual = workspace.array("residual", *targets.shape, dtype=H.dtype)
        np.subtract(targets, np.matmul(self._W.T, H, out=explained), out=residual)
        names, size = ("best", "old", "own"), (len(self._before[0]), H.shape[1])
        buffers = [workspace.array(name, *size, dtype=H.dtype) for name in names]
        for rows, before in zip(self._groups, self._before, strict=True):
            best, old, own = (buffer[: len(before)] for buffer in buffers)
            old[:] = H[rows]
            np.matmul(self._scaled[rows], residual, out=best)
            best -= self._thresholds[rows]
            # The residual excludes the old activations of the whole group. Those of the row itself
            # and of earlier rows are added back.
            best += np.matmul(before, old, out=own)
            _one_after_the_other(H[rows], best, before, workspace)
            step = np.subtract(H[rows], old, out=old)
            residual -= np.matmul(self._W[rows].T, step, out=explained)

    def assess(self, H: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the optimality gap and the objective of activations.

        Parameters
        ----------
        H : ndarray of shape (n_components, n_frames)
        targets : ndarray of shape (n_freqs, n_frames)

        Returns
        -------
        gap : ndarray of shape (n_frames,)
            See `cd_inference.optimality_gap`.
        objective : ndarray of shape (n_frames,)
            Half the squared error and the penalty.
        """
        residual = targets - self._W.T @ H
        objective = 0.5 * np.einsum("ft,ft->t", residual, residual) + self._sparsity * H.sum(axis=0)
        best = self._scaled @ residual
        best -= self._thresholds
        best += H
        return _gap(H, best), objective


def _groups(n_components):
    starts = range(0, n_components, GROUP_COMPONENTS)
    return [slice(start, start + GROUP_COMPONENTS) for start in starts]


def _one_after_the_other(new, best, before, workspace):
    """Update the components of a group: `best` less the influence of those before each."""
    influence = workspace.array("influence", new.shape[1], dtype=new.dtype)
    np.maximum(best[0], 0, out=new[0])
    for i in range(1, len(new)):
        np.matmul(before[i, :i], new[:i], out=influence)
        np.subtract(best[i], influence, out=influence)
        np.maximum(influence, 0, out=new[i])


def _gap(H, best):
    """Compute the distance of activations from the best ones, which are overwritten."""
    difference = np.maximum(best, 0, out=best)
    difference -= H
    largest = H.max(axis=0)
    furthest = np.maximum(difference.max(axis=0), -difference.min(axis=0))
    return np.divide(furthest, largest, out=np.sign(furthest), where=largest > 0)
