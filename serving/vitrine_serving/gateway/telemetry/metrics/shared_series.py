"""Series of all processes of one gateway: a snapshot of each, merged when Prometheus asks."""

from collections.abc import Iterable
from itertools import accumulate
from operator import add

import orjson
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from vitrine_serving.gateway.shared_memory import SLOTS, Snapshots
from vitrine_serving.gateway.telemetry.metrics.families import FAMILIES, Family

Numbers = dict[tuple[str, tuple[str, ...]], list[float]]
"""A value by family and labels; of a histogram the count of each bucket, and the sum."""

_OF_THE_WORST = frozenset(family.name for family in FAMILIES if family.worst)

_CAPACITY = 16 << 20
"""Bytes of a snapshot: some 10,000 versions of models, at four histograms each."""


class SharedSeries(Collector):
    """Counts and gauges of each process; make it before the fork.

    The next process with a slot goes on with the counts in it, so that none is lost or goes down
    when processes are replaced; gauges are those of processes that live.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self._counts = Snapshots(slots, _CAPACITY)
        self._gauges = Snapshots(slots, _CAPACITY)

    def counts(self, slot: int) -> Numbers:
        """Returns the counters and histograms of a slot."""
        return _entries(self._counts.read(slot))

    def write(self, slot: int, counts: Numbers, gauges: Numbers) -> None:
        """Replaces all series of a slot. Raises `OSError` where memory has no room for them."""
        self._counts.write(slot, _content(counts))
        self._gauges.write(slot, _content(gauges))

    def forget_gauges(self, slot: int) -> None:
        """Drops the gauges of a process that has ended."""
        self._gauges.write(slot, b"")

    def merged(self, family: Family) -> dict[tuple[str, ...], list[float]]:
        """Returns the numbers of a family, by its labels, over all processes."""
        merge = max if family.worst else add
        merged: dict[tuple[str, ...], list[float]] = {}
        snapshots = self._gauges if family.kind == "gauge" else self._counts
        for slot in range(len(snapshots)):
            for (name, labels), numbers in _entries(snapshots.read(slot)).items():
                if name == family.name:
                    before = merged.get(labels)
                    merged[labels] = list(map(merge, before, numbers)) if before else numbers
        return merged

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics of all processes together."""
        merged = _merged(self._counts) | _merged(self._gauges)
        for family in FAMILIES:
            found = {labels: each for (name, labels), each in merged.items() if name == family.name}
            if found:
                yield metric(family, found)


def _content(numbers: Numbers) -> bytes:
    return orjson.dumps([(*key, value) for key, value in numbers.items()]) if numbers else b""


def _entries(content: bytes) -> Numbers:
    listed = orjson.loads(content) if content else []
    return {(name, tuple(labels)): value for name, labels, value in listed}


def _merged(snapshots: Snapshots) -> Numbers:
    merged: Numbers = {}
    for slot in range(len(snapshots)):
        for key, numbers in _entries(snapshots.read(slot)).items():
            before = merged.get(key)
            merge = max if key[0] in _OF_THE_WORST else add
            merged[key] = numbers if before is None else list(map(merge, before, numbers))
    return merged


def metric(family: Family, found: dict[tuple[str, ...], list[float]]) -> Metric:
    """Returns the series of a family for Prometheus, from their numbers by labels."""
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
        for labels, (*counts, total) in found.items():
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            histogram.add_metric(labels, buckets, total)
        return histogram
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    single = make(family.name, family.help, labels=family.labels)
    for labels, (value,) in found.items():
        single.add_metric(labels, value)
    return single
