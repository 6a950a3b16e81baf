"""Loader of CHiME2 track 2 (WSJ0 in the noise of a home) from its folders as distributed.

Of a folder ``chime2-wsj0`` these are read: the mixtures, ``isolated/SET/SNR/SPEAKER/NAME.wav``, and
beside each its target, ``scaled/SET/SNR/SPEAKER/NAME.wav``: the reverberated speech alone at the
level that it has in the mixture. SET is ``si_tr_s``, ``si_dt_05`` or ``si_et_05``; SNR is one of
``m6dB``, ``m3dB``, ``0dB``, ``3dB``, ``6dB``, ``9dB``. Both ears are mixed down to one channel. The
corpus must be bought from the Linguistic Data Consortium (LDC2017S10).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sknmf_unfold.datasets import load_audio

SETS = {"full": "si_tr_s", "tenth": "si_tr_s", "dev": "si_dt_05", "test": "si_et_05"}
SNRS = {"m6dB": -6, "m3dB": -3, "0dB": 0, "3dB": 3, "6dB": 6, "9dB": 9}
RATE = 16000


def load(part, folder, *, seed=0):
    """Load mixtures and their targets.

    Parameters
    ----------
    part : {"tenth", "full", "dev", "test"}
        A tenth of the training utterances, all of them, or an evaluation set.
    folder : str or Path
        The folder ``chime2-wsj0``.
    seed : int, default=0
        Draws the tenth.

    Returns
    -------
    X, Y : list of ndarray of shape (n_times,), float32
        Mixtures and targets at 16 kHz.
    entries : list of dict
        ``snr`` in dB, ``speaker`` and ``path`` of each.

    Raises
    ------
    FileNotFoundError
        If a folder or the target of a mixture is missing.
    ValueError
        If a mixture and its target have different lengths, or a file lies in no folder of an SNR.
    """
    if part not in SETS:
        raise ValueError(f"`part` must be one of {list(SETS)}; got {part!r}.")
    mixtures = Path(folder) / "isolated" / SETS[part]
    paths = sorted(mixtures.rglob("*.wav"))
    if not paths:
        raise FileNotFoundError(
            f"There are no WAV files under {mixtures}; `folder` must be CHiME2's chime2-wsj0 with "
            f"its folders isolated and scaled."
        )
    if part == "tenth":
        order = np.random.RandomState(seed).permutation(len(paths))
        paths = [paths[i] for i in np.sort(order[: -(-len(paths) // 10)])]
    targets = [Path(folder) / "scaled" / SETS[part] / path.relative_to(mixtures) for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if not target.exists():
            raise FileNotFoundError(f"{path} has no target: there is no {target}.")
    X, Y = load_audio(paths, RATE), load_audio(targets, RATE)
    for path, x, y in zip(paths, X, Y, strict=True):
        if len(x) != len(y):
            raise ValueError(f"{path} has {len(x)} samples but its target has {len(y)}.")
    return X, Y, [_entry(path, mixtures) for path in paths]


def _entry(path, mixtures):
    parts = path.relative_to(mixtures).parts
    snrs = [SNRS[name] for name in parts if name in SNRS]
    if len(snrs) != 1:
        raise ValueError(f"{path} lies in no folder named by an SNR, one of {list(SNRS)}.")
    return {"snr": snrs[0], "speaker": path.parent.name, "path": str(path)}
