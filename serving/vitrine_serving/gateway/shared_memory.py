"""Shared memory of the gateway's processes: cells, snapshots, and the slots of processes in them.

All of it is made before the fork. None of it has a name in a file system: it goes with the last
process that has it, however that ends.
"""

import errno
import fcntl
import mmap
import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

SLOTS = 256
"""Processes at one time, or more for many workers: during a reload there are twice as many."""


def float_cells(number: int) -> "memoryview[float]":
    """Returns that many cells with 0.0: 8 aligned bytes each, which are never half written."""
    return memoryview(mmap.mmap(-1, 8 * number)).cast("d")


def int_cells(number: int) -> "memoryview[int]":
    """Returns that many cells with 0, of 64 bits and a sign."""
    return memoryview(mmap.mmap(-1, 8 * number)).cast("q")


class Slots:
    """Slots of the processes that live, given out by the master: the lowest that is free first.

    A process goes on with the memory of the one that had its slot before.
    """

    def __init__(self) -> None:
        self.current = 0
        self._taken: set[int] = set()

    def take(self) -> int:
        """Returns the slot of the process that is forked next; `current` is the same there."""
        self.current = next(slot for slot in count() if slot not in self._taken)
        self._taken.add(self.current)
        return self.current

    def release(self, slot: int) -> None:
        """Frees the slot of a process that has ended."""
        self._taken.discard(slot)


class Snapshots:
    """Snapshots: up to `capacity` bytes for each of `slots` writers, replaced whole.

    A writer fills the copy that nobody reads, which takes the place of the other by one write of a
    cell; so nobody sees half of one, even if its writer is killed meanwhile. A slot has one writer
    at a time: the process whose it is, or the one that has the lock. Memory is taken by what is
    written, not by `capacity`: the file is sparse.
    """

    def __init__(self, slots: int, capacity: int) -> None:
        self._capacity = capacity
        self._heads = int_cells(slots)  # how often it was replaced, and in 32 bits its length
        self._file = _nameless_file()
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        """Returns the number of slots."""
        return len(self._heads)

    def turn(self, slot: int) -> int:
        """Returns how often a snapshot was replaced."""
        return self._heads[slot] >> 32

    def read(self, slot: int) -> bytes:
        """Returns the last snapshot, b"" before the first."""
        while head := self._heads[slot]:
            turn, length = divmod(head, 1 << 32)
            content = os.pread(self._file, length, self._offset(slot, turn))
            if self._heads[slot] == head:  # else the content may be of two snapshots
                return content
        return b""

    def write(self, slot: int, content: bytes) -> None:
        """Replaces a snapshot. Raises `OSError` if it has no room; the one before then stays."""
        turn = (self._heads[slot] >> 32) + 1
        room = content[: self._capacity]
        if os.pwrite(self._file, room, self._offset(slot, turn)) < len(content):
            raise OSError(errno.ENOSPC, f"No room for {len(content)} bytes in shared memory")
        self._heads[slot] = turn << 32 | len(content)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Says whether this process has the lock, until the end of the block; never waits.

        The lock is the kernel's, and ends with its process. It tells processes apart, not threads.
        """
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # BlockingIOError, or PermissionError on some systems
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _offset(self, slot: int, turn: int) -> int:
        return (2 * slot + turn % 2) * self._capacity


def _nameless_file() -> int:
    if sys.platform == "linux":
        return os.memfd_create("vitrine")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
