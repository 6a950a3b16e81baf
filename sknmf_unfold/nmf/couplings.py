"""Coordinate descent's sweep over the activations of a fixed dictionary, in two forms.

A block of frames lies component by component, ``(n_components, n_frames)``, so that the update of
one component touches contiguous memory. What components take from each other's activations is their
Gram matrix. One form multiplies by it; the other goes through the bins, which takes fewer
multiplications where a dictionary has several times more components than bins.
"""

from __future__ import annotations

import numpy as np

# Components whose influence on each other is followed one by one; that of all others is a matrix
# product, which is the faster the more it does at once.
WIDTH = 64


def couplings_of(W, sparsity):
    """Choose the form that takes fewer multiplications.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.

    Returns
    -------
    couplings : Couplings or BinCouplings

    Examples
    --------
    >>> [type(couplings_of(np.ones((n, 1)), 0.0)).__name__ for n in (3, 4)]
    ['Couplings', 'BinCouplings']
    """
    # A sweep through the bins passes them three times, and nearly four times to be assessed.
    return (BinCouplings if len(W) > 3 * W.shape[1] else Couplings)(W, sparsity)


class Couplings:
    """What the components of a dictionary take from each other's activations.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.

    Attributes
    ----------
    all : ndarray of shape (n_components, n_components)
        Gram matrix, each row divided by its diagonal element, which itself is left out.
    """

    def __init__(self, W, sparsity):
        gram = W @ W.T
        self._W, self._power = W, gram.diagonal()[:, np.newaxis].copy()
        self._sparsity = W.dtype.type(sparsity)
        gram /= self._power
        np.fill_diagonal(gram, 0)
        self.all, self._rest = gram, gram.copy()
        self._groups = _groups(len(W))
        self._before = [np.tril(gram[rows, rows]) for rows in self._groups]
        for rows, before in zip(self._groups, self._before, strict=True):
            self._rest[rows, rows] -= before

    def targets(self, X, workspace):
        """Compute the best activation of each component if the others were 0.

        Parameters
        ----------
        X : ndarray of shape (n_frames, n_freqs)
        workspace : Workspace
            Holds the result until the next call.

        Returns
        -------
        targets : ndarray of shape (n_components, n_frames)
            Negative ones are not clipped.
        """
        out = workspace.array("targets", len(self._W), len(X), dtype=X.dtype)
        targets = np.matmul(self._W, X.T, out=out)
        targets -= self._sparsity
        targets /= self._power
        return targets

    def sweep(self, H, targets, workspace):
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
            # The product sees the old activations of these rows, but only of those that come later.
            best = np.matmul(self._rest[rows], H, out=buffer[: len(before)])
            np.subtract(targets[rows], best, out=best)
            _one_after_the_other(H[rows], best, before, workspace)

    def assess(self, H, targets):
        """Measure how good activations are.

        Parameters
        ----------
        H, targets : ndarray of shape (n_components, n_frames)

        Returns
        -------
        gap : ndarray of shape (n_frames,)
            See `coordinate.optimality_gap`.
        objective : ndarray of shape (n_frames,)
            Half the squared error and the penalty, but for what H does not change.
        """
        influence = self.all @ H
        objective = np.einsum("nt,nt->t", H, self._power * (0.5 * (influence + H) - targets))
        return _gap(H, np.subtract(targets, influence, out=influence)), objective


class BinCouplings:
    """The same through the bins.

    Parameters
    ----------
    W : ndarray of shape (n_components, n_freqs)
        Components, none of them all zeros.
    sparsity : float
        Weight of the l1 penalty.
    """

    def __init__(self, W, sparsity):
        power = np.einsum("nf,nf->n", W, W)[:, np.newaxis]
        self._W, self._scaled = W, W / power
        self._sparsity = W.dtype.type(sparsity)
        self._prices = self._sparsity / power
        self._groups = _groups(len(W))
        self._before = [np.tril(self._scaled[rows] @ W[rows].T) for rows in self._groups]

    def targets(self, X, workspace):
        """Lay out the data.

        Parameters
        ----------
        X : ndarray of shape (n_frames, n_freqs)
        workspace : Workspace
            Holds the result until the next call.

        Returns
        -------
        targets : ndarray of shape (n_freqs, n_frames)
        """
        targets = workspace.array("targets", *X.shape[::-1], dtype=X.dtype)
        np.copyto(targets, X.T)
        return targets

    def sweep(self, H, targets, workspace):
        """Give each component in turn its best activations, given those of the others.

        Parameters
        ----------
        H : ndarray of shape (n_components, n_frames)
            Changed in place.
        targets : ndarray of shape (n_freqs, n_frames)
        workspace : Workspace
        """
        # Computed anew in each sweep, so that rounding errors do not add up.
        explained = workspace.array("explained", *targets.shape, dtype=H.dtype)
        residual = workspace.array("residual", *targets.shape, dtype=H.dtype)
        np.subtract(targets, np.matmul(self._W.T, H, out=explained), out=residual)
        names, size = ("best", "old", "own"), (len(self._before[0]), H.shape[1])
        buffers = [workspace.array(name, *size, dtype=H.dtype) for name in names]
        for rows, before in zip(self._groups, self._before, strict=True):
            best, old, own = (buffer[: len(before)] for buffer in buffers)
            old[:] = H[rows]
            np.matmul(self._scaled[rows], residual, out=best)
            best -= self._prices[rows]
            # The old activations of these rows have been taken from the residual: those of the
            # later ones rightly so.
            best += np.matmul(before, old, out=own)
            _one_after_the_other(H[rows], best, before, workspace)
            step = np.subtract(H[rows], old, out=old)
            residual -= np.matmul(self._W[rows].T, step, out=explained)

    def assess(self, H, targets):
        """Measure how good activations are.

        Parameters
        ----------
        H : ndarray of shape (n_components, n_frames)
        targets : ndarray of shape (n_freqs, n_frames)

        Returns
        -------
        gap : ndarray of shape (n_frames,)
            See `coordinate.optimality_gap`.
        objective : ndarray of shape (n_frames,)
            Half the squared error and the penalty.
        """
        residual = targets - self._W.T @ H
        objective = 0.5 * np.einsum("ft,ft->t", residual, residual) + self._sparsity * H.sum(axis=0)
        best = self._scaled @ residual
        best -= self._prices
        best += H
        return _gap(H, best), objective


def _groups(n_components):
    return [slice(start, start + WIDTH) for start in range(0, n_components, WIDTH)]


def _one_after_the_other(new, best, before, workspace):
    """Give some components their best activations: `best` less what those before them take."""
    influence = workspace.array("influence", new.shape[1], dtype=new.dtype)
    np.maximum(best[0], 0, out=new[0])
    for i in range(1, len(new)):
        np.matmul(before[i, :i], new[:i], out=influence)
        np.subtract(best[i], influence, out=influence)
        np.maximum(influence, 0, out=new[i])


def _gap(H, best):
    """Compute how far activations are from the best ones, which are overwritten."""
    difference = np.maximum(best, 0, out=best)
    difference -= H
    largest = H.max(axis=0)
    furthest = np.maximum(difference.max(axis=0), -difference.min(axis=0))
    return np.divide(furthest, largest, out=np.sign(furthest), where=largest > 0)
