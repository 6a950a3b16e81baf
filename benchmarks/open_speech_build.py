"""Building of the open speech corpus: from packages to arrays, plans of mixtures and a manifest."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from scipy.stats import uniform
from sklearn.utils import check_random_state

from benchmarks import open_speech_mixing as mixing
from benchmarks import open_speech_packages as packages
from benchmarks import open_speech_sources as sources
from sknmf_unfold.datasets import MixtureDataset, simulate_rooms

VERSION = 3
HOURS = {"full": 14.4, "tenth": 1.44, "dev": 1 / 3, "test": 1 / 3}
# So that no voice and no piece of music dominates.
MAX_VOICE_SECONDS = 45 * 60
MAX_MUSIC_SECONDS = 120
N_ROOMS = {"train": 200, "dev": 40, "test": 40}
ROOM_SHARE = 0.3
BANDWIDTHS_HZ = ((300, 3400), 4000, 6000)
# Ranges: scipy's `uniform` takes the lower end and the width.
WILD_CONDITIONS = {
    "snr_db": uniform(-5, 25),
    "gain_db": uniform(-20, 30),
    "n_interferences": (1, 2),
    "equalizer_db": 6,
    "bandwidths": BANDWIDTHS_HZ,
    "band_fraction": 0.2,
    "rumble_db": uniform(-60, 40),
    "hiss_db": uniform(-60, 35),
    "room_fraction": ROOM_SHARE,
}


def build_corpus(folder, seed, report):
    """Fetch, decode, mix and plan everything.

    Parameters
    ----------
    folder : Path
        Gets the arrays.
    seed : int
        Draws utterances, splits, rooms and mixtures.
    report : callable
        Called with a line about each step.

    Returns
    -------
    manifest : dict
        Facts about packages, checksums of arrays, utterances and plans of all mixtures.
    """
    manifest = {"version": VERSION, "seed": seed, "sample_rate": packages.SAMPLE_RATE}
    manifest |= {"packages": _fetch(folder, report), "arrays": {}, "sources": {}}
    rng = check_random_state(seed)
    rooms = _build_rooms(folder, manifest, rng)
    report(f"rooms: {', '.join(f'{part} {len(found)}' for part, found in rooms.items())}")
    utterances = _build_speech(folder, manifest, rng, report)
    lengths = _build_interference(folder, manifest, rng, report)
    manifest["utterances"] = utterances
    manifest["mixtures"] = _plan(folder, utterances, lengths, rng)
    for part in sources.WILD:
        chosen = mixing.choose_utterances(utterances[part], HOURS[part], rng)
        noises = _read_wild(folder, manifest, part, rng, report)
        entries = _build_wild(folder, manifest, part, chosen, (noises, rooms[part]), rng)
        manifest["mixtures"][f"{part}-wild"] = entries
        report(f"{part} wild: {len(entries)} mixtures")
    plain = json.dumps([manifest["arrays"], manifest["mixtures"]], sort_keys=True)
    manifest["sha256"] = hashlib.sha256(plain.encode()).hexdigest()
    return manifest


def _fetch(folder, report):
    """Fetch all packages; return what is known about each, with its credits."""
    facts = packages.fetch_all(sources.packages(), folder / "packages")
    for fact in facts:
        licence, makers, content = sources.CREDITS[fact["package"]]
        fact |= {"sound_licence": licence, "makers": makers, "content": content}
        report(f"{fact['package']} {fact['version']}: {licence}")
    return facts


def _save(folder, manifest, name, array):
    """Store an array; put its checksum into the manifest."""
    np.save(folder / f"{name}.npy", array)
    manifest["arrays"][name] = hashlib.sha256(array.tobytes()).hexdigest()


def _to_int16(waveform):
    return np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2")


def _build_rooms(folder, manifest, rng):
    """Simulate the rooms of each part; store them one after the other."""
    rooms = {
        part: simulate_rooms(n, packages.SAMPLE_RATE, random_state=rng, highpass=None)
        for part, n in N_ROOMS.items()
    }
    for part, responses in rooms.items():
        _save(folder, manifest, f"rooms-{part}", np.concatenate(responses))
    manifest["rooms"] = {part: [len(r) for r in responses] for part, responses in rooms.items()}
    return rooms


def _build_speech(folder, manifest, rng, report):
    """Store the utterances of every voice; return [start, end] of each, by part and voice."""
    spans = {}
    for part, speakers in sources.SPEECH.items():
        spans[part] = {}
        for speaker, (package, pattern) in speakers.items():
            files = sources.speech_files(folder / "packages", package, pattern)
            joined = _read_utterances(folder, files, rng)
            _save(folder, manifest, f"speech-{speaker}", _to_int16(np.concatenate(joined)))
            ends = np.cumsum([len(utterance) for utterance in joined])
            spans[part][speaker] = [
                [int(e - len(u)), int(e)] for u, e in zip(joined, ends, strict=True)
            ]
            manifest["sources"][f"speech-{speaker}"] = files
            report(f"{part} voice {speaker}: {len(files)} prompts, {ends[-1] / mixing.RATE:.0f} s")
    return spans


def _read_utterances(folder, files, rng):
    """Decode the prompts of a voice and join them, at most `MAX_VOICE_SECONDS` of them."""
    decoded = packages.decode_all(folder / "packages", files)
    prompts = [mixing.trim(mixing.remove_rumble(prompt)) for prompt in decoded]
    prompts = [p for p in prompts if len(p) > 0.2 * mixing.RATE and mixing.rms(p) > 1e-4]
    joined = mixing.join_prompts(prompts, rng)
    ends = np.cumsum([len(utterance) for utterance in joined])
    return joined[: np.count_nonzero(ends <= MAX_VOICE_SECONDS * mixing.RATE)]


def _read_recordings(folder, files, kind):
    """Decode interference; return the audible recordings, once each, and their indices."""
    longest = MAX_MUSIC_SECONDS if kind == "music" else None
    recordings = packages.decode_all(folder / "packages", files, longest)
    kept = mixing.distinct(recordings)
    return [recordings[i] for i in kept], kept


def _build_interference(folder, manifest, rng, report):
    """Store one track for every kind and part; return their lengths."""
    lengths = {}
    for kind in sources.INTERFERENCE:
        files = sources.interference_files(folder / "packages", kind)
        recordings, kept = _read_recordings(folder, files, kind)
        groups = [sources.group(kind, files[i]) for i in kept]
        for part, pieces in mixing.split_recordings(recordings, rng, groups).items():
            track = mixing.make_track(pieces, rng)
            _save(folder, manifest, f"{kind}-{part}", _to_int16(track))
            lengths.setdefault(part, {})[kind] = len(track)
        seconds = sum(map(len, recordings)) / mixing.RATE
        manifest["sources"][kind] = files
        report(f"interference {kind}: {len(recordings)} recordings, {seconds:.0f} s")
    return lengths


def _plan(folder, utterances, lengths, rng):
    """Plan every mixture of the parts with plans: voice, span, SNR, gain, segments."""
    full = mixing.choose_utterances(utterances["train"], HOURS["full"], rng)
    mixtures = {"full": _plan_part(folder, full, "train", lengths, rng)}
    # Voices take turns, so the beginning of the full set is a balanced part of it.
    ends = np.cumsum([end - start for _, start, end in full])
    n_tenth = int(np.searchsorted(ends, HOURS["tenth"] * 3600 * mixing.RATE)) + 1
    mixtures["tenth"] = mixtures["full"][:n_tenth]
    for part in ("dev", "test"):
        chosen = mixing.choose_utterances(utterances[part], HOURS[part], rng)
        for condition in ("matched", "unseen"):
            name = f"{part}-{condition}"
            mixtures[name] = _plan_part(folder, chosen, name, lengths, rng)
    return mixtures


def _plan_part(folder, chosen, part, lengths, rng):
    tracks = {kind: np.load(folder / f"{kind}-{part}.npy", mmap_mode="r") for kind in lengths[part]}
    snrs = rng.permutation(np.resize(mixing.SNRS, len(chosen)))
    plans = []
    for (speaker, start, end), snr in zip(chosen, snrs, strict=True):
        n_times = end - start

        def audible(kind, first, n_times=n_times):
            return mixing.rms(tracks[kind][first : first + n_times]) > 32767 * 10 ** (-50 / 20)

        plan = mixing.plan_mixture(lengths[part], n_times, snr, rng, audible)
        condition = part.partition("-")[2] or "training"
        entry = {"speaker": speaker, "span": [start, end], "part": part, "condition": condition}
        plans.append(entry | plan)
    return plans


def _read_wild(folder, manifest, part, rng, report):
    """Read the interference that only the wild mixtures of `part` have, in equal shares."""
    tracks = {}
    for kind in sources.WILD[part]:
        files = sources.wild_files(folder / "packages", part, kind)
        recordings, _ = _read_recordings(folder, files, kind)
        tracks[kind] = mixing.make_track([recordings[i] for i in range(len(recordings))], rng)
        manifest["sources"][f"{kind}-{part}-wild"] = files
        seconds = sum(map(len, recordings)) / mixing.RATE
        report(f"{part} wild {kind}: {len(recordings)} recordings, {seconds:.0f} s")
    return mixing.balance(tracks, dict.fromkeys(tracks, 1.0))


def _build_wild(folder, manifest, part, chosen, sounds, rng):
    """Mix the utterances with other interference, rooms and levels than any training has."""
    noises, rooms = sounds
    targets = []
    for speaker, start, end in chosen:
        array = np.load(folder / f"speech-{speaker}.npy", mmap_mode="r")
        targets.append(array[start:end].astype(np.float32) / 32767)
    settings = WILD_CONDITIONS | {"rooms": rooms, "random_state": int(rng.randint(2**31))}
    X, Y = MixtureDataset(targets, noises, **settings).draw()
    _save(folder, manifest, f"mixtures-{part}-wild", np.concatenate(X))
    _save(folder, manifest, f"targets-{part}-wild", np.concatenate(Y))
    ends = np.cumsum([len(x) for x in X]).tolist()
    return [
        {"speaker": speaker, "span": [end - len(x), end], "part": f"{part}-wild"}
        | {"condition": "wild", "snr": mixing.snr_db(x, y), "gain_db": mixing.gain_db(y)}
        for (speaker, _, _), end, x, y in zip(chosen, ends, X, Y, strict=True)
    ]
