"""Files that others read: whole, and their owner's and their readers' as before."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from harness.waiting import wait_for
from vitrine_client.store import shared_files

SOMEBODY, ELSE = 12345, 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def replace(path, content=b"new", **options):
    with shared_files.replacing(path, **options) as file:
        file.write(content)


def owner(path):
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@pytest.fixture
def folder():
    """A folder that every user may write to; pytest's own are for one alone."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o777)
        yield path


@pytest.fixture
def mask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_is_like_other_new_files(tmp_path, mask):
    """Its permissions follow from the umask, or are fewer where that is asked for."""
    replace(tmp_path / "cached")
    replace(tmp_path / "keys", mode=0o600)
    assert stat.S_IMODE((tmp_path / "cached").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o666, 0o2640])
def test_a_file_keeps_its_permissions(tmp_path, mask, mode):
    """Whatever the umask is, and the mode for a new one."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    replace(path, mode=0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@as_root
def test_root_leaves_a_file_to_its_owner(tmp_path):
    """Also by a link, and though nobody else may read it."""
    path, link = tmp_path / "file", tmp_path / "link"
    path.touch()
    path.chmod(0o600)
    os.chown(path, SOMEBODY, ELSE)
    link.symlink_to(path)
    replace(link)
    assert owner(path) == (SOMEBODY, ELSE, 0o600)
    assert link.is_symlink()


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_nobody_takes_a_file_from_its_owner(folder, mode):
    """Somebody who may write the folder replaces what its owner can read afterwards, and nothing
    else, which is told and stays as it is."""
    path = folder / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    os.chown(path, SOMEBODY, SOMEBODY)
    script = (
        "import os, sys, pathlib\nfrom vitrine_client.store import shared_files\n"
        f"os.setgroups([]); os.setgid({ELSE}); os.setuid({ELSE})\n"
        "with shared_files.replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'new')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60
    )
    if mode & stat.S_IROTH:
        assert (path.read_bytes(), done.returncode) == (b"new", 0), done.stderr
    else:
        assert path.read_bytes() == b"old"
        assert f"user {SOMEBODY} owns it and could not read it any more" in done.stderr
        assert owner(path) == (SOMEBODY, SOMEBODY, mode)
    assert [each.name for each in folder.iterdir()] == ["file"]


def test_what_fails_leaves_the_old_file(tmp_path):
    """And nothing beside it, nor a new file where there was none."""
    path = tmp_path / "file"
    for before in (None, b"old"):
        if before:
            path.write_bytes(before)
        with pytest.raises(OSError, match="No space"), shared_files.replacing(path) as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert [each.read_bytes() for each in tmp_path.iterdir()] == ([before] if before else [])


WRITER = """
import pathlib, sys
from vitrine_client.store import shared_files
with shared_files.replacing(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half"); file.flush(); print("writing", flush=True); sys.stdin.readline()
"""


def test_what_a_killed_writer_left_is_removed_and_what_is_written_is_not(tmp_path):
    """The next writer knows which is which, whenever they were begun."""
    path = tmp_path / "file"
    killed, alive = (
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    )
    try:
        for writer in (killed, alive):
            assert writer.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 2
        killed.send_signal(signal.SIGKILL)
        killed.wait(20)
        replace(path)
        assert len(list(tmp_path.iterdir())) == 2
        alive.communicate("\n", timeout=20)
        assert (alive.returncode, path.read_bytes()) == (0, b"half")
    finally:
        for writer in (killed, alive):
            writer.kill()
            writer.communicate()
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_lock_is_waited_for_and_that_is_told(tmp_path):
    """Whoever comes second says so before it waits."""
    waits, came = threading.Event(), threading.Event()

    def second():
        with shared_files.locked(tmp_path / ".lock", waits.set):
            came.set()

    thread = threading.Thread(target=second)
    with shared_files.locked(tmp_path / ".lock"):
        thread.start()
        wait_for(waits.is_set, 10, "the second one waits")
        assert not came.is_set()
    thread.join(10)
    assert came.is_set()


@as_root
def test_a_lock_that_another_user_made_can_be_held(folder):
    """It need not be writable for that."""
    lock = folder / ".lock"
    lock.touch()
    lock.chmod(0o644)
    script = (
        "import os, sys, pathlib\nfrom vitrine_client.store import shared_files\n"
        f"os.setgroups([]); os.setgid({ELSE}); os.setuid({ELSE})\n"
        "with shared_files.locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n", holder.stderr.read()
        with lock.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        holder.communicate("\n", timeout=20)


def test_a_pipe_stays_one(tmp_path):
    """Nothing takes the place of what is no regular file, /dev/null say; a directory is refused."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with shared_files.replacing(pipe) as file:
            file.write(b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    with pytest.raises(IsADirectoryError), shared_files.replacing(tmp_path):
        pass
