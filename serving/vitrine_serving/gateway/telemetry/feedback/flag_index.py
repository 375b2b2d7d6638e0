"""Flag index: what the files of a feedback log say of each picture, kept up to date by reading
only what was appended since.

Whoever calls it holds the lock of the file that has the name: nobody appends or renames meanwhile.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

from vitrine_serving.gateway.telemetry.feedback.flags import Flagged, Place, read_line

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_PIECE_BYTES = 1 << 20
_TAIL_BYTES = 4096
"""What is looked at again of what was read: more than a line has, whose time no other has."""

_Identity = tuple[int, int]
"""Device and inode."""


class _Indexed:
    """File that was read so far; open, so that no other can have its inode."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.flags: dict[Place, Flagged] = {}
        self.is_torn = False
        self._read_bytes = 0
        self._seen_bytes = 0
        self._tail = b""

    def read_on(self) -> None:
        """Reads what was appended; all again where what was read last is not there any more: who
        edits a file may keep its inode, and others may have made it as long again."""
        if os.pread(self.file, _TAIL_BYTES, self._tail_at)[: len(self._tail)] != self._tail:
            self.flags.clear()
            self._read_bytes = self._seen_bytes = 0
        rest = b""
        while piece := os.pread(self.file, _PIECE_BYTES, self._read_bytes + len(rest)):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._take(line)
                self._read_bytes += len(line) + 1
        self.is_torn = bool(rest)
        self._take(rest)  # of an editor that ends no line, say; it is read again then
        self._seen_bytes = self._read_bytes + len(rest)
        self._tail = os.pread(self.file, self._seen_bytes - self._tail_at, self._tail_at)

    @property
    def _tail_at(self) -> int:
        return max(0, self._seen_bytes - _TAIL_BYTES)

    def _take(self, line: bytes) -> None:
        if found := read_line(line):
            self.flags.setdefault(*found)


class FlagIndex:
    """Index of the flags in `path` and in the files that were rotated to `path.1`, `path.2`, ...

    For one thread. What is in no file any more is forgotten.
    """

    def __init__(self, path: Path, files: int) -> None:
        rotated = (Path(f"{path}.{number}") for number in range(files - 1, 0, -1))
        self._names = [*rotated, path]
        self._indexed: dict[_Identity, _Indexed] = {}

    def check(self) -> None:
        """Raises `OSError` where a file can't be read, or what has a rotated one's name is none."""
        for name in self._names[:-1]:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(name.lstat().st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(name))
            self._identity(name)
        self.close()

    def refresh(self) -> None:
        """Reads what is new. Raises `OSError` where a file can't be read."""
        present = [found for name in self._names if (found := self._identity(name))]
        for gone in self._indexed.keys() - set(present):
            os.close(self._indexed.pop(gone).file)
        for identity in present:
            self._indexed[identity].read_on()

    def find(self, place: Place) -> Flagged | None:
        """Returns what a picture was flagged with, the first if it has several."""
        found = (each.flags.get(place) for each in self._indexed.values())
        return next(filter(None, found), None)

    @property
    def is_torn(self) -> bool:
        """Whether the last line of the newest file has no end."""
        newest = self._identity(self._names[-1])
        return newest is not None and self._indexed[newest].is_torn

    def close(self) -> None:
        """Closes the files; to refresh opens them again."""
        for each in self._indexed.values():
            os.close(each.file)
        self._indexed.clear()

    def _identity(self, name: Path) -> _Identity | None:
        """Returns which file has a name, opened if it is a new one; None for none, and for what is
        no file."""
        with contextlib.suppress(FileNotFoundError):
            status = name.lstat()
            if not stat.S_ISREG(status.st_mode):
                return None
            identity = status.st_dev, status.st_ino
            if identity not in self._indexed:
                self._indexed[identity] = _Indexed(os.open(name, _FLAGS))
            return identity
        return None
