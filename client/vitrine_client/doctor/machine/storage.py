"""Checks of storage: disk space, shared memory."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.file import quoted
from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation, is_writable, nearest_directory

_MB = 1e6
_LITTLE, _TOO_LITTLE = 1000 * _MB, 100 * _MB
_METRICS = "vitrine-metrics-*"


def check_disk(here: Installation) -> Iterator[Finding]:
    """Looks at the room where the service and training write."""
    yield from _temporary(here)
    for name, path in (
        ("disk of the environment", here.prefix),
        ("disk of models", here.models_dir),
        ("disk of the cache", here.cache),
        ("disk of temporary files", here.temporary),
    ):
        yield from examined_disk(name, path)


def examined_disk(name: str, path: Path) -> Iterator[Finding]:
    """Yields findings on the file system in which a directory is, or would be."""
    there = nearest_directory(path)
    free = shutil.disk_usage(there).free
    told = os.statvfs(there)
    seen = f"{free / 1e9:.1f} GB free at {there}"
    if free < _TOO_LITTLE:
        yield problem(name, f"{free / _MB:.0f} MB free at {there}", f"make room in {there}")
    elif told.f_files and not told.f_favail:
        yield problem(
            name, f"no inode free at {there}", f"remove files in {there}: it has too many"
        )
    elif free < _LITTLE:
        yield note(
            name,
            f"{free / _MB:.0f} MB free at {there}",
            "everything takes about 3 GB: 2.6 for .venv, the rest for models and data",
        )
    else:
        yield ok(name, seen)


def _temporary(here: Installation) -> Iterator[Finding]:
    chosen = here.path("TMPDIR")
    if chosen and not (chosen.is_dir() and is_writable(chosen)):
        yield problem(
            "TMPDIR",
            f"names {chosen}, which is no directory that can be written",
            f"make it, or `unset TMPDIR`; {here.temporary} is used meanwhile",
        )


def check_shared_memory(here: Installation) -> Iterator[Finding]:
    """Looks at /dev/shm, where the gateway's processes count together."""
    folder = here.shared_memory
    name = f"shared memory {folder}"
    if not folder.is_dir():
        seen = f"is not there, so that the gateway's processes count in files in {here.temporary}"
        linux = "`mount -t tmpfs tmpfs /dev/shm`, as root, has them count in memory"
        yield note(name, seen, linux) if sys.platform == "linux" else ok(name, seen)
        return
    if not is_writable(folder):
        yield problem(name, "cannot be written", f"`chmod 1777 {quoted(folder)}`, as root")
        return
    yield from _shared_room(name, folder)
    yield from _left_behind(folder)


def _shared_room(name: str, folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:  # a full one can still be "writable"
            probe.write(bytes(4096))
            probe.flush()
    except OSError as error:
        yield problem(
            name,
            f"cannot be written ({error.strerror})",
            f"remove what is left in {folder}, or make it larger: `mount -o remount,size=256m "
            f"{folder}`, docker run --shm-size=256m",
        )
        return
    seen = f"{free / _MB:.0f} MB free"
    if free < 16 * _MB:
        todo = f"`mount -o remount,size=256m {folder}`, or docker run --shm-size=256m"
        yield problem(name, f"{seen}, too little for the gateway's counts", todo)
    else:
        yield ok(name, seen)


def _left_behind(folder: Path) -> Iterator[Finding]:
    """Directories of counts that no gateway holds the lock of."""
    left = sum(not _is_held(each) for each in folder.glob(_METRICS))
    if left:
        yield note(
            "left-over metrics",
            f"{left} in {folder}, of gateways that were killed",
            "nothing: the next gateway removes them",
        )


def _is_held(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # somebody else's, or gone
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
