"""`AudioFiles`: a sequence of waveforms that are read when they are needed."""

import pickle
import threading

import numpy as np
import pytest
import soundfile

from sknmf_unfold import STFT
from sknmf_unfold.datasets import AudioFiles, load_audio
from sknmf_unfold.datasets._audio_file import AudioFile
from tests._factories import supervised
from tests.datasets._files import counted_reads, noise, write, write_pairs


@pytest.fixture
def paths(tmp_path):
    """Files of several formats, rates and numbers of channels."""
    return [
        write(tmp_path / "a.wav", noise(4000, 1)),
        write(tmp_path / "b.flac", noise(5000, 2, 2), 44100),
        write(tmp_path / "c.ogg", noise(6000, 3), 8000),
        write(tmp_path / "d.mp3", noise(7000, 4, 2), 16000),
        write(tmp_path / "e.wav", noise(3000, 5, 3), 16000, subtype="FLOAT"),
    ]


def equal(waveforms, others):
    pairs = list(zip(waveforms, others, strict=True))
    assert pairs
    for x, y in pairs:
        assert x.dtype == y.dtype == np.float32
        np.testing.assert_array_equal(x, y)


def test_waveforms_are_those_of_load_audio(paths):
    for rate in (16000, 8000, 22050):
        files, waveforms = AudioFiles(paths, rate), load_audio(paths, rate)
        equal([files[i] for i in range(len(files))], waveforms)
        equal(files, waveforms)
        assert [len(item) for item in files.items()] == [len(x) for x in waveforms]
        assert [item.shape for item in files.items()] == [x.shape for x in waveforms]
        equal([np.asarray(item) for item in files.items()], waveforms)


def test_indexing(paths):
    files, waveforms = AudioFiles(paths), load_audio(paths)
    assert len(files) == 5 and files.shape == (5,) and files.sample_rate == 16000
    assert files.paths == paths
    equal([files[-1], files[np.int64(1)]], [waveforms[-1], waveforms[1]])
    keys = slice(1, 4), slice(None, None, -2), [3, 0], np.array([3, 0]), (np.array([3, 0]), ...)
    keys += np.arange(5) > 2, [True, False, False, True, False]
    for key in keys:
        part = files[key]
        chosen = np.arange(5)[key[0] if isinstance(key, tuple) else key]
        assert isinstance(part, AudioFiles) and part.sample_rate == 16000
        assert part.paths == [paths[i] for i in chosen]
        equal(part, [waveforms[i] for i in chosen])
    assert len(files[[]]) == 0 and len(files[5:]) == 0
    with pytest.raises(IndexError):
        files[5]
    assert repr(files) == "AudioFiles(5 files, sample_rate=16000)"


def test_a_part_knows_the_headers_that_the_whole_has_read(paths, monkeypatch):
    files = AudioFiles(paths)
    part = files[2:]
    with counted_reads(monkeypatch) as reads:
        assert sum(map(len, files.items())) > 0
        assert (reads.n_opened, reads.n_decoded) == (5, 0)
        assert sum(map(len, part.items())) > 0
        assert reads.n_opened == 5


def test_arrays_of_files_hold_recordings_that_are_not_read(paths, monkeypatch):
    with counted_reads(monkeypatch) as reads:
        array = np.asarray(AudioFiles(paths))
        assert reads.n_opened == 0
        assert array.shape == (5,) and array.dtype == object
        assert len(STFT().transform(array)) == 5
        assert reads.n_decoded == 0


def test_pickles_are_paths(paths):
    files = AudioFiles(paths, cache_bytes=10**8)
    n_unread = len(pickle.dumps(files))
    lengths = [len(item) for item in files.items()]
    waveforms = list(files)
    again = pickle.loads(pickle.dumps(files))
    # Lengths travel, samples and the cache do not.
    assert len(pickle.dumps(files)) < n_unread + 1000 < 4000
    for path in paths:
        path.unlink()
    assert [len(item) for item in again.items()] == lengths
    equal(files, waveforms)
    with pytest.raises(FileNotFoundError, match=r"a\.wav does not exist"):
        again[0]


def test_cache_keeps_the_most_recent(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"{i}.wav", noise(1000, i)) for i in range(4)]
    # Room for two of them.
    files = AudioFiles(paths, cache_bytes=2 * 4000 + 100)
    part = files[:3]

    def n_opened(indices):
        with counted_reads(monkeypatch) as reads:
            for i in indices:
                np.testing.assert_array_equal(part[i], load_audio(paths[i])[0])
        # `load_audio` opens each file once.
        return reads.n_opened - len(indices)

    assert n_opened([0, 0, 1, 0, 1]) == 2
    assert n_opened([2]) == 1
    # 0 was used before 1.
    assert n_opened([1, 2, 1]) == 0
    assert n_opened([0]) == 1
    assert n_opened([1, 0]) == 0 and n_opened([2]) == 1
    assert files._items[0]._cache.n_bytes == 8000


def test_cached_waveforms_are_the_callers_own(tmp_path):
    [path] = [write(tmp_path / "a.wav", noise(1000))]
    files = AudioFiles(path, cache_bytes=10**6)
    expected = load_audio(path)[0]
    for _ in range(2):
        files[0][:] = 7
        files.items()[0][10:20][:] = 7
        np.testing.assert_array_equal(files[0], expected)


def test_a_waveform_larger_than_the_cache_is_read_each_time(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", noise(1000))
    files = AudioFiles(path, cache_bytes=3999)
    with counted_reads(monkeypatch) as reads:
        files[0], files[0]
    assert reads.n_opened == 2


def test_threads_read_side_by_side(paths):
    files, waveforms = AudioFiles(paths, cache_bytes=60_000), load_audio(paths)
    errors = []

    def read(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(40):
                i = rng.integers(5)
                item = files.items()[i]
                start, stop = np.sort(rng.integers(len(item) + 1, size=2))
                np.testing.assert_array_equal(item[start:stop], waveforms[i][start:stop])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_every_file_is_closed(paths, monkeypatch):
    with counted_reads(monkeypatch) as reads:
        files = AudioFiles(paths)
        items = files.items()
        list(files), [item[5:50] for item in items], [len(item) for item in items]
    assert reads.n_opened > 5 and reads.n_open == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), ValueError, "`paths` is an empty list"),
        ((3,), TypeError, "`paths` must be a path or a list of paths; got 3"),
        ((["a.wav", 3],), TypeError, r"`paths` must be .*; paths\[1\] is 3"),
        (("a.wav", 0), ValueError, "`sample_rate` must be a whole number >= 1; got 0"),
        (("a.wav", None), TypeError, "`sample_rate` must be a whole number"),
    ],
)
def test_arguments_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        AudioFiles(*arguments)


def test_settings_that_are_refused():
    with pytest.raises(ValueError, match="`cache_bytes` must be a whole number >= 0; got -1"):
        AudioFiles("a.wav", cache_bytes=-1)
    with pytest.raises(ValueError, match="`on_error` must be one of 'raise', 'skip'; got 'ignore'"):
        AudioFiles("a.wav", on_error="ignore")


def faulty_files(folder):
    """Paths that cannot be read, each with the reason that is told."""
    (folder / "text.wav").write_text("not audio")
    (folder / "sub.wav").mkdir()
    soundfile.write(folder / "empty.wav", np.zeros(0), 16000)
    write(folder / "slow.wav", noise(100), 20)
    return {
        "missing.wav": "does not exist",
        "text.wav": "is not an audio file that can be read",
        "sub.wav": "is a folder",
        "empty.wav": "has no samples",
        "slow.wav": "has a sampling rate of 20 Hz",
    }


def test_unreadable_files_are_named(tmp_path):
    good, stft = write(tmp_path / "good.wav", noise(1000)), STFT().transform
    for name, reason in faulty_files(tmp_path).items():
        files = AudioFiles([good, tmp_path / name])
        uses = len, AudioFile.read
        for use, argument in [*((use, files.items()[1]) for use in uses), (stft, files)]:
            with pytest.raises((ValueError, OSError), match=rf"{name}.* {reason}"):
                use(argument)


def test_unreadable_files_are_skipped_and_listed(tmp_path):
    good = [write(tmp_path / f"good{i}.wav", noise(1000, i)) for i in range(2)]
    reasons = faulty_files(tmp_path)
    bad = [tmp_path / name for name in reasons]
    with pytest.warns(UserWarning, match=r"^5 of 7 files cannot be used .* first fault: .*missing"):
        files = AudioFiles([good[0], *bad, good[1]], on_error="skip")
    assert files.paths == good
    assert [path for path, _ in files.skipped] == bad
    for (path, reason), wanted in zip(files.skipped, reasons.values(), strict=True):
        assert str(path) in reason and wanted in reason
    assert files[1:].skipped == []
    with pytest.raises(ValueError, match=r"None of 5 files can be used\. .*missing\.wav"):
        AudioFiles(bad, on_error="skip")


def test_nothing_is_said_where_nothing_is_skipped(paths):
    assert AudioFiles(paths, on_error="skip").skipped == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_named_where_they_are_read(value, tmp_path):
    waveform = noise(5000).astype("float32")
    waveform[3210] = value
    path = write(tmp_path / "a.wav", waveform, subtype="FLOAT")
    files = AudioFiles(path)
    [item], [spectrogram] = files.items(), STFT().transform(files)
    reason = r"a\.wav contains (NaN|infinity) at sample 3210"
    for use in (lambda: files[0], lambda: item[3000:4000], spectrogram.magnitude):
        with pytest.raises(ValueError, match=reason):
            use()
    # Other parts of the file can be read.
    np.testing.assert_array_equal(item[:3210], waveform[:3210])


def test_samples_that_sums_overflow_on_are_refused(tmp_path):
    path = write(tmp_path / "a.wav", np.full(100, 1e38), subtype="FLOAT")
    for use in (lambda: AudioFiles(path)[0], lambda: AudioFiles(path).items()[0][:10]):
        with pytest.raises(ValueError, match=r"a\.wav peaks at 1e\+38, too much"):
            use()


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_files_that_change_after_their_header_was_read(suffix, tmp_path):
    path = write(tmp_path / f"a{suffix}", noise(4000))
    [item] = AudioFiles(path).items()
    assert len(item) == 4000
    write(path, noise(3000))
    shorter = rf"a\{suffix} has 3000 samples at 16000 Hz, but its header had 4000"
    for use in (item.read, lambda: item[10:20], lambda: item[3500:3600]):
        with pytest.raises(ValueError, match=shorter):
            use()
    write(path, noise(4000), 8000)
    with pytest.raises(ValueError, match=rf"a\{suffix} has 4000 samples at 8000 Hz"):
        item.read()
    path.unlink()
    for use in (item.read, lambda: item[10:20]):
        with pytest.raises(FileNotFoundError, match=rf"a\{suffix} does not exist"):
            use()
    path.write_text("no audio any more")
    with pytest.raises(ValueError, match=rf"a\{suffix} is not an audio file"):
        item[10:20]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_truncated_files_are_named(suffix, tmp_path):
    path = write(tmp_path / f"a{suffix}", noise(40_000))
    [item] = AudioFiles(path).items()
    assert len(item) == 40_000
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for use in (item.read, lambda: item[30_000:30_100]):
        with pytest.raises(ValueError, match=rf"a\{suffix} (has|is not an audio file|cannot|ends)"):
            use()


def test_rates_must_agree(tmp_path):
    noisy, clean = write_pairs(tmp_path)
    with pytest.raises(ValueError, match=r"X\[0\] is read at 8000 Hz, but STFT has sample_rate=16"):
        STFT().transform(AudioFiles(noisy, 8000))
    X = STFT().transform(AudioFiles(noisy))
    with pytest.raises(ValueError, match=r"y\[0\] is read at 8000 Hz, but X has sample_rate=16000"):
        supervised().fit(X, AudioFiles(clean, 8000))


def test_a_flac_whose_header_has_no_length_is_counted(tmp_path):
    path = write(tmp_path / "a.flac", noise(5000))
    content = bytearray(path.read_bytes())
    # The 36 bits of the number of samples in STREAMINFO, after magic and block header.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    [item] = AudioFiles(path).items()
    assert len(item) == 5000 and not item.reads_ranges
    np.testing.assert_array_equal(item[100:200], load_audio(path)[0][100:200])
