"""Sweep: latency and throughput at one rate after the other, up to more than can be answered."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from vitrine_client.loadtest.results.result import Result

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.15)
"""Of the capacity: latency is flat for long, so most of the curve is near its knee."""


@dataclass(frozen=True)
class Point:
    """Point of a sweep, at one rate: right answers a second, latencies in ms from when requests
    were due (None without an answer), and the share of requests without a right answer."""

    rate: float
    throughput: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    error_share: float

    @classmethod
    def of(cls, rate: float, result: Result) -> Self:
        """Sums up the result of a load at `rate`."""
        p50, p90, p99, p999 = (
            result.latency.percentile_ms(percent) if result.answered else None
            for percent in (50, 90, 99, 99.9)
        )
        return cls(rate, result.throughput, p50, p90, p99, p999, result.error_share)


@dataclass(frozen=True)
class Curve:
    """Curve of a sweep: points by ascending rate."""

    points: tuple[Point, ...]

    @property
    def highest_throughput(self) -> float:
        """The most right answers a second at any rate; 0 without points."""
        return max((point.throughput for point in self.points), default=0.0)

    def to_json(self) -> list[dict[str, Any]]:
        """Returns the points as JSON."""
        return [asdict(point) for point in self.points]


def rates(capacity: float) -> list[float]:
    """Returns the rates of a sweep, in requests/s, ascending, about a known or likely capacity."""
    return [share * capacity for share in SHARES]


def measure(
    probe: Callable[[float], Result],
    rates: Iterable[float],
    watch: Callable[[Point], None] = lambda _: None,
) -> Curve:
    """Probes each rate; `watch` sees each point as it is done."""
    points = []
    for rate in sorted(rates):
        points.append(Point.of(rate, probe(rate)))
        watch(points[-1])
    return Curve(tuple(points))
