import errno
import hashlib
import io
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from sknmf_unfold.training import file_lock
from sknmf_unfold.training.checkpoint import HEADER, Checkpoint, NoCheckpoint
from sknmf_unfold.training.file_lock import FileLock
from tests._refusals import refuses
from tests._small_disk import small_disk

STATE = {"weights": torch.arange(5.0), "epoch": 3, "history": {"loss": [float("nan"), 1.0]}}


def saved(folder, facts=None):
    checkpoint = Checkpoint(folder / "new" / "fit.checkpoint", facts or {"seed": "0", "X": "#ab"})
    checkpoint.save(STATE)
    return checkpoint


def test_what_goes_in_comes_out(tmp_path):
    checkpoint = saved(tmp_path)
    state = Checkpoint(checkpoint.path, checkpoint.facts).load()
    assert torch.equal(state.pop("weights"), STATE["weights"])
    assert repr(state) == repr({k: v for k, v in STATE.items() if k != "weights"})
    checkpoint.save({"epoch": 4})
    assert checkpoint.load() == {"epoch": 4}
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["fit.checkpoint"]
    checkpoint.remove()
    checkpoint.remove()
    assert checkpoint.load() is None


def test_no_checkpoint_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = NoCheckpoint()
    checkpoint.save(STATE)
    assert checkpoint.load() is None
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_stops_midway_leaves_the_old_file(tmp_path, monkeypatch, step):
    checkpoint = saved(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", stop)
    else:
        monkeypatch.setattr("pathlib.Path.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save({"epoch": 99})
    assert checkpoint.load()["epoch"] == 3
    monkeypatch.undo()
    checkpoint.save({"epoch": 99})
    assert checkpoint.load() == {"epoch": 99}


def test_truncated_at_any_length_is_refused(tmp_path):
    checkpoint = saved(tmp_path)
    content = checkpoint.path.read_bytes()
    for length in [*range(len(HEADER)), *range(len(HEADER), len(content), 97), len(content) - 1]:
        checkpoint.path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"fit\.checkpoint is (not a checkpoint|damaged)"):
            checkpoint.load()
    checkpoint.path.write_bytes(content)
    assert checkpoint.load()["epoch"] == 3


def test_a_flipped_bit_is_refused(tmp_path):
    checkpoint = saved(tmp_path)
    content = bytearray(checkpoint.path.read_bytes())
    for position in range(len(HEADER), len(content), 211):
        content[position] ^= 1
        checkpoint.path.write_bytes(content)
        with pytest.raises(ValueError, match="damaged or truncated; delete it"):
            checkpoint.load()
        content[position] ^= 1


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"a": 1}), b"\x00" * 4096])
def test_a_foreign_file_is_refused_unread(tmp_path, content):
    path = tmp_path / "fit.checkpoint"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a checkpoint of this version; move it away"):
        Checkpoint(path, {}).load()
    assert path.read_bytes() == content


def test_another_fit_is_refused_with_what_differs(tmp_path):
    path = saved(tmp_path, {"rate": "0.01", "X": "#ab", "Y": "#cd"}).path
    other = {"rate": "0.02", "X": "#ab", "Y": "#ef", "new": "1"}
    message = r"of another fit: rate was 0\.01 and is 0\.02, Y differs, new differs\. Delete it"
    with pytest.raises(ValueError, match=message):
        Checkpoint(path, other).load()


# One fit at a time


HOLDER = """
import sys
from sknmf_unfold.training.checkpoint import Checkpoint
with Checkpoint(sys.argv[1], {}) as checkpoint:
    print("locked", flush=True)
    sys.stdin.read()
"""


def hold(path):
    """Start a process that has a checkpoint."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"locked\n"
    return child


def test_a_checkpoint_has_one_fit_at_a_time_and_none_after_a_kill(tmp_path):
    path = tmp_path / "fit.checkpoint"
    child = hold(path)
    refuses(
        r"The same fit is running .*fit\.checkpoint; wait for it", Checkpoint(path, {}).__enter__
    )
    with Checkpoint(tmp_path / "other.checkpoint", {}):
        pass
    child.kill()
    child.communicate()
    with Checkpoint(path, {}) as checkpoint:
        refuses("The same fit is running", Checkpoint(path, {}).__enter__)
        checkpoint.save(STATE)
    assert [file.name for file in tmp_path.iterdir()] == ["fit.checkpoint"]


def test_threads_that_come_and_go_have_the_lock_one_after_the_other(tmp_path):
    inside, most, taken = [], [], []

    def work():
        while len(taken) < 100:
            lock = FileLock(tmp_path / "fit.lock")
            if lock.acquire(b"fit"):
                inside.append(lock)
                most.append(len(inside))
                inside.remove(lock)
                lock.release()
                taken.append(lock)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and len(taken) >= 100
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_given_back_while_it_is_opened_is_nobody_elses(tmp_path, monkeypatch):
    first, second, third = (FileLock(tmp_path / "fit.lock") for _ in range(3))
    assert first.acquire(b"fit")
    lock = file_lock._lock

    def late(file):
        first.release()
        return lock(file)

    with monkeypatch.context() as patch:
        patch.setattr(file_lock, "_lock", late)
        assert second.acquire(b"fit")
    assert not third.acquire(b"fit"), "two would have it"
    second.release()
    assert third.acquire(b"fit")
    third.release()


def test_without_locks_on_the_disk_a_fit_runs_all_the_same(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with Checkpoint(tmp_path / "fit.checkpoint", {}) as checkpoint:
        checkpoint.save(STATE)
        assert checkpoint.load()["epoch"] == 3


def test_what_a_kill_left_half_written_goes_with_the_next_fit(tmp_path):
    path = tmp_path / "fit.checkpoint"
    for name in ("fit.checkpoint", "other.checkpoint"):
        folder = tmp_path / f".{name[0]}.unfinished"
        folder.mkdir()
        (folder / name).write_bytes(b"half")
    with Checkpoint(path, {}):
        pass
    assert [file.name for file in tmp_path.iterdir()] == [".o.unfinished"], "others may still write"


# No space


def test_a_full_disk_is_reported_once_and_the_old_file_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", 256) as disk, Checkpoint(disk / "a.b", {}) as checkpoint:
        checkpoint.save(STATE)
        big = STATE | {"weights": torch.zeros(10**6)}
        with pytest.warns(UserWarning, match=r"No checkpoint could be .*a\.b \(No space left") as w:
            checkpoint.save(big)
            checkpoint.save(big)
        assert len(w) == 1
        assert checkpoint.load()["epoch"] == 3
        assert {file.name for file in disk.iterdir()} == {"a.b", "a.lock"}
        checkpoint.save({"epoch": 4})
        assert checkpoint.load()["epoch"] == 4


def test_a_folder_where_nothing_can_be_written_is_refused_at_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    below = Checkpoint(tmp_path / "file" / "folder" / "fit.checkpoint", {})
    refuses(r"`checkpoint_dir` is .*folder, where nothing can be writ", below.__enter__, OSError)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    checkpoint = Checkpoint(tmp_path / "fit.checkpoint", {})
    refuses(r"nothing can be written \(No space left on device\)", checkpoint.__enter__, OSError)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


# Whole, and something else


@pytest.mark.parametrize(
    "content", [{}, {"state": {}}, {"facts": {}}, {"facts": {}, "state": 3}, [1, 2], b"no archive"]
)
def test_whole_content_of_another_structure_is_refused(tmp_path, content):
    buffer = io.BytesIO()
    if isinstance(content, bytes):
        buffer.write(content)
    else:
        torch.save(content, buffer)
    payload = buffer.getvalue()
    path = tmp_path / "fit.checkpoint"
    path.write_bytes(HEADER + hashlib.sha256(payload).digest() + payload)
    refuses(r"fit\.checkpoint does not hold what .*; delete it to", Checkpoint(path, {}).load)
