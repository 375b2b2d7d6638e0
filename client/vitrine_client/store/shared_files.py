"""Shared files: replaced in one step, with the owner and the permissions that they had, and locked.

Files that several users and processes read are written beside their place, flushed to the disk and
renamed. A temporary file belongs to whoever writes it, and so would what it replaces.
"""

import errno
import fcntl
import glob
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_MOST_BYTES = 64_000_000
"""More than any of these files has that is read whole."""

_UNFINISHED = ".unfinished"
"""After the name of a file that is being written."""


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Opens a file that takes the place of `path` at the end of the block.

    Whatever happens meanwhile, `path` is the old file or the new one, whole, and a link stays one.
    The new file has the owner, the group and the permissions of the old one; where there was none,
    `mode` less the umask, as other new files have. A device or a pipe is written as it is. Raises
    `OSError`, also where the old file would be taken from its owner, as only root gives files away.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    path = path.resolve()
    _remove_abandoned(path)
    unfinished, descriptor = _made(path, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(FileNotFoundError):
                _own_as(path, file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    fsync(path.parent)


def _made(path: Path, mode: int) -> tuple[Path, int]:
    """Makes a file beside `path`, and keeps a lock on it, which says that somebody writes it."""
    with suppress(FileNotFoundError):
        path.stat()
        mode = 0o600  # until it has the old file's permissions: it may be a secret
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    while True:
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        descriptor = os.open(unfinished, flags, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(unfinished, descriptor):  # else somebody took it for abandoned before the lock
            return unfinished, descriptor
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Removes leftovers of writers that were killed: the lock of a file is gone with its writer."""
    try:
        found = list(path.parent.glob(f".{glob.escape(path.name)}*{_UNFINISHED}"))
    except PermissionError:  # the folder may be written and not listed
        return
    for left in found:
        with suppress(OSError):  # another user's, or it is being written
            descriptor = os.open(left, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(descriptor)


def _own_as(path: Path, descriptor: int) -> None:
    """Gives a file the owner, the group and the permissions of the one at `path`."""
    before = path.stat()
    mode = stat.S_IMODE(before.st_mode)
    try:
        os.fchown(descriptor, before.st_uid, before.st_gid)
    except OSError:
        kept_group = _is_given_group(descriptor, before.st_gid)
        others = stat.S_IROTH | (stat.S_IRGRP if kept_group else 0)
        if mode & stat.S_IRUSR and not mode & others:
            raise PermissionError(
                errno.EPERM,
                f"user {before.st_uid} owns it and could not read it any more; write it as that "
                "user or as root",
                str(path),
            ) from None
    os.fchmod(descriptor, mode)


def _is_given_group(descriptor: int, group: int) -> bool:
    with suppress(OSError):
        os.fchown(descriptor, -1, group)
    return os.fstat(descriptor).st_gid == group


def content_of(path: Path, most_bytes: int = _MOST_BYTES) -> bytes:
    """Returns a file's content. Raises `OSError`, also with words of its own where it is no
    regular file or has more bytes."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError(0, "it is no regular file", str(path))
    if found.st_size > most_bytes:
        told = f"it has {found.st_size:,} bytes, and {most_bytes:,} are the most"
        raise OSError(0, told, str(path))
    return path.read_bytes()


def fsync(path: Path) -> None:
    """Flushes a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Holds the lock file at `path`, which is made where there is none; calls `on_wait` first where
    somebody else holds it: where that returns true the lock is tried again, else waited for. The
    lock is gone with its holder, however that ends. Raises `OSError`, and as `on_wait` does.
    """
    descriptor = _opened_lock(path)
    try:
        while not _try_lock(descriptor):
            if not on_wait():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                break
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_beside(path: Path) -> Iterator[None]:
    """Holds a lock for changes of the file at `path`, waiting for it: a file beside it, which is
    gone afterwards. The lock is gone with its holder, however that ends. Raises `OSError`."""
    path = path.resolve()
    lock = path.with_name(f".{path.name}.lock")
    while True:
        descriptor = _opened_lock(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(lock, descriptor):  # else who held it before has removed it
                try:
                    yield
                finally:
                    lock.unlink(missing_ok=True)
                return
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened_lock(path: Path) -> int:
    """A lock that another user made may be read and not written, which is enough to hold it."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
