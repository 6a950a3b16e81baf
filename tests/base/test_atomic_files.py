"""Files that are written whole or not at all, whatever stands in the way."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from sknmf_unfold.base.atomic_files import check_writable, replacing
from tests._refusals import refuses
from tests._small_disk import small_disk


def write(path, content="new"):
    with replacing(path) as unfinished:
        unfinished.write_text(content)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_target_changes_at_the_end(old):
    with replacing(str(old)) as unfinished:
        assert unfinished.suffix == ".txt" and not unfinished.exists()
        unfinished.write_text("new")
        assert old.read_text() == "old"
        # One disk, so that a rename will do, and a name that no listing of recordings has.
        assert unfinished.parent.parent == old.parent and unfinished.parent.name.startswith(".")
        assert [path.suffix for path in old.parent.glob(".*")] == [".unfinished"]
    assert old.read_text() == "new" and list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_an_error_leaves_the_old_file_and_no_other(old, error):
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        with replacing(old) as unfinished:
            unfinished.write_text("half")
            raise error
    assert old.read_text() == "old" and list(old.parent.iterdir()) == [old]


def test_what_is_on_the_disk_is_complete_before_the_rename(old, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    write(old, "x" * 100_000)
    assert synced == [100_000]


def test_permissions_are_those_of_any_other_file(old):
    for umask in (0o022, 0o027):
        before = os.umask(umask)
        try:
            new, plain = (old.parent / f"{name}{umask}" for name in ("new", "plain"))
            write(new)
            plain.write_text("plain")
        finally:
            os.umask(before)
        assert mode(new) == mode(plain) == 0o666 & ~umask
    old.chmod(0o604)
    write(old)
    assert mode(old) == 0o604


def test_links_stay_and_what_they_point_to_is_replaced(old, tmp_path):
    (tmp_path / "folder").mkdir()
    link, dangling = tmp_path / "folder" / "link.txt", tmp_path / "folder" / "dangling.txt"
    link.symlink_to("../file.txt")
    dangling.symlink_to(tmp_path / "made.txt")
    write(link)
    write(dangling)
    assert link.is_symlink() and old.read_text() == "new"
    assert dangling.is_symlink() and (tmp_path / "made.txt").read_text() == "new"
    names = {path.name for path in tmp_path.rglob("*")}
    assert names == {"file.txt", "folder", "link.txt", "dangling.txt", "made.txt"}


def test_devices_and_pipes_are_written_into(tmp_path):
    null = Path("/dev/null").stat().st_rdev
    write("/dev/null")
    assert Path("/dev/null").stat().st_rdev == null
    fifo, read = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()
    write(fifo)
    reader.join()
    assert read == ["new"] and stat.S_ISFIFO(fifo.stat().st_mode)
    assert list(tmp_path.iterdir()) == [fifo]


def test_a_file_that_is_mounted_is_written_into(old, monkeypatch):
    def busy(*_):
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr("pathlib.Path.replace", busy)
    write(old)
    assert old.read_text() == "new" and list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("call", [write, check_writable])
def test_what_cannot_be_written_is_refused_by_name(old, tmp_path, call, monkeypatch):
    refuses("is a folder; name a file", lambda: call(tmp_path), OSError)
    missing = tmp_path / "missing" / "file.txt"
    refuses(r"file\.txt: there is no folder .*missing; create it", lambda: call(missing), OSError)
    refuses("too long: .*aaa", lambda: call(tmp_path / ("a" * 300)), OSError)

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else")

    # As root everything is permitted, so the system is asked for less.
    monkeypatch.setattr("tempfile.TemporaryDirectory", denied)
    refuses(r"Permission denied: '.*file\.txt'", lambda: call(old), PermissionError)
    assert old.read_text() == "old" and list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("call", [write, check_writable])
def test_a_protected_file_is_not_replaced(old, call):
    old.chmod(0o444)
    if os.access(old, os.W_OK):
        pytest.skip("root may write everything")
    refuses(r"Permission denied: '.*file\.txt'", lambda: call(old), PermissionError)
    assert old.read_text() == "old"


def test_trying_is_identity(old):
    check_writable(old)
    check_writable(old.with_name("new.txt"))
    assert old.read_text() == "old" and list(old.parent.iterdir()) == [old]


def test_a_full_disk_keeps_the_old_file_and_is_named(tmp_path):
    with small_disk(tmp_path, 64) as folder:
        path = folder / "file.txt"
        path.write_text("old")
        refuses(
            r"No space left on device: '.*file\.txt'", lambda: write(path, "x" * 10**6), OSError
        )
        assert path.read_text() == "old" and list(folder.iterdir()) == [path]
