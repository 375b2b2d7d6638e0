"""When a result says more about the generator, or the machine, than about the server."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vitrine_client.loadtest.plan import Closed, Plan
from vitrine_client.loadtest.result import Result

_BUSY = 0.8
_ALL_BUSY = 0.95
_LAG_MS = 1.0
_LAG_OF_MEDIAN = 0.05


class Processors:
    """What share of this machine's processors was busy since this was made; Linux only."""

    def __init__(self) -> None:
        self._before = _ticks()

    def busy(self) -> float | None:
        """Returns 0..1, None where that is not known."""
        now = _ticks()
        if not now or not self._before or now[1] == self._before[1]:
            return None
        return 1 - (now[0] - self._before[0]) / (now[1] - self._before[1])


def _ticks() -> tuple[int, int] | None:
    """Idle and all ticks since the machine started (proc(5): user, nice, system, idle, iowait)."""
    with suppress(OSError, ValueError, IndexError):
        ticks = [
            int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        ]
        return ticks[3] + ticks[4], sum(ticks)
    return None


def doubts(plan: Plan, result: Result, processors_busy: float | None) -> Iterator[str]:
    """Yields, in words, why not to believe a result, or not all of it."""
    generator = result.generator
    if generator.busiest > _BUSY:
        yield (
            f"The generator is the bottleneck: one of its processes was busy for "
            f"{generator.busiest:.0%} of the time; spread the load over more (--processes "
            f"{plan.processes + 1})"
        )
    lag_ms = generator.lag_p99_ms
    if lag_ms is not None and lag_ms > max(
        _LAG_MS, _LAG_OF_MEDIAN * (result.latency.percentile_ms(50) if result.answered else 0)
    ):
        yield (
            f"The generator was late: 1 % of requests were sent {lag_ms:.1f} ms or more after they "
            "could have been, which is in their latency"
        )
    if result.dropped:
        yield _dropped(plan, result)
    if processors_busy is not None and processors_busy > _ALL_BUSY:
        yield (
            f"This machine's {os.cpu_count()} processors were all busy ({processors_busy:.0%}): if "
            "the server runs on them, too, the two slow each other down"
        )
    missing_s = plan.load.duration_s - plan.warm_up_s - result.duration_s
    if missing_s > 0.01:
        yield f"It was ended {missing_s:.1f} s early"


def _dropped(plan: Plan, result: Result) -> str:
    seats = 0 if isinstance(plan.load, Closed) else plan.load.connections
    return (
        f"{result.dropped:,} of {result.due:,} requests were not sent within {plan.timeout_s:g} s, "
        f"as all {seats} connections were taken: the server cannot keep up"
    )
