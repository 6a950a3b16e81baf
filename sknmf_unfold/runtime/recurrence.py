"""The unfolded recurrence for frames as they come, in numpy: no call costs more than its work."""

from __future__ import annotations

import numpy as np

from .ista import transition_matrix

# Rows of a dictionary are gathered to skip the others where fewer than this part is active.
FEW = 0.25


class FrameByFrame:
    """Layers of iterative soft-thresholding on one or several streams of frames.

    What is needed in every frame is computed once, and its memory asked for once. A single stream
    of a dictionary that has more components than bins skips the components that are 0.

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
        How often a frame goes through all layers.
    n_streams : int, default=1
        Number of streams.
    max_frames : int, default=1
        The most frames of a call.
    dynamics : ndarray of shape (n_components,) or (n_components, n_components), optional
        What activations are multiplied by when they enter a frame, ``h * dynamics`` or
        ``h @ dynamics``.
    envelopes : ndarray of shape (n_layers, n_components, context), optional
        How strong components are in the last `context` frames, the oldest first; before the first
        frame there is silence. Without them components explain one frame.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017, algorithm 2.

    Examples
    --------
    >>> identity = np.eye(2)[np.newaxis]
    >>> infer = FrameByFrame(identity, np.ones(1), np.full((1, 2), 0.5), np.zeros(2))
    >>> infer(np.array([[[2.0, 0.25]]]))
    array([[[1.5, 0. ]]])
    """

    def __init__(
        self,
        components,
        step_sizes,
        sparsity,
        initial,
        n_repeats=1,
        n_streams=1,
        max_frames=1,
        dynamics=None,
        envelopes=None,
    ):
        n_layers, n_components, n_freqs = components.shape
        self._initial, self._n_repeats, self._n_streams = initial, n_repeats, n_streams
        self._dynamics = dynamics
        dtype, self._n_past = components.dtype, 0
        # A single stream goes through products of vectors, which start faster than of matrices.
        lead = () if n_streams == 1 else (n_streams,)
        self._state = np.empty((*lead, n_components), dtype)
        self._change = np.empty_like(self._state)
        self._activations = np.empty((max_frames, *lead, n_components), dtype)
        offsets = step_sizes[:, np.newaxis] * sparsity
        # Multiplications of a frame and layer: by the bins twice, or by the Gram matrix and once.
        if envelopes is None and 2 * n_repeats * n_freqs < n_repeats * n_components + n_freqs:
            self._residual = np.empty((*lead, n_freqs), dtype)
            self._rows = np.empty((int(FEW * n_components), n_freqs), dtype)
            self._layers = list(zip(components, step_sizes, offsets, strict=True))
            self._advance = self._through_bins
        else:
            shapes = [None] * n_layers if envelopes is None else envelopes
            layers = zip(components, step_sizes, shapes, strict=True)
            transitions = [transition_matrix(*layer) for layer in layers]
            # What enters a frame goes through the dynamics too, at no further cost.
            entry = [_enter(transitions[0], dynamics), *transitions[1:]]
            self._transitions = [entry, *[transitions] * (n_repeats - 1)]
            scaled = components * step_sizes[:, np.newaxis, np.newaxis]
            self._inputs = scaled.reshape(-1, n_freqs).T.copy()
            self._offsets = offsets.reshape(-1)
            size = n_streams, n_layers * n_components
            if envelopes is not None:
                self._n_past = envelopes.shape[-1] - 1
                self._envelopes = envelopes.reshape(n_layers * n_components, -1)
                # Of the frames before too; windows over them are what components explain.
                self._heard = np.zeros((self._n_past + max_frames, *size), dtype)
            self._projected = np.empty((max_frames, *size), dtype)
            self._advance = self._through_components
        self._make_views()
        self.reset()

    def _make_views(self):
        """Make views of the memory that every frame goes through."""
        if self._n_past:
            windows = np.lib.stride_tricks.sliding_window_view
            self._windows = windows(self._heard, self._n_past + 1, axis=0)
        if hasattr(self, "_projected"):
            max_frames, *lead, n_components = self._activations.shape
            by_layer = self._projected.reshape(max_frames, *lead, -1, n_components)
            layers = range(by_layer.shape[-2])
            self._by_layer = [[frame[..., k, :] for k in layers] for frame in by_layer]

    def __getstate__(self):
        # A copy of views is an array of its own, which no longer follows what it was a view of.
        return {k: v for k, v in vars(self).items() if k not in ("_windows", "_by_layer")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._make_views()

    def reset(self):
        """Begin again before the first frame."""
        self._state[...] = self._initial
        if self._n_past:
            self._heard[: self._n_past] = 0

    def go_on_from(self, state, past=None):
        """Continue from other activations.

        Parameters
        ----------
        state : array-like of shape (n_streams, n_components)
            Of the frame before the next one.
        past : ndarray of shape (n_streams, context - 1, n_freqs), optional
            The frames before the next one, if components explain more than one.
        """
        self._state[...] = state if self._n_streams > 1 else state[0]
        if self._n_past:
            self._heard[: self._n_past] = past.swapaxes(0, 1) @ self._inputs

    def __call__(self, magnitude):
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
        self._advance(magnitude.swapaxes(0, 1))
        activations = self._activations[:n_frames].reshape(n_frames, self._n_streams, -1)
        return activations.swapaxes(0, 1)

    def _through_components(self, frames):
        rows = frames.reshape(-1, frames.shape[-1])
        projected, n_past = self._projected[: len(frames)], self._n_past
        if n_past:
            heard = self._heard[n_past : n_past + len(frames)]
            np.dot(rows, self._inputs, out=heard.reshape(len(rows), -1))
            windows = self._windows[: len(frames)]
            np.einsum("tsnc,nc->tsn", windows, self._envelopes, out=projected)
            self._heard[:n_past] = self._heard[len(frames) : len(frames) + n_past].copy()
        else:
            np.dot(rows, self._inputs, out=projected.reshape(len(rows), -1))
        projected -= self._offsets
        state, change, transitions = self._state, self._change, self._transitions
        for t in range(len(frames)):
            for layers in transitions:
                for transition, inputs in zip(layers, self._by_layer[t], strict=True):
                    np.dot(state, transition, out=change)
                    np.add(change, inputs, out=change)
                    np.maximum(change, 0, out=state)
            self._activations[t] = state

    def _through_bins(self, frames):
        state, change, residual = self._state, self._change, self._residual
        dynamics = self._dynamics
        for t, frame in enumerate(frames):
            frame = frame[0] if self._n_streams == 1 else frame
            if dynamics is not None and dynamics.ndim == 2:
                state[...] = np.dot(state, dynamics, out=change)
            elif dynamics is not None:
                np.multiply(state, dynamics, out=state)
            for components, step_size, offset in self._layers * self._n_repeats:
                self._explain(state, components, residual)
                np.subtract(frame, residual, out=residual)
                np.multiply(residual, step_size, out=residual)
                np.dot(residual, components.T, out=change)
                np.subtract(change, offset, out=change)
                np.add(state, change, out=state)
                np.maximum(state, 0, out=state)
            self._activations[t] = state

    def _explain(self, state, components, out):
        """Multiply by the dictionary, by the rows alone whose activations are not 0 if few."""
        if state.ndim == 1:
            active = state.nonzero()[0]
            if len(active) <= len(self._rows):
                rows = components.take(active, axis=0, out=self._rows[: len(active)], mode="clip")
                np.dot(state[active], rows, out=out)
                return
        np.dot(state, components, out=out)


def _enter(transition, dynamics):
    """Multiply the dynamics and the transition of the first layer."""
    if dynamics is None:
        return transition
    return dynamics @ transition if dynamics.ndim == 2 else dynamics[:, np.newaxis] * transition
