import os
import pickle

import numpy as np
import pytest
import torch

from sknmf_unfold import SparseNMF
from sknmf_unfold.training.checkpoint import HEADER, Checkpoint, NoCheckpoint, describe
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


def test_a_full_disk_keeps_the_old_file_and_no_other(tmp_path):
    with small_disk(tmp_path, 64) as disk:
        checkpoint = Checkpoint(disk / "fit.checkpoint", {})
        checkpoint.save(STATE)
        large = {"weights": torch.zeros(10**5)}
        refuses(r"No space .*: '.*fit\.checkpoint'", lambda: checkpoint.save(large), OSError)
        assert checkpoint.load()["epoch"] == 3
        assert [path.name for path in disk.iterdir()] == ["fit.checkpoint"]


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


def test_descriptions_tell_values_apart_and_are_the_same_for_the_same():
    def values():
        fitted = SparseNMF(3, random_state=0).fit(np.eye(4))
        return [3, "auto", None, 0.5, np.arange(3.0), np.random.RandomState(0), fitted]

    descriptions = [describe(value) for value in values()]
    assert descriptions == [describe(value) for value in values()]
    others = [4, "3", np.arange(4.0), np.arange(3), np.random.RandomState(1), SparseNMF(3)]
    descriptions += [describe(value) for value in others]
    assert len(set(descriptions)) == len(descriptions) == 13


def test_a_memory_map_counts_as_its_array(tmp_path):
    array = np.arange(30.0).reshape(5, 6)
    np.save(tmp_path / "a.npy", array)
    assert describe(np.load(tmp_path / "a.npy", mmap_mode="r")) == describe(array)
