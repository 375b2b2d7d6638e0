"""What a load test saw, second by second, and as a file."""

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from vitrine_client.loadtest.histogram import Histogram

FORMAT = 1
"""Of the JSON file; one that is newer is not read."""

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)


@dataclass(frozen=True)
class Interval:
    """About a second of the measurement, which begins after the warm-up.

    Requests belong to the second in which they were due (open loop) or sent (closed loop).
    `latency` is of those that were answered and right, from then; `service` from when they were
    really sent. In a closed loop both are the same. `errors` counts the others by kind, "wrong
    answer" among them; `late` were sent over a millisecond after they were due; `dropped` never.
    `completed` is how many right answers came in this second, whenever they were due.
    """

    start_s: float
    duration_s: float
    due: int
    latency: Histogram
    service: Histogram
    completed: int
    errors: Counter[str] = field(default_factory=Counter)
    late: int = 0
    dropped: int = 0

    @property
    def answered(self) -> int:
        """How many were answered, and right."""
        return self.latency.count


@dataclass(frozen=True)
class Generator:
    """What generating the load took: processor seconds and their share of the wall clock, in the
    process that was busiest; and by how much 99 % of requests were sent too late because of the
    generator itself, in ms (None for a closed loop)."""

    cpu_s: float
    busiest: float
    lag_p99_ms: float | None


@dataclass(frozen=True)
class Result:
    """A load test's outcome.

    `about` is JSON: the plan as described, when it started, and where. `events` are things that
    happened meanwhile, in seconds of the measurement, such as the swap of a model.
    """

    about: dict[str, Any]
    intervals: tuple[Interval, ...]
    generator: Generator
    warnings: tuple[str, ...] = ()
    events: tuple[tuple[float, str], ...] = ()

    @cached_property
    def latency(self) -> Histogram:
        """Of all that were answered and right, from when they were due."""
        return Histogram.merged(interval.latency for interval in self.intervals)

    @cached_property
    def service(self) -> Histogram:
        """The same, from when they were sent: what a closed loop would have called latency."""
        return Histogram.merged(interval.service for interval in self.intervals)

    @cached_property
    def errors(self) -> Counter[str]:
        """All errors by kind."""
        return sum((interval.errors for interval in self.intervals), Counter())

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

    @property
    def throughput(self) -> float:
        """Right answers a second, while it was measured: not those that came after its end, as they
        do where more is due than the server can do."""
        came = sum(interval.completed for interval in self.intervals)
        return came / self.duration_s if self.duration_s else 0.0

    @property
    def error_share(self) -> float:
        """Share of requests without a right answer: errors, and what was dropped."""
        failed = self.errors.total() + self.dropped
        return failed / self.due if self.due else 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON, with the percentiles worked out."""
        return {
            "format": FORMAT,
            "about": self.about,
            "summary": {
                "duration_s": self.duration_s,
                "due": self.due,
                "answered": self.answered,
                "throughput": self.throughput,
                "error_share": self.error_share,
                "errors": dict(self.errors),
                "late": self.late,
                "dropped": self.dropped,
                "latency_ms": _percentiles(self.latency),
                "service_ms": _percentiles(self.service),
            },
            "generator": vars(self.generator),
            "warnings": list(self.warnings),
            "events": [list(event) for event in self.events],
            "intervals": [
                {
                    **vars(interval),
                    "latency": interval.latency.blob,
                    "service": interval.service.blob,
                    "errors": dict(interval.errors),
                }
                for interval in self.intervals
            ],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Reads what `to_json` returned. Raises `ValueError` where it is something else."""
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, this vitrine reads {FORMAT}")
            return cls(
                about=content["about"],
                intervals=tuple(_interval(each) for each in content["intervals"]),
                generator=Generator(**content["generator"]),
                warnings=tuple(content["warnings"]),
                events=tuple((at_s, text) for at_s, text in content["events"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no result of a load test ({error!r})") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file. Raises `ValueError`, with its name, where it is no result."""
        try:
            return cls.from_json(json.loads(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _percentiles(histogram: Histogram) -> dict[str, float]:
    if not histogram.count:
        return {}
    found = {f"p{percent:g}": histogram.percentile_ms(percent) for percent in PERCENTILES}
    return found | {"mean": histogram.mean_ms, "max": histogram.max_ms}


def _interval(content: dict[str, Any]) -> Interval:
    return Interval(
        **{
            **content,
            "latency": Histogram(content["latency"]),
            "service": Histogram(content["service"]),
            "errors": Counter(content["errors"]),
        }
    )
