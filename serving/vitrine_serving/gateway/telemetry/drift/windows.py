"""The last images of each model and version, summed up, in memory that processes share."""

import fcntl
import mmap
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from vitrine_serving.gateway.telemetry.drift.window import Window, record

_STEPS = 20  # blocks that a window has at the least; it slides by one of them


class Windows:
    """A window of the last `size` images for each of `slots` models and versions; the one that was
    used longest ago makes room for another.

    Make it before the fork. Who changes a window does so in a copy, which then takes the window's
    place by one write of 8 aligned bytes, so that nobody sees half a change, even if its process is
    killed meanwhile. The lock that lets one process at a time make changes is the kernel's, and
    ends with its process. A window slides by a twentieth: it has the last 95 to 100 % of `size`.
    """

    def __init__(self, size: int, slots: int = 16, now: Callable[[], float] = time.time) -> None:
        self.size = size
        self.now = now
        self._block = max(1, size // _STEPS)
        layout = record(blocks=size // self._block)
        length = slots * (8 + 2 * layout.itemsize)
        self._file = os.memfd_create("vitrine-drift")
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, length)
        memory = mmap.mmap(self._file, length)
        self._turns = np.frombuffer(memory, np.int64, slots)
        self._copies = np.frombuffer(memory, layout, 2 * slots, 8 * slots).reshape(slots, 2)
        self._places: dict[tuple[str, int], int] = {}

    def all(self) -> list[Window]:
        """Returns the windows that have images, as they are now, in no order."""
        windows = [self._read(slot) for slot in range(len(self._turns))]
        return [window for window in windows if window.images]

    def find(self, model: str, version: int) -> Window | None:
        """Returns the window of a version as it is now, or None where nothing was seen of it."""
        return next((each for each in self.all() if each.key == (model, version)), None)

    @contextmanager
    def change(self, model: str, version: int, classes: int) -> Iterator[Window | None]:
        """Lends a window to be changed; the change counts if the block ends without an error.

        It is None where another process is about to change one: try again later. Have one thread
        of a process do this.
        """
        with self._lock() as is_mine:
            if not is_mine:
                yield None
                return
            with self._copy(self._place((model, version))) as window:
                if window.key != (model, version) or window.classes != classes:
                    window.begin(model.encode(), version, classes)
                yield window

    def drop(self, model: str, version: int) -> None:
        """Empties the window of a version, whose slot is then the first to be used again; not
        where another process is about to change one: try again later."""
        with self._lock() as is_mine:
            slot = self._slot((model, version))
            if is_mine and slot is not None:
                with self._copy(slot) as window:
                    window.begin(model.encode(), version, window.classes)

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Says whether this process may change windows, until the end of the block."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # BlockingIOError, or PermissionError on some systems
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    @contextmanager
    def _copy(self, slot: int) -> Iterator[Window]:
        """Lends a copy, which takes the window's place if the block ends without an error."""
        turn = int(self._turns[slot])
        spare = (turn + 1) % 2
        self._copies[slot, spare] = self._copies[slot, turn % 2]
        window = Window(self._copies[slot, spare], self._block)
        yield window
        self._copies[slot, spare]["used"] = self.now() if window.images else 0.0
        self._turns[slot] = turn + 1

    def _read(self, slot: int) -> Window:
        while True:
            turn = int(self._turns[slot])
            record = self._copies[slot, turn % 2].copy()
            if self._turns[slot] == turn:  # else it may be of two changes
                return Window(record, self._block)

    def _live(self, slot: int) -> Any:
        return self._copies[slot, int(self._turns[slot]) % 2]

    def _place(self, key: tuple[str, int]) -> int:
        """Returns the slot of a version, or the one that it gets."""
        slot = self._slot(key)
        if slot is None:
            slots = range(len(self._turns))
            return min(slots, key=lambda slot: float(self._live(slot)["used"]))
        return slot

    def _slot(self, key: tuple[str, int]) -> int | None:
        """Returns the slot of a version, or None where it has none."""
        slot: int
        for slot in (self._places.get(key, 0), *range(len(self._turns))):
            if Window(self._live(slot), self._block).key == key:
                self._places[key] = slot
                return slot
        return None
