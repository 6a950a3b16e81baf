"""Checked input of an estimator: recordings or a table, magnitudes computed when asked for."""

from __future__ import annotations

import functools

import numpy as np

from .messages import shown
from .recordings import (
    as_list,
    check_level,
    check_list,
    check_magnitude,
    check_mask,
    check_same_length,
    check_waveform,
    is_number,
    is_spectrogram,
    rows_of,
    sound_of,
)
from .tables import check_magnitude_table, check_table_targets
from .targets import check_one_source


def is_nested_table(X):
    """Whether plain Python lists of numbers stand for the rows of a 2-D array."""
    return len(X) > 0 and all(
        isinstance(x, (list, tuple)) and all(is_number(value) for value in x[:1]) for x in X
    )


class Sequences:
    """Sequences of magnitude frames, and what kind of input they came from.

    Parameters
    ----------
    items : list of Spectrogram, list of ndarray, or ndarray of shape (n_samples, 1, n_freqs)
        One recording each.
    kind : {"spectrograms", "magnitudes", "table"}
        Decides what a separator gives back: waveforms, a list of magnitudes, or one array.
    name : str, default="X"
        What messages call them.
    """

    def __init__(self, items, kind, name="X"):
        self.items = items
        self.kind = kind
        self.name = name

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        """Magnitude of one recording, of shape (n_frames, n_freqs) and of `dtype`."""
        return np.asarray(self.items[index], dtype=self.dtype)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def block(self, index, start, stop):
        """Frames of one recording from `start` up to `stop`: complex ones of a spectrogram."""
        if self.kind == "spectrograms":
            return self.items[index].stft(start, stop)
        return np.asarray(self.items[index][start:stop], dtype=self.dtype)

    @property
    def n_freqs(self):
        """Number of bins."""
        return self.items[0].shape[-1]

    @property
    def n_frames(self):
        """Number of frames of each recording."""
        return np.array([item.shape[0] for item in self.items])

    @functools.cached_property
    def dtype(self):
        """float32 if all recordings are, else float64."""
        if self.kind == "table":
            return self.items.dtype
        return np.result_type(*{item.dtype for item in self.items})

    @property
    def settings(self):
        """STFT settings of the recordings, None for bare magnitudes."""
        return self.items[0].settings if self.kind == "spectrograms" else None

    @property
    def content(self):
        """What determines the recordings, in a form that can be hashed."""
        if self.kind == "spectrograms":
            return self.settings, [(item.waveform, item.mask) for item in self.items]
        return self.items

    def subset(self, indices):
        """Return the recordings at `indices`, as `Sequences`."""
        if self.kind == "table":
            return Sequences(self.items[indices], self.kind)
        return Sequences([self.items[i] for i in indices], self.kind)

    def as_input(self):
        """Return what another estimator's ``fit`` takes: a list of recordings, or a 2-D table."""
        return self.items[:, 0] if self.kind == "table" else self.items

    def frames(self, max_frames=None, rng=None, change=None):
        """Frames of all recordings below each other, or a random part of them.

        Parameters
        ----------
        max_frames : int, optional
            At most this many, drawn without replacement; order is kept.
        rng : numpy.random.RandomState, optional
            Draws the part.
        change : callable, optional
            ``change(magnitude, indices)`` makes what is taken of whole recordings, of shape
            (batch, n_frames, n_freqs), from their magnitudes and a slice of which they are.

        Returns
        -------
        frames : ndarray of shape (n_frames, n_freqs)
        """
        change = change or (lambda magnitude, _: magnitude)
        lengths = self.n_frames
        keep = np.ones(lengths.sum(), dtype=bool)
        if max_frames is not None and max_frames < len(keep):
            keep[:] = False
            keep[rng.choice(len(keep), max_frames, replace=False)] = True
        if self.kind == "table":
            rows = change(self.items, slice(None))[:, 0]
            return rows if keep.all() else rows[keep]
        parts = np.split(keep, np.cumsum(lengths)[:-1])
        return np.concatenate(
            [
                change(self[i][np.newaxis], slice(i, i + 1))[0][part]
                for i, part in enumerate(parts)
                if part.any()
            ]
        )

    def restore(self, arrays):
        """Arrays per recording in the shape of the input: a list, or one array for a table."""
        arrays = list(arrays)
        return np.concatenate(arrays) if self.kind == "table" else arrays


def check_sequences(estimator, X, *, reset, name="X"):
    """Check the X of an estimator that works on magnitudes.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` where `reset` is true, and is compared with it otherwise.
    X : Spectrograms, list of ndarray, or array-like of shape (n_samples, n_freqs)
        A list is a list of recordings; a 2-D array is a table of independent frames.
    reset : bool
        Whether this is ``fit``.
    name : str, default="X"
        What to call it in messages.

    Returns
    -------
    sequences : Sequences
    """
    X = as_list(X)
    if not isinstance(X, (list, tuple)) or is_nested_table(X):
        table = check_magnitude_table(estimator, X, reset, name)
        return Sequences(table[:, np.newaxis], "table", name)
    check_list(X, name, "Spectrogram items or magnitude arrays")
    items = (_check_spectrograms if is_spectrogram(X[0]) else _check_magnitudes)(X, name)
    kind = "spectrograms" if is_spectrogram(X[0]) else "magnitudes"
    n_freqs = items[0].shape[1]
    if reset:
        estimator.n_features_in_ = n_freqs
        # Recordings have no column names; those of an earlier fit on a table are gone.
        vars(estimator).pop("feature_names_in_", None)
    elif n_freqs != estimator.n_features_in_:
        raise ValueError(
            f"{name} has {n_freqs} features (bins), but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    return Sequences(items, kind, name)


def check_targets(Y, sequences, name="y"):
    """Check the y that goes with checked X: same lengths, magnitudes of the same kind.

    Parameters
    ----------
    Y : list of ndarray of shape (n_times,), Spectrograms, list of ndarray, or array-like
        Waveforms (or spectrograms, which stand for what they sound like, their masks applied; or a
        2-D array with a waveform in each row) for spectrograms, magnitudes for magnitudes; for a
        table, anything that broadcasts to it.
    sequences : Sequences
        The checked X.
    name : str, default="y"
        What to call it in messages.

    Returns
    -------
    targets : Sequences
        Of the kind and the shapes of `sequences`.
    """
    if Y is None:
        raise ValueError(f"A separator requires y to be passed, but the target {name} is None.")
    if sequences.kind == "table":
        table = check_table_targets(Y, sequences.items[:, 0], name)
        return Sequences(table[:, np.newaxis], "table", name)
    if sequences.kind == "spectrograms":
        return _waveform_targets(Y, sequences, name)
    Y = as_list(Y)
    check_list(Y, name, "magnitude arrays")
    for i, y in enumerate(Y):
        check_one_source(y, f"{name}[{i}]", 2)
    Y = _check_magnitudes(Y, name, sequences.n_freqs)
    check_same_length(sequences.items, Y, (sequences.name, name), "frames")
    return Sequences(_with_dtype(Y, sequences.dtype, name), "magnitudes", name)


def _waveform_targets(Y, sequences, name):
    Y = rows_of(Y, name)
    check_list(Y, name, "waveforms")
    waveforms = [_waveform_target(y, f"{name}[{i}]") for i, y in enumerate(Y)]
    names = sequences.name, name
    check_same_length([item.waveform for item in sequences.items], waveforms, names)
    waveforms = _with_dtype(waveforms, sequences.dtype, name)
    items = [item.of(y) for item, y in zip(sequences.items, waveforms, strict=True)]
    return Sequences(items, "spectrograms", name)


def _waveform_target(y, label):
    check_one_source(y, label, 1)
    return check_waveform(sound_of(y), label)


def _with_dtype(arrays, dtype, name):
    """Arrays in the dtype of the mixtures, which must be able to hold their levels."""
    # What overflows becomes an infinity, which is above every level.
    with np.errstate(over="ignore"):
        arrays = [array.astype(dtype, copy=False) for array in arrays]
    for i, array in enumerate(arrays):
        check_level(array, f"{name}[{i}]")
    return arrays


def _check_magnitudes(X, name, n_freqs=None):
    items = []
    for i, x in enumerate(X):
        items.append(check_magnitude(x, f"{name}[{i}]", n_freqs))
        n_freqs = items[0].shape[1]
    return items


def _check_spectrograms(X, name):
    for i, item in enumerate(X):
        if not is_spectrogram(item):
            raise TypeError(
                f"{name}[{i}] is a {type(item).__name__} but {name}[0] is a Spectrogram; "
                f"pass one kind."
            )
        if item.settings != X[0].settings:
            raise ValueError(
                f"{name}[{i}] was made with {shown(item.settings)}, but {name}[0] with "
                f"{shown(X[0].settings)}; one model works on one sample rate and one STFT."
            )
        if not isinstance(item.waveform, np.ndarray) or item.waveform.dtype.kind != "f":
            raise TypeError(
                f"{name}[{i}] has no array of floats as its waveform; make spectrograms with "
                f"STFT().transform."
            )
        check_waveform(item.waveform, f"{name}[{i}]")
        check_level(item.waveform, f"{name}[{i}]")
        if item.mask is not None:
            check_mask(item.mask, item.shape, f"the mask of {name}[{i}]")
    return list(X)
