"""A file that several processes append lines to, and that is rotated when it is full.

Not concurrent-log-handler: it takes a lock of a side file for each line, in the thread that logs.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
_MODE = 0o600

_KINDS = {
    stat.S_IFLNK: "a symbolic link, which is not followed",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFDIR: "a directory",
}


class RotatingFile:
    """Of `path` there are at most `files`: `path` itself, `path.1`, which was it before, ...

    Who appends holds a lock (flock) on the file that has the name now, and renames under it: so no
    line is torn, lost or written twice. Each process makes its own, after a fork. All are their
    owner's alone (0600), also one that was there before.
    """

    def __init__(self, path: Path, *, max_bytes: int, files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self._file: int | None = None

    def check(self) -> None:
        """Raises `OSError` where nothing can be appended; waits for no lock."""
        self._opened()
        self.close()

    def append(self, lines: bytes) -> None:
        """Appends all of it, or nothing. Raises `OSError` where that can't be."""
        self.append_made(lambda: lines)

    def append_made(self, make: Callable[[], bytes]) -> None:
        """Appends what `make` returns, which is called while nobody else can append, and again
        after a rotation, as others may have come between; raises as `append` does, and what `make`
        raises."""
        while True:
            with self._locked() as file:
                lines = make()
                if not (lines and self._is_full(file, len(lines))):
                    _write(file, lines)
                    return
                self._rotate()

    def close(self) -> None:
        """Closes it; to append opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file that has the name now, locked."""
        try:
            while True:
                file = self._opened()
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._is_current(file):
                    break
                self.close()  # which unlocks it
            yield file
        except BaseException:
            self.close()
            raise
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _opened(self) -> int:
        if self._file is None:
            self._file = _open_private(self._path)
        return self._file

    def _is_current(self, file: int) -> bool:
        """Whether it was neither rotated by another process nor taken away."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file), self._path.lstat())
        return False

    def _is_full(self, file: int, more: int) -> bool:
        size = os.fstat(file).st_size
        return size > 0 and size + more > self._max_bytes

    def _rotate(self) -> None:
        """Renames, last first: from the moment that the name is free, others may take it."""
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._files))]
        if len(names) == 1:
            self._path.unlink()
        for newer, older in reversed(list(pairwise(names))):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        self.close()


def is_of_log(path: Path, log: Path, files: int) -> bool:
    """Returns whether a path is that of a log of so many files, or one that it is rotated to."""
    named, own = os.path.realpath(path), os.path.realpath(log)
    with contextlib.suppress(OSError):
        if path.samefile(log):
            return True
    number = named.removeprefix(f"{own}.")
    is_rotated = number != named and number.isascii() and number.isdecimal()
    return named == own or (
        is_rotated and len(number) < 20 and number[0] != "0" and int(number) < files
    )


def _open_private(path: Path) -> int:
    """Opens a file for its owner alone. Raises `OSError` where something else has its name: opening
    a pipe would wait for a reader, and a link may lead to any file."""
    try:
        file = os.open(path, _FLAGS | os.O_NONBLOCK, _MODE)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            _check_kind(path.lstat())
        raise
    try:
        status = os.fstat(file)
        _check_kind(status)
        if stat.S_IMODE(status.st_mode) != _MODE:
            _make_private(file)
    except BaseException:
        os.close(file)
        raise
    return file


def _check_kind(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(f"It is no file but {_KINDS.get(kind, 'a device or a socket')}")


def _make_private(file: int) -> None:
    try:
        os.fchmod(file, _MODE)
    except PermissionError as error:
        raise OSError("It is another user's, who alone can make it private (0600)") from error


def _write(file: int, lines: bytes) -> None:
    before = os.fstat(file).st_size
    try:
        written = os.write(file, lines)
    except OSError:
        os.ftruncate(file, before)
        raise
    if written < len(lines):  # the disk is full
        os.ftruncate(file, before)
        raise OSError(f"only {written} of {len(lines)} bytes could be written")
