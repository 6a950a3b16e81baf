"""The recurrence of DR-NMF and warm-start ISTA frame by frame, in numpy.

A call costs little more than its products: constant matrices are computed once, memory is kept
from call to call.
"""

from __future__ import annotations

import copy

import numpy as np

from .ista import transition_matrix

# Rows of a dictionary are gathered, to skip the others, where at most this part of them is active.
MAX_GATHERED_SHARE = 0.25


class RunningRecurrence:
    """Iterations of soft-thresholding for each frame, each frame warm-started from the last one.

    A single stream of a dictionary with more components than bins skips activations that are 0.

    Parameters
    ----------
    components : ndarray of shape (n_layers, n_components, n_freqs)
        Dictionary of each layer.
    step_sizes : ndarray of shape (n_layers,)
        Inverse of the paper's alpha.
    sparsity : ndarray of shape (n_layers, n_components)
        Weight of the l1 penalty.
    initial : ndarray of shape (n_components,)
        Activations before the first frame.
    n_repeats : int, default=1
        Number of passes through all layers for each frame.
    dynamics : ndarray of shape (n_components,) or (n_components, n_components), optional
        Transition of the activations from one frame to the next, ``h * dynamics`` or
        ``h @ dynamics``.
    envelopes : ndarray of shape (n_layers, n_components, context), optional
        Amplitude of components over the last `context` frames, the oldest first. The frames before
        the first one are silent. Without envelopes components explain one frame.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017, algorithm 2.

    Examples
    --------
    >>> identity = np.eye(2)[np.newaxis]
    >>> infer = RunningRecurrence(identity, np.ones(1), np.full((1, 2), 0.5), np.zeros(2))
    >>> infer(np.array([[[2.0, 0.25]]]))
    array([[[1.5, 0. ]]])
    """

    def __init__(
        self,
        components: np.ndarray,
        step_sizes: np.ndarray,
        sparsity: np.ndarray,
        initial: np.ndarray,
        n_repeats: int = 1,
        dynamics: np.ndarray | None = None,
        envelopes: np.ndarray | None = None,
    ):
        n_components, n_freqs = components.shape[1:]
        self._initial, self._n_repeats, self._dynamics = initial, n_repeats, dynamics
        self._dtype, self._n_past = components.dtype, 0
        offsets = step_sizes[:, np.newaxis] * sparsity
        # Multiplications of a frame and layer: twice the dictionary, or the Gram matrix and the
        # dictionary once for all repeats.
        is_residual = 2 * n_repeats * n_freqs < n_repeats * n_components + n_freqs
        self._is_residual = envelopes is None and is_residual
        if self._is_residual:
            self._layers = list(zip(components, step_sizes, offsets, strict=True))
        else:
            self._prepare_gram(components, step_sizes, offsets, envelopes)
        self._allocate(n_streams=1)

    def _prepare_gram(self, components, step_sizes, offsets, envelopes):
        """Multiply out all that does not depend on a frame."""
        n_layers, n_components, n_freqs = components.shape
        shapes = [None] * n_layers if envelopes is None else envelopes
        layers = zip(components, step_sizes, shapes, strict=True)
        transitions = [transition_matrix(*layer) for layer in layers]
        # The dynamics become a part of the first transition, at no further cost.
        first = [_after_dynamics(transitions[0], self._dynamics), *transitions[1:]]
        self._transitions = [first, *[transitions] * (self._n_repeats - 1)]
        scaled = components * step_sizes[:, np.newaxis, np.newaxis]
        self._inputs = scaled.reshape(-1, n_freqs).T.copy()
        self._offsets = offsets.reshape(-1)
        if envelopes is not None:
            self._n_past = envelopes.shape[-1] - 1
            self._envelopes = envelopes.reshape(n_layers * n_components, -1)

    def fresh(self, n_streams: int) -> RunningRecurrence:
        """Make a recurrence of the same weights before its first frame.

        Parameters
        ----------
        n_streams : int
            Number of independent streams.

        Returns
        -------
        recurrence : RunningRecurrence
            With memory of its own, so that another thread can use it.
        """
        other = copy.copy(self)
        other._allocate(n_streams)
        return other

    def _allocate(self, n_streams):
        self._n_streams = n_streams
        # A single stream uses products of vectors, which start faster than those of matrices.
        lead = () if n_streams == 1 else (n_streams,)
        self._state = np.empty((*lead, len(self._initial)), self._dtype)
        self._change = np.empty_like(self._state)
        if self._is_residual:
            n_components, n_freqs = self._layers[0][0].shape
            self._residual = np.empty((*lead, n_freqs), self._dtype)
            n_rows = int(MAX_GATHERED_SHARE * n_components)
            self._rows = np.empty((n_rows, n_freqs), self._dtype)
        elif self._n_past:
            size = self._n_past, n_streams, len(self._offsets)
            self._projections = np.empty(size, self._dtype)
        self._reserve(n_frames=1)
        self.reset()

    def _reserve(self, n_frames):
        """Allocate memory for calls of at most so many frames."""
        self._activations = np.empty((n_frames, *self._state.shape), self._dtype)
        if self._is_residual:
            return
        size = n_frames, self._n_streams, len(self._offsets)
        self._projected = np.empty(size, self._dtype)
        if self._n_past:
            # Of the frames before a call too.
            past, size = self._projections[: self._n_past], (n_frames + self._n_past, *size[1:])
            self._projections = np.empty(size, self._dtype)
            self._projections[: self._n_past] = past
        self._make_views()

    def _make_views(self):
        """Make views of the memory that every frame uses."""
        if self._n_past:
            windows = np.lib.stride_tricks.sliding_window_view
            self._windows = windows(self._projections, self._n_past + 1, axis=0)
        if not self._is_residual:
            max_frames, *lead, n_components = self._activations.shape
            by_layer = self._projected.reshape(max_frames, *lead, -1, n_components)
            layers = range(by_layer.shape[-2])
            self._by_layer = [[frame[..., k, :] for k in layers] for frame in by_layer]

    def __getstate__(self):
        # The copy of a view is an array of its own, which does not follow the viewed array.
        return {k: v for k, v in vars(self).items() if k not in ("_windows", "_by_layer")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._make_views()

    def reset(self) -> None:
        """Return to the state before the first frame."""
        self._state[...] = self._initial
        if self._n_past:
            self._projections[: self._n_past] = 0

    def resume(self, state: np.ndarray, past: np.ndarray | None = None) -> None:
        """Continue from other activations.

        Parameters
        ----------
        state : ndarray of shape (n_streams, n_components)
            Activations of the frame before the next one.
        past : ndarray of shape (n_streams, context - 1, n_freqs), optional
            The frames before the next one, if components explain more than one.
        """
        self._state[...] = state if self._n_streams > 1 else state[0]
        if self._n_past and past is not None:
            self._projections[: self._n_past] = past.swapaxes(0, 1) @ self._inputs

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Infer the activations of the next frames.

        Parameters
        ----------
        magnitude : ndarray of shape (n_streams, n_frames, n_freqs)

        Returns
        -------
        activations : ndarray of shape (n_streams, n_frames, n_components)
            Of the last layer; overwritten by the next call.
        """
        n_frames = magnitude.shape[1]
        if n_frames > len(self._activations):
            self._reserve(n_frames)
        advance = self._advance_residual if self._is_residual else self._advance_gram
        advance(magnitude.swapaxes(0, 1))
        activations = self._activations[:n_frames].reshape(n_frames, self._n_streams, -1)
        return activations.swapaxes(0, 1)

    def _advance_gram(self, frames):
        """Compute ``h <- relu(h @ transition + projected frame - offset)``."""
        self._project(frames)
        state, change, transitions = self._state, self._change, self._transitions
        for t in range(len(frames)):
            for layers in transitions:
                for transition, inputs in zip(layers, self._by_layer[t], strict=True):
                    np.dot(state, transition, out=change)
                    np.add(change, inputs, out=change)
                    np.maximum(change, 0, out=state)
            self._activations[t] = state

    def _project(self, frames):
        """Compute the inner products of frames and scaled components, less the offsets."""
        rows = frames.reshape(-1, frames.shape[-1])
        projected, n_past = self._projected[: len(frames)], self._n_past
        if n_past:
            latest = self._projections[n_past : n_past + len(frames)]
            np.dot(rows, self._inputs, out=latest.reshape(len(rows), -1))
            windows = self._windows[: len(frames)]
            np.einsum("tsnc,nc->tsn", windows, self._envelopes, out=projected)
            self._projections[:n_past] = self._projections[
                len(frames) : len(frames) + n_past
            ].copy()
        else:
            np.dot(rows, self._inputs, out=projected.reshape(len(rows), -1))
        projected -= self._offsets

    def _advance_residual(self, frames):
        """Compute ``h <- relu(h + step * (x - h @ W) @ W.T - offset)``."""
        state, change, residual = self._state, self._change, self._residual
        for t, frame in enumerate(frames):
            frame = frame[0] if self._n_streams == 1 else frame
            self._apply_dynamics(state, change)
            for components, step_size, offset in self._layers * self._n_repeats:
                self._reconstruct(state, components, residual)
                np.subtract(frame, residual, out=residual)
                np.multiply(residual, step_size, out=residual)
                np.dot(residual, components.T, out=change)
                np.subtract(change, offset, out=change)
                np.add(state, change, out=state)
                np.maximum(state, 0, out=state)
            self._activations[t] = state

    def _apply_dynamics(self, state, change):
        if self._dynamics is not None and self._dynamics.ndim == 2:
            state[...] = np.dot(state, self._dynamics, out=change)
        elif self._dynamics is not None:
            np.multiply(state, self._dynamics, out=state)

    def _reconstruct(self, state, components, out):
        """Multiply by the dictionary, by the rows of active components alone if they are few."""
        if state.ndim == 1:
            active = state.nonzero()[0]
            if len(active) <= len(self._rows):
                rows = components.take(active, axis=0, out=self._rows[: len(active)], mode="clip")
                np.dot(state[active], rows, out=out)
                return
        np.dot(state, components, out=out)


def _after_dynamics(transition, dynamics):
    """Multiply the dynamics by the transition of the first layer."""
    if dynamics is None:
        return transition
    return dynamics @ transition if dynamics.ndim == 2 else dynamics[:, np.newaxis] * transition
