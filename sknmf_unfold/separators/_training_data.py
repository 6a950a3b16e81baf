"""What goes through training for each loss, of recordings as they are or mixed anew."""

from __future__ import annotations

import numpy as np

from sknmf_unfold._sequences import Sequences
from sknmf_unfold.signal.mixture_dataset import MixtureDataset


def resolve_loss(loss, given, sequences):
    """Return the loss to train for; without a phase the recipe's gives way to the paper's.

    Parameters
    ----------
    loss : str
        What the recipe and the parameter together say.
    given : str or None
        The parameter.
    sequences : Sequences
        Checked training data.

    Returns
    -------
    loss : str

    Raises
    ------
    ValueError
        If the parameter asks for a loss that needs a phase, and there is none.
    """
    if loss == "signal_approximation" or sequences.kind == "spectrograms":
        return loss
    if given is None:
        return "signal_approximation"
    raise ValueError(
        f"`loss`={loss!r} needs the phase of spectrograms, as STFT makes them; X has magnitudes. "
        f"Use loss='signal_approximation'."
    )


def make_pairs(loss, mixtures, targets):
    """Compute what goes through training.

    Parameters
    ----------
    loss : {"signal_approximation", "phase_sensitive", "snr"}
    mixtures, targets : Sequences

    Returns
    -------
    pairs : Pairs
        Two magnitudes; the mixture's magnitude and the part of the target that is in phase with
        it; or complex frames of both.
    """
    from sknmf_unfold.training.pairs import Pairs

    if loss != "phase_sensitive":
        return Pairs(_part(loss, mixtures), _part(loss, targets))
    magnitudes, parts = [], []
    for mixture, target in zip(_frames(mixtures), _frames(targets), strict=True):
        magnitudes.append(np.abs(mixture))
        product = (target * mixture.conj()).real
        # Where there is no mixture no mask makes a difference.
        parts.append(product / np.where(magnitudes[-1] > 0, magnitudes[-1], 1))
    return Pairs(magnitudes, parts)


def _part(loss, sequences):
    """Give what goes through training of mixtures, or of targets, alone."""
    return sequences if loss == "signal_approximation" else _frames(sequences)


def _frames(sequences):
    dtype = np.result_type(sequences.dtype, np.complex64)
    return (item.stft().astype(dtype, copy=False) for item in sequences.items)


def make_loss(loss, settings):
    """Make the function ``(network, batch) -> (total, count)`` of a loss.

    Parameters
    ----------
    loss : {"signal_approximation", "phase_sensitive", "snr"}
    settings : dict or None
        STFT settings of the recordings.

    Returns
    -------
    batch_loss : callable
    """
    from sknmf_unfold.training.parts import batch_loss
    from sknmf_unfold.training.waveform_loss import WaveformError

    if loss != "snr":
        return batch_loss
    return WaveformError(settings["n_fft"], settings["hop_length"], settings["window"])


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

    Raises
    ------
    ValueError
        If there are no waveforms to mix.
    """

    def __init__(self, loss, mixtures, targets, seed):
        if mixtures.kind != "spectrograms":
            raise ValueError(
                "`remix`=True mixes waveforms, which spectrograms have, as STFT makes them; X has "
                "magnitudes. Use remix=False."
            )
        self.loss = loss
        self.targets = targets
        waveforms = [[item.waveform for item in part.items] for part in (mixtures, targets)]
        self.dataset = MixtureDataset.from_mixtures(*waveforms, random_state=seed)
        # Targets stay the same, and so does what is computed of them alone.
        self._once = None if loss == "phase_sensitive" else list(_part(loss, targets))

    def __call__(self, epoch):
        """Make what goes through an epoch.

        Parameters
        ----------
        epoch : int
            Which one.

        Returns
        -------
        pairs : Pairs
        """
        from sknmf_unfold.training.pairs import Pairs

        waveforms, _ = self.dataset.draw(epoch)
        items = [item.of(x) for item, x in zip(self.targets.items, waveforms, strict=True)]
        mixtures = Sequences(items, "spectrograms")
        if self._once is None:
            return make_pairs(self.loss, mixtures, self.targets)
        return Pairs(_part(self.loss, mixtures), self._once)
