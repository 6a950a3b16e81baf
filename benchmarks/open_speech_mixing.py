"""Synthesis of the open speech corpus: utterances, tracks of interference, mixtures.

Pure functions of arrays and a random generator; they read and write no files.
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.signal import butter, sosfilt

from sknmf_unfold.datasets import mix_at_snr

RATE = 16000
# Level at which utterances and tracks are stored, and range of the levels of targets, in dBFS.
LEVEL_DB = -26
LEVEL = 10 ** (LEVEL_DB / 20)
TARGET_LEVELS_DB = (-45, -15)
RUMBLE_HZ = 50
SNRS = (-6, -3, 0, 3, 6, 9)
# Samples; longer recordings are divided between the parts by time, shorter ones go to one part.
MIN_DIVIDED_LENGTH = 20 * RATE
# Share of time (long) or of recordings (short) for train, dev and test.
SHARES = (0.8, 0.1, 0.1)
# One of so many recordings is in dev and not in training, another one in test.
UNSEEN_EVERY = 10


def rms(waveform):
    """Compute the root of the mean square, 0 for an empty waveform."""
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if len(waveform) else 0.0


def fade(waveform, n_times=160):
    """Raise and lower the ends over `n_times` samples, so that joining makes no click."""
    n_times = min(n_times, len(waveform) // 2)
    if n_times == 0:
        return waveform
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_times) + 0.5) / n_times)
    waveform = waveform.copy()
    waveform[:n_times] *= ramp
    waveform[-n_times:] *= ramp[::-1]
    return waveform


def remove_rumble(waveform):
    """Take away what microphones and rooms add below the voice (second-order Butterworth)."""
    sections = butter(2, RUMBLE_HZ, "highpass", fs=RATE, output="sos")
    return sosfilt(sections, waveform).astype(np.float32) if len(waveform) else waveform


def trim(waveform, threshold_db=-40.0, window=160, margin=800):
    """Cut off both ends below the loudest 10 ms plus `threshold_db`, but for a margin."""
    n_windows = len(waveform) // window
    if n_windows == 0:
        return waveform
    power = np.square(waveform[: n_windows * window].reshape(-1, window)).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (threshold_db / 10))
    if len(loud) == 0:
        return waveform[:0]
    start, end = loud[0] * window - margin, (loud[-1] + 1) * window + margin
    return waveform[max(start, 0) : end]


def join_prompts(prompts, rng, shortest=3.0, longest=8.0):
    """Join the prompts of one speaker to utterances.

    Parameters
    ----------
    prompts : list of ndarray of shape (n_times,)
        Trimmed; shuffled here. One longer than an utterance is cut.
    rng : numpy.random.RandomState
        Draws order, pauses and lengths.
    shortest, longest : float
        Seconds.

    Returns
    -------
    utterances : list of ndarray of shape (n_times,), float32
        At -26 dBFS RMS, each `shortest` to `longest` seconds.
    """
    low, high = int(shortest * RATE), int(longest * RATE)
    utterances, parts, length, goal = [], [], 0, rng.uniform(low, 0.75 * high)
    for index in rng.permutation(len(prompts)):
        prompt = prompts[index]
        for piece in np.array_split(prompt, -(-len(prompt) // (high - low))):
            if length + len(piece) > high:
                utterances, parts, length = _close(utterances, parts, low), [], 0
            pause = np.zeros(rng.randint(int(0.1 * RATE), int(0.3 * RATE)))
            parts += [fade(piece / max(rms(piece), 1e-9)), pause]
            length += len(piece) + len(pause)
            if length >= goal:
                utterances, parts, length = _close(utterances, parts, low), [], 0
                goal = rng.uniform(low, 0.75 * high)
    return _close(utterances, parts, low)


def _close(utterances, parts, shortest):
    """Add the joined parts, without the last pause, unless they are too short."""
    joined = np.concatenate(parts[:-1]) if parts else np.zeros(0)
    if len(joined) >= shortest:
        joined = (joined - joined.mean()) * (LEVEL / rms(joined - joined.mean()))
        return [*utterances, joined.astype(np.float32)]
    return utterances


def distinct(recordings):
    """Return the indices of the audible recordings, one of each where there are copies."""
    seen = {}
    for i, recording in enumerate(recordings):
        if len(recording) > 0.1 * RATE and rms(recording) > 1e-4:
            seen.setdefault(hashlib.sha256(recording.tobytes()).digest(), i)
    return list(seen.values())


def split_recordings(recordings, rng, groups=None):
    """Share the recordings of one kind of interference between the parts.

    Parameters
    ----------
    recordings : list of ndarray of shape (n_times,)
        Whole recordings.
    rng : numpy.random.RandomState
        Draws which recording goes where.
    groups : list of str, optional
        Name of the group of each recording; training has all recordings of a group or none. By
        default every recording is a group.

    Returns
    -------
    tracks : dict of list of ndarray
        ``train``, ``dev-matched``, ``test-matched``, ``dev-unseen`` and ``test-unseen``. A long
        recording that is used in training gives other stretches of time to the matched parts; a
        short one cannot, and goes to one part as a whole.
    """
    names = ("train", "dev-matched", "test-matched")
    tracks = {name: [] for name in (*names, "dev-unseen", "test-unseen")}
    members = {}
    for i, name in enumerate(groups or range(len(recordings))):
        members.setdefault(name, []).append(i)
    held_out = _hold_out(recordings, list(members.values()), rng)
    for index in rng.permutation(len(recordings)):
        recording = recordings[index]
        if index in held_out:
            tracks[held_out[index]].append(recording)
        elif len(recording) > MIN_DIVIDED_LENGTH:
            cuts = (np.cumsum(SHARES)[:-1] * len(recording)).astype(int)
            for name, piece in zip(names, np.split(recording, cuts), strict=True):
                tracks[name].append(piece)
        else:
            tracks[rng.choice(names, p=SHARES)].append(recording)
    return tracks


def _hold_out(recordings, members, rng):
    """Draw the groups that training does not have; map their recordings to dev or test."""
    order = [members[i] for i in rng.permutation(len(members))]
    # By length, so that long and short recordings are both held out.
    order.sort(key=lambda group: max(len(recordings[i]) for i in group) > MIN_DIVIDED_LENGTH)
    parts = {0: "dev-unseen", UNSEEN_EVERY // 2: "test-unseen"}
    turns = ((parts.get(rank % UNSEEN_EVERY), group) for rank, group in enumerate(order))
    return {i: part for part, group in turns if part for i in group}


def make_track(pieces, rng):
    """Join pieces to a track: all at one level, short ones apart by up to half a second."""
    parts = []
    for index in rng.permutation(len(pieces)):
        piece = pieces[index]
        # Short sounds have high peaks for their level; none may exceed full scale.
        gain = min(LEVEL / rms(piece), 0.9 / np.abs(piece).max())
        parts.append(fade(piece * gain))
        if len(piece) < MIN_DIVIDED_LENGTH:
            parts.append(np.zeros(rng.randint(0, RATE // 2)))
    return np.concatenate(parts).astype(np.float32)


def balance(tracks, shares, longest=60 * RATE):
    """Cut tracks into stretches and repeat those of short tracks.

    Parameters
    ----------
    tracks : dict of ndarray of shape (n_times,)
        Track of each kind.
    shares : dict of float
        Relative duration of each kind among the stretches, reached as well as whole repetitions
        allow; the kind with the most for its share comes once.
    longest : int
        Samples of a stretch at most.

    Returns
    -------
    stretches : list of ndarray
        Views of the tracks; a repeated one is the same array.
    """
    most = max(len(track) / shares[kind] for kind, track in tracks.items())
    stretches = []
    for kind, track in tracks.items():
        cut = np.array_split(track, -(-len(track) // longest))
        stretches += cut * max(round(most * shares[kind] / len(track)), 1)
    return stretches


def balance_voices(utterances, most=5):
    """Repeat the utterances of voices with few, so that they are heard more often.

    Parameters
    ----------
    utterances : dict of list of ndarray of shape (n_times,)
        Of each voice.
    most : int, default=5
        Largest number of repetitions.

    Returns
    -------
    repeated : list of ndarray
        Utterances of all voices, each as often as the root of the longest voice's duration over
        that of its own voice, rounded; a repeated one is the same array.
    """
    durations = {voice: sum(map(len, own)) for voice, own in utterances.items()}
    longest = max(durations.values())
    repeated = []
    for voice, own in utterances.items():
        repeated += own * min(round((longest / durations[voice]) ** 0.5), most)
    return repeated


def choose_utterances(speakers, hours, rng):
    """Draw utterances of all speakers in turn, none again until all of everybody were taken.

    Parameters
    ----------
    speakers : dict of list of [start, end]
        Utterances of each speaker, in samples.
    hours : float
        How much to draw.
    rng : numpy.random.RandomState

    Returns
    -------
    chosen : list of [speaker, start, end]
    """
    goal, chosen, total = hours * 3600 * RATE, [], 0
    queues = {speaker: [] for speaker in speakers}
    while True:
        if not any(queues.values()):
            for speaker, spans in speakers.items():
                queues[speaker] = [spans[i] for i in rng.permutation(len(spans))]
        for speaker in [speaker for speaker, queue in queues.items() if queue]:
            if total >= goal:
                return chosen
            chosen.append([speaker, *queues[speaker].pop()])
            total += chosen[-1][2] - chosen[-1][1]


def plan_mixture(lengths, n_times, snr, rng, audible=lambda kind, start: True):
    """Draw the interference of one mixture.

    Parameters
    ----------
    lengths : dict of int
        Length of the track of each kind, in samples.
    n_times : int
        Length of the utterance.
    snr : float
        In dB.
    rng : numpy.random.RandomState
    audible : callable
        ``audible(kind, start)`` tells whether the track is not silent there; silence is redrawn.

    Returns
    -------
    plan : dict
        ``snr``, ``gain_db`` of mixture and target together, which gives the target a level in
        `TARGET_LEVELS_DB`, and ``segments``, a list of [kind, first sample, gain in dB].
    """
    kinds = rng.permutation(sorted(lengths))[: rng.randint(1, 4)]
    segments = []
    for kind in kinds:
        for _ in range(20):
            start = int(rng.randint(0, lengths[kind] - n_times))
            if audible(kind, start):
                break
        segments.append([str(kind), start, round(float(rng.uniform(-5, 5)), 2)])
    gain = round(float(rng.uniform(*TARGET_LEVELS_DB)) - LEVEL_DB, 2)
    return {"snr": int(snr), "gain_db": gain, "segments": segments}


def mix(utterance, tracks, plan):
    """Make the mixture and the target of a plan.

    Parameters
    ----------
    utterance : ndarray of shape (n_times,), float32
    tracks : dict of ndarray
        Track of each kind, floats or int16.
    plan : dict
        From `plan_mixture`.

    Returns
    -------
    mixture, target : ndarray of shape (n_times,), float32
    """
    total = np.zeros(len(utterance))
    for kind, start, gain in plan["segments"]:
        segment = np.asarray(tracks[kind][start : start + len(utterance)], dtype=np.float64)
        total += segment / max(rms(segment), 1e-9) * 10 ** (gain / 20)
    target = utterance * np.float32(10 ** (plan["gain_db"] / 20))
    return mix_at_snr(target, fade(total).astype(np.float32), plan["snr"]), target


def snr_db(mixture, target):
    """Compute the ratio of the energies of the target and of all else, in dB with two decimals."""
    ratio = rms(target) / max(rms(mixture.astype(np.float64) - target), 1e-12)
    return round(20 * float(np.log10(ratio)), 2)


def gain_db(target):
    """Compute the level of a target relative to that of stored utterances, in dB."""
    return round(20 * float(np.log10(rms(target) / LEVEL)), 2)
