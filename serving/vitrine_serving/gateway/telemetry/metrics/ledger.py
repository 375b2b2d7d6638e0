"""Ledger: counts and times of one process in plain Python, written to shared memory now and then.

prometheus_client's own values write each observation into a mapped file: 11 us for what a request
and its call bring, where adding up here takes 1.8 (`python -m benchmarks.metrics`).
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import add
from typing import TypeVar

from vitrine_serving.gateway.telemetry.metrics.families import Family
from vitrine_serving.gateway.telemetry.metrics.shared_series import Numbers, SharedSeries

S = TypeVar("S", bound="Series")

Read = Callable[[], Mapping[tuple[str, ...], float]]
"""Returns values by their labels."""


class Series:
    """Counter or gauge with its labels. One thread changes `value`; any may read `numbers`."""

    __slots__ = ("family", "key", "value")

    def __init__(self, family: Family, labels: tuple[str, ...]) -> None:
        self.family = family
        self.key = (family.name, labels)
        self.value = 0.0

    def numbers(self) -> list[float]:
        """Returns the value."""
        return [self.value]


class Histogram(Series):
    """Histogram with its labels."""

    __slots__ = ("_bounds", "_counts")

    def __init__(self, family: Family, labels: tuple[str, ...]) -> None:
        super().__init__(family, labels)
        self._bounds = family.bounds
        self._counts = [0.0] * (len(family.bounds) + 1)

    def observe(self, value: float) -> None:
        """Counts a value; a bound belongs to the bucket below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.value += value

    def numbers(self) -> list[float]:
        """Returns the count of each bucket, and the sum of what was observed."""
        return [*self._counts, self.value]


@dataclass(frozen=True)
class _Followed:
    family: Family
    read: Read
    series: dict[tuple[str, ...], Series] = field(default_factory=dict)


class Ledger:
    """All series of one process; its counts go on from those of the process before in its slot."""

    def __init__(self, shared: SharedSeries, slot: int) -> None:
        self._shared = shared
        self._slot = slot
        self._before = shared.counts(slot)
        self._series: list[Series] = []
        self._followed: list[_Followed] = []
        self._lock = threading.Lock()

    def single(self, family: Family, *labels: str) -> Series:
        """Makes the series of a counter or a gauge."""
        return self.add(Series(family, labels))

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """Makes the series of a histogram."""
        return self.add(Histogram(family, labels))

    def follow(self, family: Family, read: Read) -> None:
        """Takes the values of a counter or a gauge from `read`, at each flush and in its thread.
        Of a gauge, series that `read` has no more are dropped."""
        self._followed.append(_Followed(family, read))

    def flush(self) -> None:
        """Writes all series to shared memory; from any thread."""
        with self._lock:
            for followed in self._followed:
                found = followed.read()
                for labels, value in found.items():
                    if labels not in followed.series:
                        followed.series[labels] = self.single(followed.family, *labels)
                    followed.series[labels].value = value
                if followed.family.kind == "gauge":
                    for labels in followed.series.keys() - found.keys():
                        self._series.remove(followed.series.pop(labels))
            self._shared.write(self._slot, *self._numbers())

    def add(self, series: S) -> S:
        """Adds a series of one's own."""
        self._series.append(series)
        return series

    def _numbers(self) -> tuple[Numbers, Numbers]:
        """Returns counts, and gauges."""
        counts, gauges = self._before.copy(), {}
        for series in list(self._series):
            key, numbers = series.key, series.numbers()
            if series.family.kind == "gauge":
                gauges[key] = numbers
            else:
                before = self._before.get(key)
                counts[key] = list(map(add, before, numbers)) if before else numbers
        return counts, gauges
