"""`Sequences`, the checked input of an estimator: recordings or a table of frames."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator

from .lazy import is_lazy
from .magnitudes import check_magnitude, check_mask
from .messages import shown
from .recordings import (
    as_list,
    check_list,
    check_peak,
    check_source,
    is_number,
    is_spectrogram,
    source_of,
)
from .tables import check_magnitude_table

Kind = Literal["spectrograms", "magnitudes", "table"]

# Files of up to this many samples are read as a whole when their frames are computed in blocks.
MAX_LOADED_SAMPLES = 2**20


def is_nested_table(X: list | tuple) -> bool:
    """Tell whether plain Python lists of numbers stand for the rows of a 2-D array."""
    return len(X) > 0 and all(
        isinstance(x, (list, tuple)) and all(is_number(value) for value in x[:1]) for x in X
    )


def draw_frames(
    n_frames: int, max_frames: int | None, rng: np.random.RandomState | None
) -> np.ndarray:
    """Draw at most `max_frames` frames; return which, as an array of bool."""
    keep = np.ones(n_frames, dtype=bool)
    if max_frames is not None and max_frames < n_frames:
        keep[:] = False
        drawn = rng.choice(n_frames, max_frames, replace=False)  # type: ignore[union-attr]
        keep[drawn] = True
    return keep


def _stack(parts, n_frames):
    """Concatenate arrays one by one, so that all of them are in memory once."""
    stack, n_filled = None, 0
    for part in parts:
        if stack is None:
            stack = np.empty((n_frames, part.shape[1]), part.dtype)
        stack[n_filled : n_filled + len(part)] = part
        n_filled += len(part)
    return stack


class Sequences:
    """Checked sequences of magnitude frames, and the kind of input that they come from.

    Magnitudes of spectrograms are computed when they are read. `check_sequences` and
    `targets.check_targets` return an object of this class untouched: input is checked once, by the
    public method that takes it.

    Parameters
    ----------
    items : list of Spectrogram, list of ndarray, or ndarray of shape (n_samples, 1, n_freqs)
        One recording each.
    kind : {"spectrograms", "magnitudes", "table"}
        Decides what a separator returns: waveforms, a list of magnitudes, or one array.
    name : str, default="X"
        Their name in messages.
    """

    def __init__(self, items: Any, kind: Kind, name: str = "X"):
        self.items = items
        self.kind = kind
        self.name = name
        self._loaded: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.items)

    @property
    def is_lazy(self) -> bool:
        """Whether any recording is in a file, read when its frames are needed."""
        return self.kind == "spectrograms" and any(is_lazy(source_of(x)) for x in self.items)

    def __getitem__(self, index: int) -> np.ndarray:
        """Compute the magnitude of one recording, of shape (n_frames, n_freqs) and of `dtype`."""
        return np.asarray(self.items[index], dtype=self.dtype)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def block(self, index: int, start: int, stop: int) -> np.ndarray:
        """Compute frames of one recording, `start` up to `stop`: complex ones of a spectrogram."""
        if self.kind == "spectrograms":
            return self._item(index, stop).stft(start, stop)
        return np.asarray(self.items[index][start:stop], dtype=self.dtype)

    def _item(self, index, stop):
        """Return a recording; a file whose parts cannot be read alone is kept until its end."""
        item = self.items[index]
        source = source_of(item)
        if not is_lazy(source) or (source.reads_ranges and len(source) > MAX_LOADED_SAMPLES):
            return item
        loaded = self._loaded.pop(index, None) or item.load()
        if stop < len(item):
            self._loaded[index] = loaded
        return loaded

    @property
    def n_freqs(self) -> int:
        """Number of bins."""
        return self.items[0].shape[-1]

    @property
    def n_frames(self) -> np.ndarray:
        """Number of frames of each recording."""
        return np.array([item.shape[0] for item in self.items])

    @functools.cached_property
    def dtype(self) -> np.dtype:
        """float32 if all recordings are, else float64."""
        if self.kind == "table":
            return self.items.dtype
        return np.result_type(*{item.dtype for item in self.items})

    @property
    def settings(self) -> dict[str, Any] | None:
        """STFT settings of the recordings, None for bare magnitudes."""
        return self.items[0].settings if self.kind == "spectrograms" else None

    @property
    def content(self) -> Any:
        """Values that determine the recordings, in a form that can be hashed."""
        if self.kind == "spectrograms":
            return self.settings, [(_content(source_of(x)), x.mask) for x in self.items]
        return self.items

    def subset(self, indices: Any) -> Sequences:
        """Select the recordings at `indices`."""
        if self.kind == "table":
            return Sequences(self.items[indices], self.kind)
        return Sequences([self.items[i] for i in indices], self.kind)

    def as_input(self) -> Any:
        """Return the form in which users pass such data: a list of recordings, or a 2-D table."""
        return self.items[:, 0] if self.kind == "table" else self.items

    def frames(
        self,
        max_frames: int | None = None,
        rng: np.random.RandomState | None = None,
        change: Callable[[np.ndarray, slice], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Stack the frames of all recordings, or a random part of them.

        Parameters
        ----------
        max_frames : int, optional
            Largest number of frames, drawn without replacement; order is kept.
        rng : numpy.random.RandomState, optional
            Draws the part; needed where `max_frames` is given.
        change : callable, optional
            ``change(magnitude, indices)`` is applied to the magnitudes of whole recordings, of
            shape (batch, n_frames, n_freqs), before frames are drawn; ``indices`` is the slice of
            these recordings.

        Returns
        -------
        frames : ndarray of shape (n_frames, n_freqs)
        """
        change = change or (lambda magnitude, _: magnitude)
        lengths = self.n_frames
        keep = draw_frames(lengths.sum(), max_frames, rng)
        if self.kind == "table":
            rows = change(self.items, slice(None))[:, 0]
            return rows if keep.all() else rows[keep]
        parts = enumerate(np.split(keep, np.cumsum(lengths)[:-1]))
        drawn = (
            change(self[i][np.newaxis], slice(i, i + 1))[0][part] for i, part in parts if part.any()
        )
        return _stack(drawn, np.count_nonzero(keep))

    def restore(self, arrays: Iterable[np.ndarray]) -> Any:
        """Return arrays per recording in the form of the input: a list, or an array for a table."""
        arrays = list(arrays)
        return np.concatenate(arrays) if self.kind == "table" else arrays


def check_sequences(estimator: BaseEstimator, X: Any, *, reset: bool, name: str = "X") -> Sequences:
    """Check the X of an estimator that works on magnitudes.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` where `reset` is true, and is compared with it otherwise.
    X : Spectrograms, list of ndarray, array-like of shape (n_samples, n_freqs), or Sequences
        A list is a list of recordings; a 2-D array is a table of independent frames; `Sequences`
        are checked already.
    reset : bool
        Whether this is ``fit``.
    name : str, default="X"
        Its name in messages.

    Returns
    -------
    sequences : Sequences
        `X` itself where it is one.
    """
    if isinstance(X, Sequences):
        sequences = X
    else:
        X = as_list(X)
        if not isinstance(X, (list, tuple)) or is_nested_table(X):
            table = check_magnitude_table(estimator, X, reset, name)
            return Sequences(table[:, np.newaxis], "table", name)
        sequences = _check_recordings(X, name)
    _check_n_features(estimator, sequences, reset)
    return sequences


def _check_recordings(X, name):
    check_list(X, name, "Spectrogram items or magnitude arrays")
    if is_spectrogram(X[0]):
        return Sequences(_check_spectrograms(X, name), "spectrograms", name)
    return Sequences(check_magnitudes(X, name), "magnitudes", name)


def _check_n_features(estimator, sequences, reset):
    """Set ``n_features_in_``, or raise ``ValueError`` where it is not that of the sequences."""
    n_freqs = sequences.n_freqs
    if reset:
        estimator.n_features_in_ = n_freqs
        # Recordings have no column names; those of an earlier fit on a table are gone.
        vars(estimator).pop("feature_names_in_", None)
    elif n_freqs != estimator.n_features_in_:
        raise ValueError(
            f"{sequences.name} has {n_freqs} features (bins), but {type(estimator).__name__} is "
            f"expecting {estimator.n_features_in_} features as input."
        )


def check_magnitudes(X: list | tuple, name: str, n_freqs: int | None = None) -> list[np.ndarray]:
    """Check a list of magnitude spectrograms of one number of bins, see `check_magnitude`."""
    items: list[np.ndarray] = []
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
        _check_source(source_of(item), f"{name}[{i}]")
        if item.mask is not None:
            check_mask(item.mask, item.shape, f"the mask of {name}[{i}]")
    return list(X)


def _check_source(source, label):
    is_array = isinstance(source, np.ndarray) and source.dtype.kind == "f"
    if not is_array and not is_lazy(source):
        raise TypeError(
            f"{label} has no array of floats as its waveform; make spectrograms with "
            f"STFT().transform."
        )
    check_source(source, label)
    if is_array:
        check_peak(source, label)


def _content(source):
    """Return the samples, or for a file a string that changes with them."""
    return source.fingerprint if is_lazy(source) else source
