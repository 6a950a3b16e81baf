"""Packages of the open speech corpus: downloading, unpacking, licences, decoding."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import joblib
import numpy as np

SAMPLE_RATE = 16000
AUDIO_SUFFIXES = (".flac", ".g722", ".gsm", ".ogg", ".wav")
# Archives inside packages (they are zip files), whose sounds are unpacked beside them.
ARCHIVE_SUFFIXES = (".pk3", ".wz")


def fetch(package, folder):
    """Download one package and unpack its sounds, unless that is done.

    Parameters
    ----------
    package : str
        Name of the Debian package.
    folder : Path
        Gets ``package.deb`` and the folder ``package``, which keeps sounds and copyright only.

    Returns
    -------
    facts : dict
        Name, version, sha256 and licences of the package.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} not found; the corpus needs Debian or its kin.")
    archive, tree = folder / f"{package}.deb", folder / package
    if not archive.exists():
        _download(package, archive)
    if not tree.exists():
        partial = folder / f"{package}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(["dpkg-deb", "-x", archive, partial], check=True)
        keep_sounds(partial)
        partial.rename(tree)
    version = subprocess.run(
        ["dpkg-deb", "-f", archive, "Version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return {
        "package": package,
        "version": version,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "licences": read_licences(package, tree),
    }


def fetch_all(packages, folder, n_jobs=2):
    """Fetch many packages, `n_jobs` at a time; return their facts in the same order."""
    jobs = (joblib.delayed(fetch)(package, folder) for package in packages)
    return joblib.Parallel(n_jobs=n_jobs, prefer="threads")(jobs)


def _download(package, archive):
    folder = archive.parent / f"{package}.download"
    folder.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        ["apt-get", "download", package], cwd=folder, capture_output=True, text=True
    )
    found = list(folder.glob("*.deb"))
    if result.returncode or not found:
        raise RuntimeError(
            f"apt-get could not download {package}; run 'apt-get update' first, with a package "
            f"source of Debian 12. It said: {result.stderr.strip()}"
        )
    found[0].rename(archive)
    shutil.rmtree(folder)


def keep_sounds(tree):
    """Unpack the sounds of archives inside `tree`, and delete all but sounds and copyrights."""
    for archive in [path for path in tree.rglob("*") if path.suffix in ARCHIVE_SUFFIXES]:
        with zipfile.ZipFile(archive) as content:
            sounds = [name for name in content.namelist() if name.endswith(AUDIO_SUFFIXES)]
            content.extractall(archive.with_suffix(""), sounds)
    for path in tree.rglob("*"):
        if path.is_file() and path.suffix not in AUDIO_SUFFIXES and path.name != "copyright":
            path.unlink()


def read_licences(package, tree):
    """List the licences named in the package's copyright file, those of its other files too."""
    path = tree / "usr/share/doc" / package / "copyright"
    text = path.read_text(encoding="utf-8", errors="replace")
    names = re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    # Older files have no such fields, but say where Debian keeps the full text.
    names = names or re.findall(r"common-licenses/([\w.+-]*\w)", text)
    return sorted(set(names) or {"see its copyright"})


def decode(path, max_seconds=None):
    """Decode one file to mono at 16 kHz.

    Parameters
    ----------
    path : Path
        G.722, GSM, Ogg, WAV or FLAC.
    max_seconds : float, optional
        About as much of its beginning; by default all.

    Returns
    -------
    waveform : ndarray of shape (n_times,), float32
        The waveform less its mean; empty if nothing in the file can be decoded.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(
            'decoding needs PyAV: python -m pip install "sknmf_unfold[bench]"'
        ) from error
    import soxr

    kind = path.suffix[1:] if path.suffix in (".g722", ".gsm") else None
    try:
        with av.open(str(path), format=kind, metadata_errors="replace") as container:
            rate, chunks = container.streams.audio[0].rate, []
            limit = np.inf if max_seconds is None else max_seconds * rate
            # Planar floats, all channels; averaged here and resampled with a known filter.
            resampler = av.AudioResampler(format="fltp")
            for frame in container.decode(audio=0):
                chunks += [out.to_ndarray().mean(axis=0) for out in resampler.resample(frame)]
                limit -= frame.samples
                if limit <= 0:
                    break
    except (av.error.FFmpegError, IndexError):
        return np.zeros(0, dtype=np.float32)
    waveform = np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.float32)
    if len(waveform) and rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE, quality="HQ")
    return (waveform - waveform.mean() if len(waveform) else waveform).astype(np.float32)


def decode_all(folder, files, max_seconds=None, n_jobs=2):
    """Decode many files, `n_jobs` at a time; their order is kept."""
    jobs = (joblib.delayed(decode)(Path(folder) / path, max_seconds) for path in files)
    return joblib.Parallel(n_jobs=n_jobs)(jobs)
