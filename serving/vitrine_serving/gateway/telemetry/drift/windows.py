"""Windows of all models and versions, in memory that processes share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pydantic import Field

from vitrine_serving.gateway.settings_part import SettingsPart
from vitrine_serving.gateway.shared_memory import Snapshots
from vitrine_serving.gateway.telemetry.drift.window import Window, record

_STEPS = 20  # blocks that a window has at the least; it slides by one of them


class DriftSettings(SettingsPart):
    """Window of images that drift is looked for in."""

    drift: bool = True
    """Whether the gateway watches for drift, model by model."""
    drift_window: int = Field(500, ge=50, le=5000)
    """Images in the window that drift is looked for in."""


class Windows:
    """Windows of the last `size` images of each of `slots` models and versions; the one that was
    used longest ago makes room for another.

    Make it before the fork. A change is made in a copy, which then replaces the window whole; one
    process at a time makes changes. A window slides by a twentieth: it has the last 95 to 100 % of
    `size`.
    """

    def __init__(self, size: int, slots: int = 16, now: Callable[[], float] = time.time) -> None:
        self.size = size
        self.now = now
        self._block = max(1, size // _STEPS)
        self._layout = record(blocks=size // self._block)
        self._snapshots = Snapshots(slots, self._layout.itemsize)
        self._places: dict[tuple[str, int], int] = {}

    def all(self) -> list[Window]:
        """Returns the windows that have images, as they are now, in no order."""
        windows = [self._window(slot) for slot in range(len(self._snapshots))]
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
        with self._snapshots.lock() as is_mine:
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
        with self._snapshots.lock() as is_mine:
            slot = self._slot((model, version))
            if is_mine and slot is not None:
                with self._copy(slot) as window:
                    window.begin(model.encode(), version, window.classes)

    @contextmanager
    def _copy(self, slot: int) -> Iterator[Window]:
        """Lends a copy, which takes the window's place if the block ends without an error."""
        record = self._record(slot)
        window = Window(record, self._block)
        yield window
        record["used"] = self.now() if window.images else 0.0
        self._snapshots.write(slot, record.tobytes())

    def _record(self, slot: int) -> Any:
        content = self._snapshots.read(slot) or bytes(self._layout.itemsize)
        return np.frombuffer(bytearray(content), self._layout)[0]

    def _window(self, slot: int) -> Window:
        return Window(self._record(slot), self._block)

    def _place(self, key: tuple[str, int]) -> int:
        """Returns the slot of a version, or the one that it gets."""
        slot = self._slot(key)
        if slot is None:
            return min(range(len(self._snapshots)), key=lambda slot: self._window(slot).used)
        return slot

    def _slot(self, key: tuple[str, int]) -> int | None:
        """Returns the slot of a version, or None where it has none."""
        slot: int
        for slot in (self._places.get(key, 0), *range(len(self._snapshots))):
            if self._window(slot).key == key:
                self._places[key] = slot
                return slot
        return None
