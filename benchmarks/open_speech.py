"""The open speech corpus: real voices in music, effects, and the sounds of homes and machines.

    python -m benchmarks.open_speech

The command builds the corpus. Speech: telephone prompts, dialogues of games, letters and names read
by volunteers, sentences; voices of train, dev and test are disjoint. Interference: music, ambience,
effects, other people. ``matched`` parts have other stretches of the recordings used in training
(for sounds too short to divide: other sounds of the same collection), ``unseen`` parts have other
recordings, and people of other languages. ``wild`` parts have other collections, rooms,
microphones, SNRs up to nearly clean, and nobody else who speaks. Levels of targets are spread over
30 dB in all parts. The cache holds utterances and tracks as 16-bit arrays at one level, wild
mixtures as floats, and a manifest with licences and the plan of every mixture.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from scipy.stats import uniform
from tqdm import tqdm

from benchmarks import open_speech_mixing as mixing
from benchmarks import open_speech_sources as sources
from benchmarks import open_speech_variety as variety
from benchmarks.open_speech_build import BANDWIDTHS_HZ, HOURS, VERSION, build_corpus

CONDITIONS = ("matched", "unseen", "wild")
# Keywords of `MixtureDataset` for training; with rooms: ``rooms=rooms()["train"],
# room_fraction=ROOM_SHARE``. Ranges: scipy's `uniform` takes the lower end and the width.
CONDITIONS_OF_TRAINING = {
    "snr_db": uniform(-8, 30),
    "gain_db": uniform(-22, 34),
    "speed_factors": uniform(0.8, 0.45),
    "clean_fraction": 0.03,
    "n_interferences": (1, 1, 2),
    "equalizer_db": 6,
    "bandwidths": BANDWIDTHS_HZ,
    "band_fraction": 0.15,
    "rumble_db": uniform(-60, 65),
    "hiss_db": uniform(-60, 40),
}
# Shares of time of the kinds of interference in training.
SHARES = {"music": 0.3, "ambience": 0.2, "effects": 0.2, "people": 0.1, "generated": 0.2}
# Kinds of few recordings, see `open_speech_variety`.
RARE = ("ambience", "effects")
SEED_OF_NOISE = 0


def cache_folder(cache=None):
    """Return the folder of the corpus: `cache`, or $SKNMF_UNFOLD_DATA, or ~/.cache."""
    default = Path.home() / f".cache/sknmf_unfold/open_speech_{VERSION}"
    return Path(cache or os.environ.get("SKNMF_UNFOLD_DATA", default))


def build(cache=None, *, seed=0, verbose=True):
    """Build the corpus, unless it exists.

    Parameters
    ----------
    cache : str or Path, optional
        Folder, see `cache_folder`.
    seed : int, default=0
        Draws utterances, splits and mixtures.
    verbose : bool, default=True
        Whether to show progress.

    Returns
    -------
    manifest : Path
        The manifest, a JSON file.
    """
    folder = cache_folder(cache)
    path = folder / "manifest.json"
    if _read_manifest(path).get("seed") == seed:
        return path
    (folder / "packages").mkdir(parents=True, exist_ok=True)
    # The arrays are overwritten below: an interrupted build must not look complete.
    path.unlink(missing_ok=True)
    start = time.perf_counter()
    with tqdm(total=sources.n_steps(), disable=not verbose) as bar:
        manifest = build_corpus(folder, seed, lambda message: _step(bar, message))
    manifest["build_seconds"] = round(time.perf_counter() - start, 1)
    path.write_text(json.dumps(manifest, indent=0))
    return path


def _read_manifest(path):
    """Read the manifest; it is empty if there is none of this version."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return found if found.get("version") == VERSION else {}


def _step(bar, message):
    if not bar.disable:
        bar.write(message)
    bar.update()


def _open(cache):
    """Read the manifest; build the corpus first where needed."""
    # A corpus built with any seed is accepted.
    found = _read_manifest(cache_folder(cache) / "manifest.json")
    return found or json.loads(build(cache).read_text())


def _read_array(cache, name):
    """Map an array; 16-bit samples are converted only when they are needed."""
    return np.load(cache_folder(cache) / f"{name}.npy", mmap_mode="r")


def _to_floats(array):
    return array.astype(np.float32) / 32767


def load(part, condition="matched", *, cache=None, return_entries=False):
    """Load mixtures and their targets; build the corpus first where needed.

    Parameters
    ----------
    part : {"tenth", "full", "dev", "test"}
        Training sets by size, or an evaluation part.
    condition : {"matched", "unseen", "wild"}, default="matched"
        For dev and test: which interference, see the description of this module.
    cache : str or Path, optional
        Folder, see `cache_folder`.
    return_entries : bool, default=False
        Whether to return facts about each mixture too.

    Returns
    -------
    X, Y : list of ndarray of shape (n_times,), float32
        Mixtures and targets at 16 kHz.
    entries : list of dict
        Only with `return_entries`: "speaker", "snr" (in dB, of the target to all else), "gain_db"
        (of the target, above -26 dBFS), "condition", and where its samples are.
    """
    if part not in HOURS or condition not in CONDITIONS:
        raise ValueError(
            f"`part` must be one of {list(HOURS)} and `condition` one of {list(CONDITIONS)}; "
            f"got part={part!r}, condition={condition!r}."
        )
    name = part if part in ("tenth", "full") else f"{part}-{condition}"
    entries = _open(cache)["mixtures"][name]
    make = _read_wild if entries and entries[0]["condition"] == "wild" else _mix
    pairs = make(cache, entries)
    X, Y = [x for x, _ in pairs], [y for _, y in pairs]
    return (X, Y, entries) if return_entries else (X, Y)


def _read_wild(cache, entries):
    """Read mixtures that are stored."""
    part = entries[0]["part"]
    arrays = [_read_array(cache, f"{name}-{part}") for name in ("mixtures", "targets")]
    return [[np.array(array[slice(*entry["span"])]) for array in arrays] for entry in entries]


def _mix(cache, entries):
    """Make mixtures from their plans."""
    parts = {(kind, entry["part"]) for entry in entries for kind, _, _ in entry["segments"]}
    tracks = {(kind, part): _read_array(cache, f"{kind}-{part}") for kind, part in parts}
    speakers = {entry["speaker"] for entry in entries}
    speech = {speaker: _read_array(cache, f"speech-{speaker}") for speaker in speakers}
    pairs = []
    for entry in entries:
        clean = _to_floats(speech[entry["speaker"]][slice(*entry["span"])])
        own = {kind: tracks[kind, entry["part"]] for kind, _, _ in entry["segments"]}
        pairs.append(mixing.mix(clean, own, entry))
    return pairs


def load_sources(cache=None):
    """Load all utterances and all interference of training, to be mixed at random in every epoch.

    Parameters
    ----------
    cache : str or Path, optional
        Folder, see `cache_folder`.

    Returns
    -------
    clean : list of ndarray of shape (n_times,), float32
        Utterances of all voices of training, each 3 to 8 seconds, at -26 dBFS. Those of voices
        with few come up to five times, as the same arrays.
    interference : list of ndarray of shape (n_times,), float32
        Stretches of at most a minute, at about -26 dBFS: recordings, those of `RARE` kinds also at
        other speeds and backwards, and generated noise. Kinds have about the shares `SHARES` of
        the time: a stretch of a rare kind comes several times, as the same array.

    Examples
    --------
    >>> clean, interference = load_sources()  # doctest: +SKIP
    >>> mixtures = MixtureDataset(
    ...     clean, interference, rooms=rooms()["train"], room_fraction=ROOM_SHARE,
    ...     **CONDITIONS_OF_TRAINING)  # doctest: +SKIP
    """
    utterances = {}
    for speaker, spans in _open(cache)["utterances"]["train"].items():
        waveform = _to_floats(_read_array(cache, f"speech-{speaker}"))
        utterances[speaker] = [waveform[start:end] for start, end in spans]
    kinds = [kind for kind in SHARES if kind != "generated"]
    tracks = {kind: _to_floats(_read_array(cache, f"{kind}-train")) for kind in kinds}
    tracks |= {kind: variety.varied(tracks[kind]) for kind in RARE}
    tracks["generated"] = variety.generated_noise(SEED_OF_NOISE, variety.GENERATED_SECONDS)
    return mixing.balance_voices(utterances), mixing.balance(tracks, SHARES)


def rooms(cache=None):
    """Load the impulse responses of simulated rooms; those of train, dev and test are disjoint.

    Parameters
    ----------
    cache : str or Path, optional
        Folder, see `cache_folder`.

    Returns
    -------
    rooms : dict of list of ndarray of shape (n_taps,), float32
        By part: "train", "dev", "test".
    """
    lengths = _open(cache)["rooms"]
    return {
        part: np.split(np.array(_read_array(cache, f"rooms-{part}")), np.cumsum(sizes)[:-1])
        for part, sizes in lengths.items()
    }


def print_summary(manifest):
    """Print minutes by part, condition and voice, and the checksum."""
    rate = manifest["sample_rate"]
    for part, voices in manifest["utterances"].items():
        seconds = {voice: np.diff(spans).sum() / rate for voice, spans in voices.items()}
        shares = ", ".join(f"{voice} {s / 60:.1f}" for voice, s in seconds.items())
        hours = sum(seconds.values()) / 3600
        print(f"voices of {part}: {len(voices)}, {hours:.2f} h (minutes: {shares})")
    for name, entries in manifest["mixtures"].items():
        hours = sum(end - start for start, end in (e["span"] for e in entries)) / rate / 3600
        snrs = [entry["snr"] for entry in entries]
        levels = [entry["gain_db"] + mixing.LEVEL_DB for entry in entries]
        print(
            f"{name}: {len(entries)} mixtures, {len({e['speaker'] for e in entries})} voices, "
            f"{hours:.2f} h, SNR {min(snrs):.0f} to {max(snrs):.0f} dB, levels of targets "
            f"{min(levels):.0f} to {max(levels):.0f} dBFS"
        )
    print(f"sha256 {manifest['sha256']}; built in {manifest['build_seconds']} s")


def licence_table(manifest):
    """Make a table of all packages for a model card.

    Parameters
    ----------
    manifest : dict
        Manifest of a corpus.

    Returns
    -------
    rows : list of tuple of str
        Package, version, licence of its sounds, who made them, what the corpus has of them.
    """
    names = ("package", "version", "sound_licence", "makers", "content")
    return [tuple(fact[name] for name in names) for fact in manifest["packages"]]


def main(arguments=None):
    """Parse the command line, build, and print the summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_speech", description=__doc__)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--licences", action="store_true", help="print the table of licences too")
    args = parser.parse_args(arguments)
    path = build(args.cache, seed=args.seed)
    manifest = json.loads(path.read_text())
    print_summary(manifest)
    if args.licences:
        print("\n".join(" | ".join(row) for row in licence_table(manifest)))
    print(f"manifest: {path}")


if __name__ == "__main__":
    main()
