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
import numpy.typing as npt

from vitrine_serving.gateway.drift.baseline import MOST_CLASSES, TESTS
from vitrine_serving.gateway.drift.detect import Kind, Sample, Shift
from vitrine_serving.gateway.drift.statistics import STATISTICS

Floats = npt.NDArray[np.float64]

MODEL_BYTES = 256
"""Of a model's name in UTF-8; models with longer names are not watched."""

_STEPS = 20  # blocks that a window has at the least; it slides by one of them
_KINDS: tuple[Kind, ...] = ("none", "covariate", "label")


class Window:
    """The last images of one version of a model, and what was found in them.

    `since` is when the oldest of them came, in seconds of `time.time`.
    """

    def __init__(self, record: np.void, block: int) -> None:
        self._record: Any = record
        self._block = block

    @property
    def key(self) -> tuple[str, int]:
        """Model and version."""
        name = bytes(self._record["model"]).decode(errors="replace")
        return name, int(self._record["version"])

    @property
    def classes(self) -> int:
        """How many classes that version has."""
        return int(self._record["classes"])

    @property
    def images(self) -> int:
        """How many they are."""
        return int(self._record["images"].sum())

    @property
    def since(self) -> float:
        """0 where there are none."""
        begun = self._record["begun"][self._record["images"] > 0]
        return float(begun.min()) if begun.size else 0.0

    @property
    def kind(self) -> Kind:
        """What was found last."""
        return _KINDS[int(self._record["kind"])]

    @property
    def scores(self) -> dict[str, float]:
        """By test, as found last."""
        return dict(zip(TESTS, self._record["scores"].tolist(), strict=True))

    @property
    def thresholds(self) -> dict[str, float]:
        """By test, as found last."""
        return dict(zip(TESTS, self._record["thresholds"].tolist(), strict=True))

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each class, as found last."""
        return tuple(self._record["shares"][: self.classes].tolist())

    def sample(self) -> Sample:
        """All of its images together."""
        classes = self.classes
        sums, answered = (np.add.reduce(self._record[name]) for name in ("sums", "answered"))
        return Sample(self.images, sums[: len(STATISTICS) + classes], answered[:classes])

    def begin(self, model: bytes, version: int, classes: int) -> None:
        """Empties it, for another version."""
        for name in ("kind", "newest", "images", "sums", "answered"):
            self._record[name] = 0
        for name, value in (("model", model), ("version", version), ("classes", classes)):
            self._record[name] = value

    def add(self, rows: Floats, now: float) -> None:
        """Takes rows of statistics [n, 6 + classes] in, and drops as many of the oldest."""
        images, sums, answered = (self._record[name] for name in ("images", "sums", "answered"))
        newest, start, width = int(self._record["newest"]), 0, rows.shape[1]
        answers = rows[:, len(STATISTICS) :].argmax(axis=1)
        while start < len(rows):
            if images[newest] >= self._block:
                newest = (newest + 1) % len(images)
                images[newest] = sums[newest] = answered[newest] = 0
            if not images[newest]:
                self._record["begun"][newest] = now
            end = min(len(rows), start + self._block - int(images[newest]))
            sums[newest, :width] += np.add.reduce(rows[start:end])
            answered[newest] += np.bincount(answers[start:end], minlength=MOST_CLASSES)
            images[newest] += end - start
            start = end
        self._record["newest"] = newest

    def note(self, found: Shift) -> None:
        """Keeps what was found."""
        self._record["kind"] = _KINDS.index(found.kind)
        self._record["scores"] = [found.scores[test] for test in TESTS]
        self._record["thresholds"] = [found.thresholds[test] for test in TESTS]
        self._record["shares"][: len(found.priors.priors)] = found.priors.priors


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
        record = _record(blocks=size // self._block)
        length = slots * (8 + 2 * record.itemsize)
        self._file = os.memfd_create("vitrine-drift")
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, length)
        memory = mmap.mmap(self._file, length)
        self._turns = np.frombuffer(memory, np.int64, slots)
        self._copies = np.frombuffer(memory, record, 2 * slots, 8 * slots).reshape(slots, 2)
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
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # BlockingIOError, or PermissionError on some systems
            yield None
            return
        try:
            slot = self._place((model, version))
            turn = int(self._turns[slot])
            spare = (turn + 1) % 2
            self._copies[slot, spare] = self._copies[slot, turn % 2]
            window = Window(self._copies[slot, spare], self._block)
            if window.key != (model, version) or window.classes != classes:
                window.begin(model.encode(), version, classes)
            yield window
            self._copies[slot, spare]["used"] = self.now()
            self._turns[slot] = turn + 1
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

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
        slots = range(len(self._turns))
        slot: int
        for slot in (self._places.get(key, 0), *slots):
            if Window(self._live(slot), self._block).key == key:
                self._places[key] = slot
                return slot
        return min(slots, key=lambda slot: float(self._live(slot)["used"]))


def _record(blocks: int) -> np.dtype[Any]:
    """How a window lies in memory: a ring of blocks, each with as many images as the window slides
    by: their number, when the first came, the sums of their rows of statistics, and how often each
    class was answered."""
    return np.dtype(
        [
            ("model", f"S{MODEL_BYTES}"),
            ("version", np.int64),
            ("classes", np.int64),
            ("used", np.float64),
            ("kind", np.int64),
            ("scores", np.float64, len(TESTS)),
            ("thresholds", np.float64, len(TESTS)),
            ("shares", np.float64, MOST_CLASSES),
            ("newest", np.int64),
            ("images", np.int64, blocks),
            ("begun", np.float64, blocks),
            ("sums", np.float64, (blocks, len(STATISTICS) + MOST_CLASSES)),
            ("answered", np.int64, (blocks, MOST_CLASSES)),
        ]
    )
