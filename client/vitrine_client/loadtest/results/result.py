"""Result of a load test, second by second: its figures, as JSON and as CSV."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TextIO

from vitrine_client.loadtest.results.histogram import LatencyHistogram

FORMAT = 1
"""Of the file; one that is newer is not read. What was added since it began has a default."""

_BROKEN = (KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Interval:
    """Interval of about a second of the measurement, which begins after the warm-up.

    Requests belong to the second in which they were due (open loop) or sent (closed loop).
    `latency` is of those that were answered and right, from then; `service` from when they were
    really sent. In a closed loop both are the same. `errors` counts the others by kind, "wrong
    answer" among them; `late` were sent over a millisecond after they were due; `dropped` never, as
    the server was too slow, and `unsent` neither, for lack of what `faults.OWN` names.
    `completed` is how many right answers came in this second, whenever they were due.
    """

    start_s: float
    duration_s: float
    due: int
    latency: LatencyHistogram
    service: LatencyHistogram
    completed: int
    errors: Counter[str] = field(default_factory=Counter)
    late: int = 0
    dropped: int = 0
    unsent: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """How many were answered, and right."""
        return self.latency.count


@dataclass(frozen=True)
class Generator:
    """Generator's own effort: processor seconds and their share of the wall clock, in the
    process that was busiest (None where that was for less than a second); and by how much half and
    99 % of requests were sent too late because of the generator itself, in ms (None for a closed
    loop)."""

    cpu_s: float
    busiest: float | None
    lag_p99_ms: float | None
    lag_p50_ms: float | None = None


@dataclass(frozen=True)
class Connecting:
    """Connections that were made while it was measured: how long it took to connect, and to
    shake hands for TLS (none without). `again` had taken the place of one that had answered, and
    was closed. `closed_after` are the fewest and the most answers on one
    that was closed under a request; both are 0 where none was."""

    connect: LatencyHistogram
    tls: LatencyHistogram
    again: int = 0
    closed_after: tuple[int, int] = (0, 0)


FEWEST_BEYOND = 10
"""Requests that are slower than a percentile for the next run to have about the same."""

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)


@dataclass(frozen=True)
class Result:
    """Result of a load test.

    `about` is JSON: the plan as described, when it started, and where. `events` are things that
    happened meanwhile, in seconds of the measurement, such as the swap of a model.
    """

    about: dict[str, Any]
    intervals: tuple[Interval, ...]
    generator: Generator
    warnings: tuple[str, ...] = ()
    events: tuple[tuple[float, str], ...] = ()
    connecting: Connecting | None = None

    @cached_property
    def latency(self) -> LatencyHistogram:
        """Of all that were answered and right, from when they were due."""
        return LatencyHistogram.merged(interval.latency for interval in self.intervals)

    @cached_property
    def service(self) -> LatencyHistogram:
        """The same, from when they were sent: what a closed loop would have called latency."""
        return LatencyHistogram.merged(interval.service for interval in self.intervals)

    @cached_property
    def errors(self) -> Counter[str]:
        """All errors by kind."""
        return sum((interval.errors for interval in self.intervals), Counter())

    @property
    def lost(self) -> str:
        """Which process that made the load ended by itself, and so the load, in words; empty where
        none did."""
        return str(self.about.get("lost", ""))

    @property
    def duration_s(self) -> float:
        """Seconds that were measured."""
        return sum(interval.duration_s for interval in self.intervals)

    @property
    def due(self) -> int:
        """Requests that were due, or sent in a closed loop."""
        return sum(interval.due for interval in self.intervals)

    @property
    def answered(self) -> int:
        """Requests that were answered, and right."""
        return self.latency.count

    @property
    def late(self) -> int:
        """Requests that were sent over a millisecond after they were due."""
        return sum(interval.late for interval in self.intervals)

    @property
    def dropped(self) -> int:
        """Requests that were due and never sent."""
        return sum(interval.dropped for interval in self.intervals)

    @cached_property
    def unsent(self) -> Counter[str]:
        """Requests that the generator had not the means to send, by what was lacking."""
        return sum((interval.unsent for interval in self.intervals), Counter())

    @property
    def throughput(self) -> float:
        """Right answers a second, while it was measured: not those that came after its end, as they
        do where more is due than the server can do."""
        came = sum(interval.completed for interval in self.intervals)
        return came / self.duration_s if self.duration_s else 0.0

    @property
    def error_share(self) -> float:
        """Share of requests without a right answer: errors, and what was dropped. What could not
        be sent is none of the service's."""
        failed, due = self.errors.total() + self.dropped, self.due - self.unsent.total()
        return failed / due if due else 0.0

    def few_beyond(self, percent: float) -> bool:
        """Says whether so few requests were slower than a percentile that it is chance."""
        return self.answered * (1 - percent / 100) < FEWEST_BEYOND - 1e-9

    def loads(self) -> list[Self]:
        """Returns the loads that `merge_results` made it of, or itself alone; none where a file of
        an older version does not tell where they end."""
        if "loads" not in self.about:
            return [self]
        begins_s = (0.0, *self.about.get("load_ends_s", ()))
        return [
            replace(
                self, intervals=tuple(one for one in self.intervals if begin <= one.start_s < end)
            )
            for begin, end in pairwise(begins_s)
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON, with the percentiles worked out."""
        return {
            "format": FORMAT,
            "about": self.about,
            "summary": self._summary(),
            "generator": vars(self.generator),
            "warnings": list(self.warnings),
            "events": [list(event) for event in self.events],
            "connecting": _connecting(self.connecting),
            "intervals": [
                {
                    **vars(interval),
                    "latency": interval.latency.blob,
                    "service": interval.service.blob,
                    "errors": dict(interval.errors),
                    "unsent": dict(interval.unsent),
                }
                for interval in self.intervals
            ],
        }

    def _summary(self) -> dict[str, Any]:
        names = ("duration_s", "due", "answered", "throughput", "error_share", "late", "dropped")
        return {
            **{name: getattr(self, name) for name in names},
            "errors": dict(self.errors),
            "unsent": dict(self.unsent),
            "latency_ms": _percentiles(self.latency),
            "service_ms": _percentiles(self.service),
            "few_beyond": [f"p{each:g}" for each in PERCENTILES if self.few_beyond(each)],
        }

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Reads the JSON of `to_json`. Raises `ValueError` where it is something else."""
        return cls(**_members(content))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file. Raises `ValueError`, with its name, where it is no result."""
        try:
            return cls.from_json(_parsed(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _percentiles(histogram: LatencyHistogram) -> dict[str, float]:
    if not histogram.count:
        return {}
    found = {f"p{percent:g}": histogram.percentile_ms(percent) for percent in PERCENTILES}
    return found | {"mean": histogram.mean_ms, "max": histogram.max_ms}


def _connecting(made: Connecting | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {
        "connections": made.connect.count,
        "again": made.again,
        "connect_ms": _percentiles(made.connect),
        "tls_ms": _percentiles(made.tls),
        "connect": made.connect.blob,
        "tls": made.tls.blob,
        "closed_after": list(made.closed_after),
    }


def merge_results(results: Sequence[Result]) -> Result:
    """Returns the result that has the seconds of all of them, one after the other; `about` is the
    first one's, and says how many loads it was and when each ended. At least one is needed."""
    if len(results) == 1:
        return results[0]
    intervals, events, ends_s, begin_s = [], [], [], 0.0
    for result in results:
        intervals += [replace(one, start_s=begin_s + one.start_s) for one in result.intervals]
        events += [(begin_s + at_s, text) for at_s, text in result.events]
        begin_s += result.duration_s
        ends_s.append(begin_s)
    return Result(
        about={**results[0].about, "loads": len(results), "load_ends_s": ends_s},
        intervals=tuple(intervals),
        generator=_worst_generator([result.generator for result in results]),
        warnings=tuple(dict.fromkeys(text for result in results for text in result.warnings)),
        events=tuple(events),
        connecting=_merged_connecting([one.connecting for one in results if one.connecting]),
    )


def _worst_generator(parts: Sequence[Generator]) -> Generator:
    """The worst of each."""

    def worst(values: Sequence[float | None]) -> float | None:
        return max((value for value in values if value is not None), default=None)

    return Generator(
        cpu_s=sum(part.cpu_s for part in parts),
        busiest=worst([part.busiest for part in parts]),
        lag_p99_ms=worst([part.lag_p99_ms for part in parts]),
        lag_p50_ms=worst([part.lag_p50_ms for part in parts]),
    )


def _merged_connecting(parts: Sequence[Connecting]) -> Connecting | None:
    if not parts:
        return None
    return Connecting(
        connect=LatencyHistogram.merged(part.connect for part in parts),
        tls=LatencyHistogram.merged(part.tls for part in parts),
        again=sum(part.again for part in parts),
        closed_after=closed_range(part.closed_after for part in parts),
    )


def closed_range(parts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Returns the `closed_after` of several parts together; those that are 0 count for nothing."""
    closed = [part for part in parts if any(part)]
    fewest, most = zip(*closed, strict=True) if closed else ((0,), (0,))
    return min(fewest), max(most)


def write_csv(results: Iterable[Result], file: TextIO) -> None:
    """Writes one row for each interval of each result, latencies in milliseconds.

    `run` numbers the results, `errors` is their total; what was not answered has empty cells.
    """
    names = [f"p{percent:g}" for percent in PERCENTILES] + ["max"]
    heading = ["run", "start_s", "duration_s", "due", "answered", "errors", "late", "dropped"]
    latency = [f"{kind}_{name}_ms" for kind in ("latency", "service") for name in names]
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*heading, "unsent", *latency])
    for number, result in enumerate(results, start=1):
        for one in result.intervals:
            counts = [one.due, one.answered, one.errors.total(), one.late, one.dropped]
            counts.append(one.unsent.total())
            times = [f"{one.start_s:.3f}", f"{one.duration_s:.3f}"]
            rows.writerow([number, *times, *counts, *_cells(one.latency), *_cells(one.service)])


def _cells(counts: LatencyHistogram) -> list[str]:
    if not counts.count:
        return [""] * (len(PERCENTILES) + 1)
    found = [counts.percentile_ms(percent) for percent in PERCENTILES]
    return [f"{value:.3f}" for value in [*found, counts.max_ms]]


def _parsed(text: bytes) -> Any:
    """Returns what a file has. Raises `ValueError` where it is no JSON."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("no result of a load test (nested too deeply)") from error


def _members(content: Any) -> dict[str, Any]:
    """Returns the members of a result. Raises `ValueError` where they are not all there and sound,
    so that nothing fails later, in the middle of a table."""
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, this vitrine reads {FORMAT}")
        about = content["about"]
        if not isinstance(about, dict):
            raise TypeError("about")
        return {
            "about": about,
            "intervals": tuple(_read_interval(each) for each in content["intervals"]),
            "generator": _read_generator(content["generator"]),
            "warnings": tuple(str(each) for each in content["warnings"]),
            "events": tuple((float(at_s), str(text)) for at_s, text in content["events"]),
            "connecting": _read_connecting(content.get("connecting")),
        }
    except _BROKEN as error:
        raise ValueError(f"no result of a load test ({error!r})") from error


def _read_interval(content: Mapping[str, Any]) -> Interval:
    """Another member is an error: it could be one that counts."""
    counts = {name: int(content[name]) for name in ("due", "completed", "late", "dropped")}
    members = {
        **content,
        **counts,
        "start_s": float(content["start_s"]),
        "duration_s": float(content["duration_s"]),
        "latency": _histogram(content["latency"]),
        "service": _histogram(content["service"]),
        "errors": _counter(content["errors"]),
        "unsent": _counter(content.get("unsent", {})),
    }
    return Interval(**members)


def _read_generator(content: Mapping[str, Any]) -> Generator:
    names = ("busiest", "lag_p99_ms", "lag_p50_ms")
    known = {name: content.get(name) for name in names}
    shares = {name: None if value is None else float(value) for name, value in known.items()}
    return Generator(cpu_s=float(content["cpu_s"]), **shares)


def _read_connecting(content: Mapping[str, Any] | None) -> Connecting | None:
    if content is None:
        return None
    fewest, most = content["closed_after"]
    made = _histogram(content["connect"]), _histogram(content["tls"])
    return Connecting(*made, int(content["again"]), (int(fewest), int(most)))


def _counter(content: Mapping[str, Any]) -> Counter[str]:
    return Counter({str(kind): int(count) for kind, count in content.items()})


def _histogram(blob: Any) -> LatencyHistogram:
    """Decodes it, which shows whether it is whole."""
    histogram = LatencyHistogram(blob)
    histogram.check()
    return histogram
