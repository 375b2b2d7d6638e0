"""What one process has counted, in plain Python, and how that gets into files that all read.

prometheus_client's own values write each observation into a mapped file: 11 us for what a request
and its call bring, where adding up here takes 1.8 (`python -m benchmarks.metrics`). The library has
no way to hand it sums, so `flush` writes them into its files by its own `MmapedDict`; its
`MultiProcessCollector` reads and merges those.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from vitrine_serving.gateway.telemetry.metrics.families import Family

S = TypeVar("S", bound="Series")

Read = Callable[[], Mapping[tuple[str, ...], float]]
"""Returns values by their labels."""

_MappedFile: Any = MmapedDict  # it has no types


class Series:
    """A counter or a gauge with its labels. One thread changes `value`; any may flush."""

    __slots__ = ("_before", "_file", "_keys", "_written", "value")

    def __init__(self, file: str, keys: list[str], *, continues: bool = True) -> None:
        """`continues` says whether it goes on from what the file has of an ended process."""
        self.value = 0.0
        self._file = file
        self._keys = keys
        self._before: list[float] | None = None if continues else [0.0] * len(keys)
        self._written: list[float] = []

    def numbers(self) -> list[float]:
        """Returns what this process has to say, a number for each key in the file."""
        return [self.value]

    def flush(self, files: "OpenFiles") -> None:
        """Writes what has changed since the last time."""
        numbers = self.numbers()
        if numbers == self._written:
            return
        file = files.open(self._file)
        if self._before is None:
            self._before = [file.read_value(key)[0] for key in self._keys]
        for index, number in enumerate(numbers):
            if not self._written or number != self._written[index]:
                file.write_value(self._keys[index], self._before[index] + number, 0.0)
        self._written = numbers


class Histogram(Series):
    """A histogram with its labels."""

    __slots__ = ("_bounds", "_counts")

    def __init__(self, file: str, keys: list[str], bounds: tuple[float, ...]) -> None:
        super().__init__(file, keys)
        self._bounds = bounds
        self._counts = [0.0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Counts a value; a bound belongs to the bucket below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.value += value

    def numbers(self) -> list[float]:
        """Returns the count of each bucket, and the sum of what was observed."""
        return [*self._counts, self.value]


class OpenFiles:
    """The files of one process, by their prefix; each is there with its first value."""

    def __init__(self, folder: Path, slot: int) -> None:
        self._folder = folder
        self._slot = slot
        self._open: dict[str, Any] = {}

    def open(self, prefix: str) -> Any:
        """Returns the file that values with this prefix ("gauge_livesum") belong into."""
        if prefix not in self._open:
            path = self._folder / f"{prefix}_{self._slot}.db"
            if not path.exists():  # whole or absent: a reader takes an empty file amiss
                fresh = path.with_suffix(".new")
                _MappedFile(str(fresh)).close()
                fresh.rename(path)
            self._open[prefix] = _MappedFile(str(path))
        return self._open[prefix]

    def close(self) -> None:
        """Closes them; one that is written to again is opened again."""
        for file in self._open.values():
            file.close()
        self._open.clear()


@dataclass(frozen=True)
class _Followed:
    family: Family
    read: Read
    series: dict[tuple[str, ...], Series] = field(default_factory=dict)


class Ledger:
    """All series of one process."""

    def __init__(self, folder: Path, slot: int) -> None:
        self._files = OpenFiles(folder, slot)
        self._series: list[Series] = []
        self._followed: list[_Followed] = []
        self._lock = threading.Lock()

    def single(self, family: Family, *labels: str) -> Series:
        """Makes the series of a counter or a gauge."""
        gauge = family.kind == "gauge"
        name = family.name.removesuffix("_total")
        file = f"gauge_{family.merged}" if gauge else "counter"
        keys = [mmap_key(name, family.name, list(family.labels), list(labels), family.help)]
        return self._add(Series(file, keys, continues=not gauge))

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """Makes the series of a histogram."""
        name, names, values = family.name, list(family.labels), list(labels)
        bounds = [*map(str, family.bounds), "+Inf"]
        keys = [
            mmap_key(name, f"{name}_bucket", [*names, "le"], [*values, bound], family.help)
            for bound in bounds
        ]
        keys.append(mmap_key(name, f"{name}_sum", names, values, family.help))
        return self._add(Histogram("histogram", keys, family.bounds))

    def follow(self, family: Family, read: Read) -> None:
        """Takes the values of a counter or a gauge from `read`, at each flush and in its thread."""
        self._followed.append(_Followed(family, read))

    def flush(self) -> None:
        """Writes what has changed; from any thread."""
        with self._lock:
            for followed in self._followed:
                for labels, value in followed.read().items():
                    if labels not in followed.series:
                        followed.series[labels] = self.single(followed.family, *labels)
                    followed.series[labels].value = value
            for series in list(self._series):
                series.flush(self._files)

    def close(self) -> None:
        """Writes the last of it."""
        self.flush()
        with self._lock:
            self._files.close()

    def _add(self, series: S) -> S:
        self._series.append(series)
        return series
