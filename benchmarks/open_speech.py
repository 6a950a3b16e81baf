"""The open speech corpus: real voices in the sounds of a home.

    python -m benchmarks.open_speech

The command builds the corpus. Speech: telephone prompts, a game's dialogues and picture names, in
ten languages; speakers of train, dev and test are disjoint. Interference: music, ambience, effects,
other people. ``matched`` parts have other stretches of the recordings used in training (for sounds
too short to divide: other sounds of the same collection), ``unseen`` parts have other recordings,
and people of other languages. The cache holds utterances and tracks as 16-bit arrays, and a
manifest with the plan of every mixture.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
from sklearn.utils import check_random_state
from tqdm import tqdm

from benchmarks import open_speech_mixing as mixing
from benchmarks import open_speech_sources as sources

VERSION = 2
HOURS = {"full": 14.4, "tenth": 1.44, "dev": 1 / 3, "test": 1 / 3}
CONDITIONS = ("matched", "unseen")


def cache_folder(cache=None):
    """Return the folder of the corpus: `cache`, or $SKNMF_UNFOLD_DATA, or ~/.cache."""
    default = os.environ.get("SKNMF_UNFOLD_DATA", Path.home() / ".cache/sknmf_unfold/open_speech")
    return Path(cache or default)


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
        manifest = _build(folder, seed, lambda message: _step(bar, message))
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


def _build(folder, seed, report):
    """Fetch, decode and plan everything; return the manifest."""
    facts = []
    for package in sources.packages():
        facts.append(sources.fetch(package, folder / "packages"))
        report(f"{package} {facts[-1]['version']}: {', '.join(facts[-1]['licences'])}")
    rng = check_random_state(seed)
    manifest = {"version": VERSION, "seed": seed, "sample_rate": sources.SAMPLE_RATE}
    manifest |= {"packages": facts, "arrays": {}, "sources": {}}
    utterances = _build_speech(folder, manifest, rng, report)
    lengths = _build_interference(folder, manifest, rng, report)
    manifest["mixtures"] = _plan(folder, utterances, lengths, rng)
    plain = json.dumps([manifest["arrays"], manifest["mixtures"]], sort_keys=True)
    manifest["sha256"] = hashlib.sha256(plain.encode()).hexdigest()
    return manifest


def _save(folder, manifest, name, waveform):
    """Store as 16-bit samples; put the checksum into the manifest."""
    array = np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2")
    np.save(folder / f"{name}.npy", array)
    manifest["arrays"][name] = hashlib.sha256(array.tobytes()).hexdigest()


def _build_speech(folder, manifest, rng, report):
    """Store the utterances of every speaker; return [start, end] of each, by part and speaker."""
    spans = {}
    for part, speakers in sources.SPEECH.items():
        spans[part] = {}
        for speaker, (package, pattern) in speakers.items():
            files = sources.speech_files(folder / "packages", package, pattern)
            prompts = sources.decode_all(folder / "packages", files)
            prompts = [mixing.trim(prompt) for prompt in prompts]
            prompts = [p for p in prompts if len(p) > 0.2 * mixing.RATE and mixing.rms(p) > 1e-4]
            joined = mixing.join_prompts(prompts, rng)
            _save(folder, manifest, f"speech-{speaker}", np.concatenate(joined))
            ends = np.cumsum([len(utterance) for utterance in joined])
            spans[part][speaker] = [
                [int(e - len(u)), int(e)] for u, e in zip(joined, ends, strict=True)
            ]
            manifest["sources"][f"speech-{speaker}"] = files
            report(
                f"{part} speaker {speaker}: {len(files)} prompts, {ends[-1] / mixing.RATE:.0f} s"
            )
    return spans


def _build_interference(folder, manifest, rng, report):
    """Store one track for every kind and part; return their lengths."""
    lengths = {}
    for kind in sources.INTERFERENCE:
        files = sources.interference_files(folder / "packages", kind)
        recordings = sources.decode_all(folder / "packages", files)
        kept = mixing.distinct(recordings)
        recordings = [recordings[i] for i in kept]
        groups = [sources.group(kind, files[i]) for i in kept]
        for part, pieces in mixing.split_recordings(recordings, rng, groups).items():
            track = mixing.make_track(pieces, rng)
            _save(folder, manifest, f"{kind}-{part}", track)
            lengths.setdefault(part, {})[kind] = len(track)
        seconds = sum(len(x) for x in recordings) / mixing.RATE
        manifest["sources"][kind] = files
        report(f"interference {kind}: {len(files)} recordings, {seconds:.0f} s")
    return lengths


def _plan(folder, utterances, lengths, rng):
    """Plan every mixture of every part: speaker, span, SNR, segments."""
    full = mixing.choose_utterances(utterances["train"], HOURS["full"], rng)
    mixtures = {"full": _plan_part(folder, full, "train", lengths, rng)}
    # Speakers take turns, so the beginning of the full set is a balanced part of it.
    ends = np.cumsum([end - start for _, start, end in full])
    n_tenth = int(np.searchsorted(ends, HOURS["tenth"] * 3600 * mixing.RATE)) + 1
    mixtures["tenth"] = mixtures["full"][:n_tenth]
    for part in ("dev", "test"):
        chosen = mixing.choose_utterances(utterances[part], HOURS[part], rng)
        for condition in CONDITIONS:
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
        plans.append({"speaker": speaker, "span": [start, end], "part": part} | plan)
    return plans


def load(part, condition="matched", *, cache=None, return_entries=False):
    """Load mixtures and their targets; build the corpus first where needed.

    Parameters
    ----------
    part : {"tenth", "full", "dev", "test"}
        Training sets by size, or an evaluation part.
    condition : {"matched", "unseen"}, default="matched"
        For dev and test: whether their interference was recorded together with the training's.
    cache : str or Path, optional
        Folder, see `cache_folder`.
    return_entries : bool, default=False
        Whether to return speaker, SNR and segments of each mixture too.

    Returns
    -------
    X, Y : list of ndarray of shape (n_times,), float32
        Mixtures and targets at 16 kHz.
    entries : list of dict
        Only with `return_entries`.
    """
    if part not in HOURS or condition not in CONDITIONS:
        raise ValueError(
            f"`part` must be one of {list(HOURS)} and `condition` one of {list(CONDITIONS)}; "
            f"got part={part!r}, condition={condition!r}."
        )
    folder = cache_folder(cache)
    # A corpus built with any seed is accepted.
    manifest = _read_manifest(folder / "manifest.json") or json.loads(build(cache).read_text())
    entries = manifest["mixtures"][part if part in ("tenth", "full") else f"{part}-{condition}"]
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in manifest["arrays"]}
    X, Y = [], []
    for entry in entries:
        start, end = entry["span"]
        clean = arrays[f"speech-{entry['speaker']}"][start:end].astype(np.float32) / 32767
        tracks = {kind: arrays[f"{kind}-{entry['part']}"] for kind, _, _ in entry["segments"]}
        X.append(mixing.mix(clean, tracks, entry))
        Y.append(clean)
    return (X, Y, entries) if return_entries else (X, Y)


def print_summary(manifest):
    """Print hours by part and speaker, and the checksum."""
    for name, entries in manifest["mixtures"].items():
        seconds = {}
        for entry in entries:
            start, end = entry["span"]
            speaker = entry["speaker"]
            seconds[speaker] = seconds.get(speaker, 0) + (end - start) / manifest["sample_rate"]
        shares = ", ".join(f"{speaker} {s / 60:.1f}" for speaker, s in seconds.items())
        hours = sum(seconds.values()) / 3600
        print(f"{name}: {len(entries)} mixtures, {hours:.2f} h (minutes: {shares})")
    print(f"sha256 {manifest['sha256']}; built in {manifest['build_seconds']} s")


def main(arguments=None):
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_speech", description=__doc__)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    path = build(args.cache, seed=args.seed)
    print_summary(json.loads(path.read_text()))
    print(f"manifest: {path}")


if __name__ == "__main__":
    main()
