"""Losses that training lowers: the table of the built-in ones, and the user's own function.

To add a built-in loss, write its function in this file, under ``@_built_in`` with the frames that
it takes. The names that `loss` may have, the frames that are computed for training, and whether
magnitudes will do are derived from the table. This module loads no torch: functions import it.

A loss is a function of tensors of shape (batch, frames, bins): ``mask``, the target's mask, and
``mixture`` and ``target``, frames of one of the kinds in `INPUTS`. It returns a tensor of shape
(batch,): one number for each sequence, of which training lowers the mean. Framewise losses and
losses of waveforms differ, see `Loss`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sknmf_unfold.validation.messages import shown

if TYPE_CHECKING:
    import torch

# Frames of mixture and target: magnitudes of both; the mixture's magnitude and the part of the
# target that is in phase with the mixture; complex frames of both.
INPUTS = ("magnitude", "in_phase", "complex")


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss function, and the tensors that it takes.

    Parameters
    ----------
    function : callable
        As the head of this module describes.
    input : {"magnitude", "in_phase", "complex"}
        Frames of mixture and target, see `INPUTS`.
    is_framewise : bool, default=False
        Whether the loss is a mean over frames and bins. Its function then takes any frames, shape
        (..., bins), and returns the sum over them.
    is_waveform : bool, default=False
        Whether it compares waveforms. Its function gets all sequences of a batch, padded with zeros
        to one length, where others get sequences of one length; and two arguments more: the
        ``magnitude`` of the mixture, and ``stft``, a dict of the settings ``n_fft``, ``hop_length``
        and ``window``.
    is_own : bool, default=False
        Whether it is the user's function, whose return value is checked.
    """

    function: Callable[..., torch.Tensor]
    input: str
    is_framewise: bool = False
    is_waveform: bool = False
    is_own: bool = False


LOSSES: dict[str, Loss] = {}


def _built_in(**properties: Any) -> Callable:
    """Enter a function into `LOSSES` under its name, with these fields of `Loss`."""

    def enter(function):
        LOSSES[function.__name__] = Loss(function, **properties)
        return function

    return enter


@_built_in(input="magnitude", is_framewise=True)
def signal_approximation(
    mask: torch.Tensor, mixture: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Sum ``(|Y| - mask * |X|) ** 2`` over frames and bins.

    Parameters
    ----------
    mask, mixture, target : Tensor of shape (..., bins)
        Magnitudes.

    Returns
    -------
    total : Tensor of shape ()

    References
    ----------
    .. [1] Weninger, Hershey, Le Roux, Schuller, "Discriminatively trained recurrent neural networks
       for single-channel speech separation", GlobalSIP 2014.
    """
    from .squared_error import squared_error

    return squared_error(mask, mixture, target)


@_built_in(input="in_phase", is_framewise=True)
def phase_sensitive(
    mask: torch.Tensor, mixture: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Sum ``|Y - mask * X| ** 2`` over frames and bins, up to a constant.

    Parameters
    ----------
    mask, mixture, target : Tensor of shape (..., bins)
        The mixture's magnitude, and the part of the target that is in phase with the mixture.

    Returns
    -------
    total : Tensor of shape ()

    References
    ----------
    .. [1] Erdogan, Hershey, Watanabe, Le Roux, "Phase-sensitive and recognition-boosted speech
       separation using deep recurrent neural networks", ICASSP 2015.
    """
    from .squared_error import squared_error

    return squared_error(mask, mixture, target)


@_built_in(input="complex", is_waveform=True)
def snr(
    mask: torch.Tensor,
    mixture: torch.Tensor,
    target: torch.Tensor,
    magnitude: torch.Tensor,
    stft: dict,
) -> torch.Tensor:
    """Compute the energy of the waveform's error over that of the mixture, in dB.

    Up to a constant of each mixture it is the negative signal-to-noise ratio. It is bounded below,
    where the error is 30 dB weaker than the mixture.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
    mixture, target : Tensor of shape (batch, frames, bins), complex
    magnitude : Tensor of shape (batch, frames, bins)
        Of the mixture.
    stft : dict
        ``n_fft``, ``hop_length`` and ``window``.

    Returns
    -------
    losses : Tensor of shape (batch,)
        In dB.
    """
    from .waveform_losses import error_over_mixture

    return error_over_mixture(mask, mixture, target, magnitude, **stft)


@_built_in(input="complex", is_waveform=True)
def si_sdr(
    mask: torch.Tensor,
    mixture: torch.Tensor,
    target: torch.Tensor,
    magnitude: torch.Tensor,
    stft: dict,
) -> torch.Tensor:
    """Compute the negative SI-SDR of the separated waveform, bounded by 30 dB both ways.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
    mixture, target : Tensor of shape (batch, frames, bins), complex
    magnitude : Tensor of shape (batch, frames, bins)
        Of the mixture.
    stft : dict
        ``n_fft``, ``hop_length`` and ``window``.

    Returns
    -------
    losses : Tensor of shape (batch,)
        In dB.
    """
    from .waveform_losses import error_over_projection

    return error_over_projection(mask, mixture, target, **stft)


@_built_in(input="complex", is_waveform=True)
def snr_compressed(
    mask: torch.Tensor,
    mixture: torch.Tensor,
    target: torch.Tensor,
    magnitude: torch.Tensor,
    stft: dict,
) -> torch.Tensor:
    """Compute the mean of ``snr`` and the same ratio of compressed magnitudes, in dB.

    Magnitudes are raised to the power of 0.3 [1]_, so that weak bands and pauses count beside the
    loudest ones, which alone decide the SNR.

    Parameters
    ----------
    mask : Tensor of shape (batch, frames, bins)
    mixture, target : Tensor of shape (batch, frames, bins), complex
    magnitude : Tensor of shape (batch, frames, bins)
        Of the mixture.
    stft : dict
        ``n_fft``, ``hop_length`` and ``window``.

    Returns
    -------
    losses : Tensor of shape (batch,)
        In dB.

    References
    ----------
    .. [1] Wilson, Chinen, Thorpe, Patton, Hershey, Saurous, Skoglund, Lyon, "Exploring tradeoffs in
       models for low-latency speech enhancement", IWAENC 2018: power-law compressed magnitudes.
    """
    from .waveform_losses import compressed_error_over_mixture, error_over_mixture

    waveform = error_over_mixture(mask, mixture, target, magnitude, **stft)
    return (waveform + compressed_error_over_mixture(mask, target, magnitude)) / 2


def resolve_loss(loss: str | Callable[..., torch.Tensor]) -> Loss:
    """Look up a loss by its name, or take the user's function.

    Parameters
    ----------
    loss : str or callable
        Key of `LOSSES`, or a function ``loss(mask, mixture, target)``, whose attribute ``input``,
        if it has one, is one of `INPUTS`.

    Returns
    -------
    loss : Loss

    Raises
    ------
    ValueError, TypeError
        If there is no such loss.

    Examples
    --------
    >>> resolve_loss("snr").input
    'complex'
    >>> resolve_loss(lambda mask, mixture, target: mask.mean(dim=(1, 2))).input
    'magnitude'
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if isinstance(loss, type):
        raise TypeError(
            f"`loss` is the class {loss.__name__}; pass an instance that is called as "
            f"loss(mask, mixture, target)."
        )
    if not callable(loss):
        names = ", ".join(repr(name) for name in LOSSES)
        raise ValueError(
            f"`loss` must be one of {names}, or a function loss(mask, mixture, target); got "
            f"{shown(loss)}."
        )
    frames = getattr(loss, "input", "magnitude")
    if not isinstance(frames, str) or frames not in INPUTS:
        names = ", ".join(repr(name) for name in INPUTS)
        raise ValueError(
            f"The attribute `input` of `loss` must be one of {names}; got {shown(frames)}."
        )
    return Loss(loss, frames, is_own=True)
