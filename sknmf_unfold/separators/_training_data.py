"""What goes through training for each loss, of recordings as they are or mixed anew."""

from __future__ import annotations

import numpy as np

from sknmf_unfold.signal.mixture_dataset import MixtureDataset
from sknmf_unfold.validation.recordings import waveform_of
from sknmf_unfold.validation.sequences import Sequences

# What compares waveforms, and so goes through complex frames.
WAVEFORM_LOSSES = ("snr", "si_sdr")
# Bytes of the frames of all mixtures, or of all targets, that are kept in memory.
KEEP = 2**31
# Bytes of the waveforms that are mixed anew at a time.
DRAWN = 2**30


def suit_data(settings, given, sequences):
    """Adapt what a recipe says to data that are no spectrograms, which know phase and waveform.

    Parameters
    ----------
    settings : dict
        ``loss`` and ``remix`` as recipe and parameters together say; changed.
    given : object
        What has the parameters `loss` and `remix`, None where the recipe decides.
    sequences : Sequences
        Checked training data.

    Raises
    ------
    ValueError
        If a parameter asks for what magnitudes have not.
    """
    if sequences.kind == "spectrograms":
        return
    if given.remix:
        raise ValueError(
            "`remix`=True mixes waveforms, which spectrograms have, as STFT makes them; X has "
            "magnitudes. Use remix=False."
        )
    if given.loss not in (None, "signal_approximation"):
        raise ValueError(
            f"`loss`={given.loss!r} needs the phase of spectrograms, as STFT makes them; X has "
            f"magnitudes. Use loss='signal_approximation'."
        )
    settings |= {"loss": "signal_approximation", "remix": False}


def make_training_pairs(loss, data, plan, scale, mixing):
    """Compute what goes through a fit: the part to train on and the part to watch.

    Parameters
    ----------
    loss : str
        See `make_pairs`.
    data : tuple
        Mixtures and targets, as Sequences, and the pair to watch, or None.
    plan : dict
        ``parts`` (indices of the recordings to train on and to watch, or None) and ``seed`` (of
        mixing anew, or None).
    scale : float
        What all magnitudes are multiplied by.
    mixing : dict
        ``speed_factors`` and ``gain_db`` for mixing anew, see `MixtureDataset`.

    Returns
    -------
    train : Pairs, or callable that makes some after others for an epoch
    validation : Pairs
    """
    mixtures, targets, watched = data
    if plan["parts"] is not None:
        parts = [[each.subset(i) for each in (mixtures, targets)] for i in plan["parts"]]
        (mixtures, targets), watched = parts
    validation = make_pairs(loss, watched[0], watched[1], scale)
    if plan["seed"] is None:
        return make_pairs(loss, mixtures, targets, scale), validation
    return Remix(loss, mixtures, targets, plan["seed"], scale, **mixing), validation


def make_pairs(loss, mixtures, targets, scale=1.0):
    """Compute what goes through training.

    Parameters
    ----------
    loss : {"signal_approximation", "phase_sensitive", "snr", "si_sdr"}
    mixtures, targets : Sequences
    scale : float, default=1
        What all frames are multiplied by.

    Returns
    -------
    pairs : Pairs
        Two magnitudes; the mixture's magnitude and the part of the target that is in phase with
        it; or complex frames of both. Above a size of `KEEP` they are computed batch by batch.
    """
    from sknmf_unfold.training.pairs import Pairs

    return Pairs(_mixtures(loss, mixtures, scale), _targets(loss, mixtures, targets, scale))


def _mixtures(loss, mixtures, scale, keep=True):
    if mixtures.kind != "spectrograms":
        return [x * x.dtype.type(scale) for x in mixtures]
    is_complex = loss in WAVEFORM_LOSSES
    compute = _frames if is_complex else _magnitude
    functions = [compute(item) for item in mixtures.items]
    return _lazy(mixtures, functions, scale, is_complex, keep)


def _targets(loss, mixtures, targets, scale, keep=True):
    if loss != "phase_sensitive":
        return _mixtures(loss, targets, scale, keep)
    pairs = zip(mixtures.items, targets.items, strict=True)
    return _lazy(targets, [_in_phase(*pair) for pair in pairs], scale, False, keep)


def _lazy(sequences, functions, scale, is_complex, keep):
    """Frames of all sequences, computed now if they are to be kept and small enough."""
    from sknmf_unfold.training.pairs import LazyFrames

    dtype = np.result_type(sequences.dtype, np.complex64) if is_complex else sequences.dtype
    factor = sequences.dtype.type(scale)
    frames = [
        LazyFrames(
            lambda start, stop, f=f: (f(start, stop) * factor).astype(dtype, copy=False),
            shape,
            dtype,
        )
        for f, shape in zip(functions, (item.shape for item in sequences.items), strict=True)
    ]
    size = sum(sequences.n_frames) * sequences.n_freqs * dtype.itemsize
    return [np.asarray(x) for x in frames] if keep and size <= KEEP else frames


def _frames(item):
    return item.stft


def _magnitude(item):
    return lambda start, stop: np.abs(item.stft(start, stop))


def _in_phase(mixture, target):
    def compute(start, stop):
        X, Y = mixture.stft(start, stop), target.stft(start, stop)
        # Where there is no mixture no mask makes a difference.
        magnitude = np.abs(X)
        return (Y * X.conj()).real / np.where(magnitude > 0, magnitude, 1)

    return compute


def make_loss(loss, settings):
    """Make the function ``(network, batch) -> (total, count)`` of a loss.

    Parameters
    ----------
    loss : {"signal_approximation", "phase_sensitive", "snr", "si_sdr"}
    settings : dict or None
        STFT settings of the recordings.

    Returns
    -------
    batch_loss : callable
    """
    from sknmf_unfold.training.parts import batch_loss
    from sknmf_unfold.training.waveform_loss import WaveformLoss

    if loss not in WAVEFORM_LOSSES:
        return batch_loss
    settings = {name: settings[name] for name in ("n_fft", "hop_length", "window")}
    return WaveformLoss(**settings, scale_invariant=loss == "si_sdr")


class Remix:
    """Recordings mixed anew for every epoch, as `Pairs`.

    Parameters
    ----------
    loss : str
        What they are for, see `make_pairs`.
    mixtures, targets : Sequences
        Of spectrograms.
    seed : int
        Of what is drawn.
    scale : float, default=1
        What all frames are multiplied by.
    **mixing
        ``speed_factors`` and ``gain_db`` of `MixtureDataset`.
    """

    def __init__(self, loss, mixtures, targets, seed, scale=1.0, **mixing):
        self.loss, self.scale = loss, scale
        self.targets = targets
        waveforms = [[waveform_of(item) for item in part.items] for part in (mixtures, targets)]
        self.n_parts = -(-sum(x.nbytes for part in waveforms for x in part) // DRAWN)
        self.dataset = MixtureDataset.from_mixtures(*waveforms, random_state=seed, **mixing)
        # Targets as they are stay the same, and so does what is computed of them alone.
        as_they_are = self.dataset.speed_factors == [1.0] and self.dataset.gain_db == [0.0]
        stay = as_they_are and loss != "phase_sensitive"
        self._once = _targets(loss, mixtures, targets, scale) if stay else None

    def __call__(self, epoch):
        """Make what goes through an epoch, one part after the other.

        Parameters
        ----------
        epoch : int
            Which one.

        Yields
        ------
        pairs : Pairs
            Of some of the recordings, drawn at random where there is more than one part.
        """
        order = np.arange(len(self.dataset))
        if self.n_parts > 1:
            np.random.RandomState([self.dataset.random_state, epoch, 1]).shuffle(order)
        drawn = self.dataset.mixtures(epoch, order)
        for part in np.array_split(order, self.n_parts):
            yield self._pairs(part, [next(drawn) for _ in part])

    def _pairs(self, which, drawn):
        from sknmf_unfold.training.pairs import Pairs

        mixtures, targets = (
            self._sequences(which, waveforms) for waveforms in zip(*drawn, strict=True)
        )
        # Each is needed once: computed when its batch is, it takes no memory.
        if self._once is None:
            once = _targets(self.loss, mixtures, targets, self.scale, keep=False)
        else:
            once = [self._once[i] for i in which]
        return Pairs(_mixtures(self.loss, mixtures, self.scale, keep=False), once)

    def _sequences(self, which, waveforms):
        items = [self.targets.items[i].of(x) for i, x in zip(which, waveforms, strict=True)]
        return Sequences(items, "spectrograms")
