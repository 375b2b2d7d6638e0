"""Lines of logs: JSON Lines in files that are rotated, read line by line and in bounds.

Beside `FILE` there may be `FILE.1`, `FILE.2` and so on, each older than the one before, and packed
by gzip where `.gz` follows.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from vitrine_client.results import json_values, strict_json
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.files import cut, opened, shown

HEAD_BYTES = 1 << 16
"""Bytes of a line by which a reader tells whether it wants the rest."""

_PIECE_BYTES = 1 << 20
_MOST_FILES = 10_000


class LogLine(NamedTuple):
    """Line of a file: its members, or the `fault` by which it has none; `is_torn` where it has no
    end, as a writer that was killed leaves it."""

    path: Path
    number: int
    members: dict[str, Any]
    fault: str = ""
    is_torn: bool = False

    @property
    def place(self) -> str:
        """Place of the line for a message."""
        return f"{shown(self.path)}, line {self.number:,}"


class LogFile(NamedTuple):
    """File as it was listed: device and inode, and its size in bytes."""

    path: Path
    identity: tuple[int, int]
    size: int

    def check_same(self, file: BinaryIO) -> None:
        """Raises `DataError` where an open file is another one, or was cut since then."""
        found = os.fstat(file.fileno())
        if (found.st_dev, found.st_ino) != self.identity or found.st_size < self.size:
            raise self.was_rotated()

    def was_rotated(self) -> DataError:
        """Returns the error of a file that is another one by now."""
        return DataError(f"{shown(self.path)} was rotated meanwhile; give the command again")


def rotated(paths: Iterable[Path]) -> list[LogFile]:
    """Returns these files and those that they were rotated to, the oldest of each first, none of
    them twice.

    One that is missing is no fault where it was just rotated. Raises `DataError` where there is
    nothing of a path, or no regular file.
    """
    found: dict[tuple[int, int], LogFile] = {}
    for path in paths:
        every = [*reversed(_older(path)), path]
        there = [listed for each in every if (listed := _listed(each, path))]
        if not there:
            raise DataError(f"{shown(path)} is not there: check the path")
        for each in there:
            found.setdefault(each.identity, each)
    return list(found.values())


def _older(path: Path) -> list[Path]:
    """Returns the files that one was rotated to, the newest first."""
    name = re.compile(re.escape(path.name) + r"\.([1-9][0-9]{0,5})(?:\.gz)?")
    numbers: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for entry in os.scandir(path.parent):
            told = name.fullmatch(entry.name)
            if told and entry.is_file(follow_symlinks=False):
                numbers[entry.name] = int(told[1])
    ordered = sorted(numbers, key=lambda each: (numbers[each], each))
    return [path.with_name(each) for each in ordered[:_MOST_FILES]]


def _listed(path: Path, named: Path) -> LogFile | None:
    """Returns a regular file, None where it is missing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{shown(path)} cannot be read ({reason}): check the path") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise DataError(f"{shown(named)} is {kind}: name the file of JSON lines")
    return LogFile(path, (found.st_dev, found.st_ino), found.st_size)


def lines(
    log: LogFile, most_bytes: int, wanted: Callable[[bytes], bool] = lambda _: True
) -> Iterator[LogLine]:
    """Yields the lines of a file that are wanted by their first `HEAD_BYTES`; blank ones are none.

    No more than `most_bytes` of a line are kept. Raises `DataError` where the file cannot be read,
    or is another one by now: lines of the one that was listed are elsewhere then.
    """
    path = log.path
    if _listed(path, path) is None:
        raise log.was_rotated()
    with opened(path) as file:
        log.check_same(file)
        number = 0
        while head := file.readline(HEAD_BYTES):
            number += 1
            if not wanted(head):
                _skip(file, head)
                continue
            content, is_long = _rest(file, head, most_bytes)
            if is_long:
                yield LogLine(path, number, {}, f"it has more than {most_bytes:,} bytes")
            elif content.strip():
                yield _read(path, number, content)
        log.check_same(file)


def _rest(file: BinaryIO, head: bytes, most_bytes: int) -> tuple[bytes, bool]:
    """Returns the whole line, and whether there is more of it."""
    if head.endswith(b"\n") or len(head) < HEAD_BYTES:
        return head, len(head) > most_bytes + 1
    rest = file.readline(max(most_bytes - len(head), 0) + 1)
    if rest.endswith(b"\n") or len(head) + len(rest) <= most_bytes:
        return head + rest, False
    _skip(file, rest)
    return b"", True


def _skip(file: BinaryIO, last: bytes) -> None:
    """Reads on to the end of a line, a piece at a time."""
    while last and not last.endswith(b"\n"):
        last = file.readline(_PIECE_BYTES)


def _read(path: Path, number: int, content: bytes) -> LogLine:
    try:
        return LogLine(path, number, json_values.members(strict_json.loads(content)))
    except ValueError as error:
        is_torn = not content.endswith(b"\n") and content.lstrip().startswith(b"{")
        return LogLine(path, number, {}, str(error), is_torn)


class BrokenLines:
    """Count of the lines of a file that are none of its kind, beside `whole` ones."""

    def __init__(self) -> None:
        self.whole = 0
        self._broken = self._torn = 0
        self._first = ""

    def add(self, line: LogLine, fault: str) -> None:
        """Notes a line."""
        self._torn += line.is_torn
        self._broken += not line.is_torn
        end = "it has no end, as of a writer that was killed" if line.is_torn else cut(fault, 120)
        self._first = self._first or f"{line.place}: {end}"

    def told(self, path: Path, kind: str) -> list[str]:
        """Returns a note, or none. Raises `DataError` where a file of a kind has no other lines."""
        if self._broken and not self.whole:
            raise DataError(f"{shown(path)} is not {kind} ({self._first}): check the path")
        count = self._broken + self._torn
        what = "a line is" if count == 1 else f"{count:,} lines are"
        return [f"{what} broken and passed over: {self._first}"] if count else []
