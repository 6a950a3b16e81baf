"""Training data: frames of mixtures and targets for a loss, as recorded or remixed every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.tensors import resolve_device
from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from sknmf_unfold.training.losses import LOSSES, Loss, resolve_loss
from sknmf_unfold.validation.messages import shown
from sknmf_unfold.validation.recordings import waveform_of
from sknmf_unfold.validation.sequences import Sequences

if TYPE_CHECKING:
    from sknmf_unfold.training.batches import Pairs

# Frames of all mixtures, or of all targets, are kept in memory up to this size.
MAX_KEPT_BYTES = 2**31
# Waveforms are remixed in groups of about this size.
MAX_REMIXED_BYTES = 2**30
# The loss that a recipe stands for where the data are magnitudes, which have no phase.
MAGNITUDE_LOSS = "signal_approximation"


def suit_data(settings: dict, separator: object, sequences: Sequences) -> None:
    """Resolve the loss, and adapt the recipe to magnitudes, which have no phase and no waveform.

    Parameters
    ----------
    settings : dict
        ``loss`` and ``remix`` of recipe and parameters. The loss becomes a `Loss`.
    separator : object
        Its parameters `loss` and `remix` are None where the recipe decides.
    sequences : Sequences
        Checked training data.

    Raises
    ------
    ValueError
        If a parameter needs more than magnitudes.
    """
    loss, remix = separator.loss, separator.remix  # type: ignore[attr-defined]
    settings["loss"] = resolve_loss(settings["loss"])
    if sequences.kind == "spectrograms":
        return
    if remix:
        raise ValueError(
            "`remix`=True mixes waveforms, which spectrograms have, as STFT makes them; X has "
            "magnitudes. Use remix=False."
        )
    settings["remix"] = False
    if loss is None:
        settings["loss"] = LOSSES[MAGNITUDE_LOSS]
    elif settings["loss"].input != "magnitude":
        raise ValueError(
            f"`loss`={shown(loss)} needs the phase of spectrograms, as STFT makes them; X has "
            f"magnitudes. Use loss={MAGNITUDE_LOSS!r}."
        )


def try_own_loss(separator: Any, settings: dict, mixtures: Sequences, targets: Sequences) -> None:
    """Call the user's loss on the first recording, before anything is computed that takes long.

    Parameters
    ----------
    separator : TrainedSeparator
        With ``input_scale_``.
    settings : dict
        ``loss``, a `Loss`, and ``sequence_length``.
    mixtures, targets : Sequences

    Raises
    ------
    ValueError, TypeError
        If its return value is not what training needs.
    """
    loss: Loss = settings["loss"]
    if not loss.is_own:
        return
    from sknmf_unfold.training.own_loss import try_loss

    pairs = make_pairs(loss, mixtures.subset([0]), targets.subset([0]), separator.input_scale_)
    pairs = pairs.segments(settings["sequence_length"])
    try_loss(loss.function, pairs.batch([0, 0], resolve_device(separator.device)))


def make_training_pairs(
    loss: Loss, data: tuple, plan: dict, scale: float, mixing: dict
) -> tuple[Pairs | Remix, Pairs]:
    """Compute the frames of a fit, for training and for validation.

    Parameters
    ----------
    loss : Loss
    data : tuple
        Mixtures and targets, as Sequences, and the pair for validation, or None.
    plan : dict
        ``parts`` (indices of the recordings for training and for validation, or None) and ``seed``
        (of remixing, or None).
    scale : float
        Factor of all frames.
    mixing : dict
        ``speed_factors`` and ``gain_db`` for remixing, see `MixtureDataset`.

    Returns
    -------
    train : Pairs or Remix
    validation : Pairs
    """
    mixtures, targets, validation = data
    if plan["parts"] is not None:
        parts = [[each.subset(i) for each in (mixtures, targets)] for i in plan["parts"]]
        (mixtures, targets), validation = parts
    validation_pairs = make_pairs(loss, validation[0], validation[1], scale)
    if plan["seed"] is None:
        return make_pairs(loss, mixtures, targets, scale), validation_pairs
    return Remix(loss, mixtures, targets, plan["seed"], scale, **mixing), validation_pairs


def make_pairs(loss: Loss, mixtures: Sequences, targets: Sequences, scale: float = 1.0) -> Pairs:
    """Compute the frames of mixtures and targets that a loss takes.

    Parameters
    ----------
    loss : Loss
        Its ``input`` decides; magnitudes and tables have ``"magnitude"`` only.
    mixtures, targets : Sequences
    scale : float, default=1
        Factor of all frames.

    Returns
    -------
    pairs : Pairs
        Above `MAX_KEPT_BYTES` the frames are computed batch by batch.
    """
    from sknmf_unfold.training.batches import Pairs

    return Pairs(
        _mixture_frames(loss, mixtures, scale),
        _target_frames(loss, mixtures, targets, scale),
    )


def _mixture_frames(loss, mixtures, scale, keep=True):
    if mixtures.kind != "spectrograms":
        return [x * x.dtype.type(scale) for x in mixtures]
    is_complex = loss.input == "complex"
    functions = [item.stft if is_complex else _magnitude(item) for item in mixtures.items]
    return _lazy(mixtures, functions, scale, is_complex, keep)


def _target_frames(loss, mixtures, targets, scale, keep=True):
    if loss.input != "in_phase":
        return _mixture_frames(loss, targets, scale, keep)
    pairs = zip(mixtures.items, targets.items, strict=True)
    return _lazy(targets, [_in_phase(*pair) for pair in pairs], scale, False, keep)


def _lazy(sequences, functions, scale, is_complex, keep):
    """Frames of all sequences, computed now if they are to be kept and small enough."""
    from sknmf_unfold.training.batches import LazyFrames

    dtype = np.result_type(sequences.dtype, np.complex64) if is_complex else sequences.dtype
    factor = sequences.dtype.type(scale)

    def scaled(function):
        return lambda start, stop: (function(start, stop) * factor).astype(dtype, copy=False)

    shapes = [item.shape for item in sequences.items]
    pairs = zip(functions, shapes, strict=True)
    frames = [LazyFrames(scaled(function), shape, dtype) for function, shape in pairs]
    size = sum(sequences.n_frames) * sequences.n_freqs * dtype.itemsize
    return [np.asarray(x) for x in frames] if keep and size <= MAX_KEPT_BYTES else frames


def _magnitude(item):
    return lambda start, stop: np.abs(item.stft(start, stop))


def _in_phase(mixture, target):
    def compute(start, stop):
        X, Y = mixture.stft(start, stop), target.stft(start, stop)
        # Where there is no mixture no mask makes a difference.
        magnitude = np.abs(X)
        return (Y * X.conj()).real / np.where(magnitude > 0, magnitude, 1)

    return compute


class Remix:
    """Recordings remixed every epoch (dynamic mixing), as `Pairs`.

    Parameters
    ----------
    loss : Loss
    mixtures, targets : Sequences
        Of spectrograms, checked.
    seed : int
        Of all random choices.
    scale : float, default=1
        Factor of all frames.
    **mixing
        ``speed_factors`` and ``gain_db`` of `MixtureDataset`.
    """

    def __init__(
        self,
        loss: Loss,
        mixtures: Sequences,
        targets: Sequences,
        seed: int,
        scale: float = 1.0,
        **mixing: Any,
    ):
        self.loss, self.scale = loss, scale
        self.targets = targets
        X, y = ([waveform_of(item) for item in part.items] for part in (mixtures, targets))
        self.n_groups = -(-sum(x.nbytes for x in (*X, *y)) // MAX_REMIXED_BYTES)
        self.dataset = MixtureDataset.from_checked(X, y, random_state=seed, **mixing)
        # Targets at their own speed and level stay the same, and so do their frames.
        unchanged = self.dataset.speed_factors == [1.0] and self.dataset.gain_db == [0.0]
        stay = unchanged and loss.input != "in_phase"
        self._kept = _target_frames(loss, mixtures, targets, scale) if stay else None

    def __call__(self, epoch: int) -> Iterator[Pairs]:
        """Remix the recordings for an epoch, group by group.

        Parameters
        ----------
        epoch : int
            Its number.

        Yields
        ------
        pairs : Pairs
            Of some of the recordings, drawn at random where there is more than one group.
        """
        order = np.arange(len(self.dataset))
        if self.n_groups > 1:
            np.random.RandomState([self.dataset.random_state, epoch, 1]).shuffle(order)
        drawn = self.dataset.mixtures(epoch, order)
        for group in np.array_split(order, self.n_groups):
            yield self._pairs(group, [next(drawn) for _ in group])

    def _pairs(self, indices, drawn):
        from sknmf_unfold.training.batches import Pairs

        mixtures, targets = (
            self._sequences(indices, waveforms) for waveforms in zip(*drawn, strict=True)
        )
        # Each is needed once: computed when its batch is, it takes no memory.
        frames = _mixture_frames(self.loss, mixtures, self.scale, keep=False)
        if self._kept is not None:
            return Pairs(frames, [self._kept[i] for i in indices])
        frames_of_targets = _target_frames(self.loss, mixtures, targets, self.scale, keep=False)
        return Pairs(frames, frames_of_targets)

    def _sequences(self, indices, waveforms):
        items = [self.targets.items[i].of(x) for i, x in zip(indices, waveforms, strict=True)]
        return Sequences(items, "spectrograms")
