"""What a load test saw, second by second, and as a file."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from vitrine_client.loadtest.results import result_file
from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.parts import Connecting, Generator, Interval

FEWEST_BEYOND = 10
"""Requests that are slower than a percentile for the next run to have about the same."""

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)


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
    connecting: Connecting | None = None

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

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON, with the percentiles worked out."""
        return {
            "format": result_file.FORMAT,
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
        return {
            "duration_s": self.duration_s,
            "due": self.due,
            "answered": self.answered,
            "throughput": self.throughput,
            "error_share": self.error_share,
            "errors": dict(self.errors),
            "late": self.late,
            "dropped": self.dropped,
            "unsent": dict(self.unsent),
            "latency_ms": _percentiles(self.latency),
            "service_ms": _percentiles(self.service),
            "few_beyond": [f"p{each:g}" for each in PERCENTILES if self.few_beyond(each)],
        }

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Reads what `to_json` returned. Raises `ValueError` where it is something else."""
        return cls(**result_file.members(content))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file. Raises `ValueError`, with its name, where it is no result."""
        try:
            return cls.from_json(result_file.parsed(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _percentiles(histogram: Histogram) -> dict[str, float]:
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
