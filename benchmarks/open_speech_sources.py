"""Sources of the open speech corpus: packages, files, decoding.

All sources are Debian packages with human recordings under free licences. They are no part of this
project: the package manager of the machine that builds the corpus downloads them.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import shutil
import subprocess

import joblib
import numpy as np

SAMPLE_RATE = 16000
# part: speaker: (package, pattern of the path). All prompts of a speaker are in one part.
SPEECH = {
    "train": {
        "en": ("asterisk-core-sounds-en-g722", "*.g722"),
        "es": ("asterisk-core-sounds-es-g722", "*.g722"),
        "it": ("asterisk-core-sounds-it-g722", "*.g722"),
        "cs-m": ("fillets-ng-data-cs", "*-m-*.ogg"),
        "cs-v": ("fillets-ng-data-cs", "*-v-*.ogg"),
        "stamps-es": ("tuxpaint-stamps-default", "*_desc_es.ogg"),
        "stamps-ca": ("tuxpaint-stamps-default", "*_desc_ca.ogg"),
        "stamps-ro": ("tuxpaint-stamps-default", "*_desc_ro.ogg"),
        "stamps-bg": ("tuxpaint-stamps-default", "*_desc_bg.ogg"),
        "stamps-be": ("tuxpaint-stamps-default", "*_desc_be.ogg"),
    },
    "dev": {
        "fr": ("asterisk-core-sounds-fr-g722", "*.g722"),
        "stamps-fr": ("tuxpaint-stamps-default", "*_desc_fr.ogg"),
    },
    "test": {
        "ru": ("asterisk-core-sounds-ru-g722", "*.g722"),
        "stamps-el": ("tuxpaint-stamps-default", "*_desc_el.ogg"),
    },
}
# kind: [(package, pattern of the path)]
INTERFERENCE = {
    "music": [("wesnoth-1.16-music", "*.ogg")],
    "ambience": [("lincity-ng-data", "*/sounds/*.wav")],
    "effects": [
        ("wesnoth-1.16-data", "*/sounds/*.ogg"),
        ("wesnoth-1.16-data", "*/sounds/*.wav"),
        ("sonic-pi-samples", "*.flac"),
        ("tuxpaint-stamps-default", "*.ogg"),
    ],
    "people": [
        ("ktuberling-data", "*/sounds/*.ogg"),
        ("ktuberling-data", "*/sounds/*.wav"),
        ("klettres-data", "*.ogg"),
    ],
}
# Prompts without a voice (the monkeys are the same in all languages), and spoken stamps, which have
# the voices of the targets.
NOT_SPEECH = re.compile(
    r"/silence/|/beep|/ascending-2tone|/descending-2tone|/confbridge-(join|leave)|/tt-monkeys\."
)
SPOKEN_STAMP = re.compile(
    r"_desc|_[a-z]{2}(_[a-zA-Z]{2})?\.ogg$|/symbols/(alphabets|math)/|/dreydl-"
)
LANGUAGE = re.compile(r"/(?:klettres|ktuberling/sounds)/([a-z]+)")


def packages():
    """List the names of all packages, sorted."""
    pairs = [pair for part in SPEECH.values() for pair in part.values()]
    pairs += [pair for kind in INTERFERENCE.values() for pair in kind]
    return sorted({package for package, _ in pairs})


def n_steps():
    """Count the packages, speakers and kinds, each of which a build reports once."""
    return len(packages()) + sum(map(len, SPEECH.values())) + len(INTERFERENCE)


def fetch(package, folder):
    """Download and unpack one package, unless that is done.

    Parameters
    ----------
    package : str
        Name of the Debian package.
    folder : Path
        Gets ``package.deb`` and the folder ``package``.

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
        partial.rename(tree)
    version = subprocess.run(
        ["dpkg-deb", "-f", archive, "Version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return {
        "package": package,
        "version": version,
        "sha256": digest,
        "licences": _licences(package, tree),
    }


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


def _licences(package, tree):
    """List the licences named in the package's copyright file, those of its other files too."""
    path = tree / "usr/share/doc" / package / "copyright"
    text = path.read_text(encoding="utf-8", errors="replace")
    names = re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    # Older files have no such fields, but say where Debian keeps the full text.
    names = names or re.findall(r"common-licenses/([\w.+-]*\w)", text)
    return sorted(set(names) or {"see its copyright"})


def speech_files(folder, package, pattern):
    """List the prompts of one speaker, sorted, as paths relative to `folder`."""
    files = _matching(folder, package, pattern)
    return [path for path in files if not NOT_SPEECH.search("/" + path)]


def interference_files(folder, kind):
    """List the recordings of one kind of interference, sorted, relative to `folder`."""
    files = [path for pair in INTERFERENCE[kind] for path in _matching(folder, *pair)]
    stamps = "tuxpaint-stamps-default"
    return [p for p in files if not (p.startswith(stamps) and SPOKEN_STAMP.search(p))]


def group(kind, path):
    """Name what is held out as a whole: a language for people, else the recording itself."""
    return LANGUAGE.search(path)[1] if kind == "people" else path


def _matching(folder, package, pattern):
    paths = (p.relative_to(folder).as_posix() for p in (folder / package).rglob("*") if p.is_file())
    return sorted(path for path in paths if fnmatch.fnmatch(path, pattern))


def decode(path):
    """Decode one file to mono at 16 kHz.

    Parameters
    ----------
    path : Path
        G.722, Ogg, WAV or FLAC.

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
    from scipy.signal import resample_poly

    try:
        kind = "g722" if path.suffix == ".g722" else None
        with av.open(str(path), format=kind, metadata_errors="replace") as container:
            rate = container.streams.audio[0].rate
            # Planar floats, all channels; averaged here and resampled with a known filter.
            resampler = av.AudioResampler(format="fltp")
            chunks = [
                out.to_ndarray().mean(axis=0)
                for frame in container.decode(audio=0)
                for out in resampler.resample(frame)
            ]
    except (av.error.FFmpegError, IndexError):
        return np.zeros(0, dtype=np.float32)
    waveform = np.concatenate(chunks) if chunks else np.zeros(0)
    if len(waveform) and rate != SAMPLE_RATE:
        divisor = np.gcd(rate, SAMPLE_RATE)
        waveform = resample_poly(waveform, SAMPLE_RATE // divisor, rate // divisor)
    return (waveform - waveform.mean() if len(waveform) else waveform).astype(np.float32)


def decode_all(folder, files, n_jobs=2):
    """Decode many files, `n_jobs` at a time; their order is kept."""
    jobs = (joblib.delayed(decode)(folder / path) for path in files)
    return joblib.Parallel(n_jobs=n_jobs)(jobs)
