"""Files that are whole or not there, also where writing fails."""

from __future__ import annotations

import io
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgemem import files
from edgemem.errors import OutputError


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing beyond ``size`` bytes fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, who may write into read-only folders."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def readonly() -> Iterator[Path]:
    """A folder with a file, that can be read and not be written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "old").write_bytes(b"old")
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_file_is_written_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    files.write_atomic(path, b"first")
    files.write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_atomic(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with largest_file(1000), pytest.raises(OutputError, match=r"cannot write .*file: .*; choose"):
        files.write_atomic(path, bytes(5000))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("act", [files.check_writable, lambda path: files.write_atomic(path, b"")])
def test_a_read_only_folder_is_one_clear_error(act, readonly: Path) -> None:
    with nobody(), pytest.raises(OutputError, match="Permission denied; choose a folder"):
        act(readonly / "old")
    assert (readonly / "old").read_bytes() == b"old"
    assert [p.name for p in readonly.iterdir()] == ["old"]


@pytest.mark.parametrize("act", [files.check_writable, lambda path: files.write_atomic(path, b"")])
def test_a_folder_or_a_file_in_place_of_a_folder_is_one_clear_error(act, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"Not a directory|File exists"):
        act(tmp_path / "file" / "below")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="it is a folder; name a file"):
        act(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("act", [files.check_writable, lambda path: files.write_atomic(path, b"")])
def test_a_device_or_a_pipe_keeps_its_place(act, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OutputError, match="it is a device or a pipe; name a file"):
            act(tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "pipe"]


def test_looking_whether_a_path_can_be_written_changes_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    files.check_writable(tmp_path / "file")
    files.check_writable(tmp_path / "other")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_an_interrupt_leaves_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(tmp_path / "file", b"new")
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from edgemem import files
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
files.write_atomic(Path(sys.argv[1]), b"never whole")
"""


def test_what_a_killed_write_left_is_gone_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "net.model.checkpoint"
    ours = [tmp_path / name for name in (".net.model.settings", ".part", ".a.12345678.parts")]
    for file in ours:
        file.write_bytes(b"")
    (tmp_path / ".b.12345678.part").mkdir()
    (tmp_path / ".c.12345678.part").symlink_to(ours[0])
    before = {p.name for p in tmp_path.iterdir()}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = {p.name for p in tmp_path.iterdir()} - before
    assert left.startswith(".net.model.checkpoint.")
    files.check_writable(tmp_path / "net.model")
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_write_of_a_living_process_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def sweep_meanwhile(handle: int) -> None:
        code = "import sys; from edgemem import files; files.sweep(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
        seen.extend(p.name for p in tmp_path.iterdir())

    monkeypatch.setattr(os, "fsync", sweep_meanwhile)
    files.write_atomic(tmp_path / "file", b"new")
    assert len(seen) == 1
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("compress", [False, True])
def test_archives_have_no_date_and_may_follow_other_bytes(compress: bool) -> None:
    entries = {"b.txt": b"bbb" * 100, "a/c": b""}
    data = files.zip_bytes(entries, compress=compress, prefix=b"before")
    assert data.startswith(b"before")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == entries
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_objects_are_not_written() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        files.npy_bytes(np.array([{}], object))
