"""Validity checks: warnings where the generator or the machine, not the server, set the limit."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.plan import Closed, Open, Plan
from vitrine_client.loadtest.results.result import Result

_BUSY = 0.8
_ALL_BUSY = 0.95
_LAG_MS, _USUAL_LAG_MS = 1.0, 0.3
_LAG_SHARE = 0.05
"""Of the latency at the same percentile: less does not change it by much."""

_FROM_S = 1.0
"""A load that is shorter is mostly the start and the end of its processes."""

_OFTEN, _FEW = 0.1, 20
"""Connections that are made, of requests, and at least."""


class Processors:
    """Processor utilisation of this machine since the object was made; Linux only."""

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
    if not result.due:
        yield _nothing_due(plan)
    elif not result.answered:
        kinds = result.errors + Counter(dropped=result.dropped) + result.unsent
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        yield f"No request had a right answer ({told}), so there is no latency"
    for kind, count in result.unsent.most_common():
        yield (
            f"{count:,} of {result.due:,} requests could not be sent: {faults.OWN.get(kind, kind)}."
            " The load was less than was asked for; they are no errors of the service"
        )
    yield from _of_generator(plan, result)
    if result.dropped:
        yield _dropped(plan, result)
    yield from _of_connections(plan, result)
    lasted_s = plan.warm_up_s + result.duration_s if result.due else 0.0
    if processors_busy is not None and processors_busy > _ALL_BUSY and lasted_s >= _FROM_S:
        yield (
            f"This machine's {os.cpu_count()} processors were all busy ({processors_busy:.0%}): if "
            "the server runs on them, too, the two slow each other down"
        )
    if plan.count is not None:
        if result.due < plan.count:
            yield f"{result.due:,} of {plan.count:,} requests were sent in its time"
        return
    missing_s = plan.load.duration_s - plan.warm_up_s - result.duration_s
    if missing_s > 0.01:
        yield f"It was ended {missing_s:.1f} s early"


def _nothing_due(plan: Plan) -> str:
    measured_s = plan.load.duration_s - plan.warm_up_s
    if isinstance(plan.load, Open) and plan.load.requests < plan.load.duration_s:
        every_s = plan.load.duration_s / plan.load.requests
        return (
            f"Nothing was sent: at that rate a request is due about every {every_s:.3g} s, and "
            f"{measured_s:.3g} s were measured; measure longer (--duration-s), or at a higher rate"
        )
    if measured_s <= 0:
        return "Nothing was sent that counts: the warm-up is as long as the load (--warm-up-s)"
    return (
        f"Nothing was sent in the {measured_s:.3g} s that were measured; measure longer "
        "(--duration-s)"
    )


def _of_generator(plan: Plan, result: Result) -> Iterator[str]:
    generator = result.generator
    if generator.busiest is not None and generator.busiest > _BUSY:
        yield (
            f"The generator is the bottleneck: one of its processes was busy for "
            f"{generator.busiest:.0%} of the time; spread the load over more (--processes "
            f"{plan.processes + 1})"
        )
    if not result.answered:
        return
    p50_ms, p99_ms = (result.latency.percentile_ms(percent) for percent in (50, 99))
    for share, lag_ms, least_ms, of_ms in (
        ("1 %", generator.lag_p99_ms, _LAG_MS, p99_ms),
        ("half", generator.lag_p50_ms, _USUAL_LAG_MS, p50_ms),
    ):
        if lag_ms is not None and lag_ms > max(least_ms, _LAG_SHARE * of_ms):
            yield (
                f"The generator was late: {share} of requests were sent {lag_ms:.1f} ms or more "
                "after they could have been, which is in their latency"
            )
            return


def _of_connections(plan: Plan, result: Result) -> Iterator[str]:
    made = result.connecting
    if made is None:
        return
    lost, refused = result.errors[faults.CLOSED], result.errors[faults.REFUSED]
    if lost and refused:  # it is not by any limit of its own that it closed them
        yield (
            f"The server went away: {lost:,} of its connections were closed with a request on "
            f"them, and {refused:,} requests were refused"
        )
        return
    if made.closed_after[1]:
        fewest, most = made.closed_after
        after = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
        counted = f"; {lost:,} requests were lost by that, which count as errors" if lost else ""
        yield (
            f"The server closes connections after {after} answers without saying so before "
            f"(Connection: close){counted}"
        )
        return
    again = made.again - result.errors.total()  # who gives up closes the connection as well
    if plan.target.keep_alive and again > max(_OFTEN * result.due, _FEW):
        yield (
            f"The server keeps no connections for long: {made.again:,} were made anew for "
            f"{result.due:,} requests, which is in their latency"
        )


def _dropped(plan: Plan, result: Result) -> str:
    seats = 0 if isinstance(plan.load, Closed) else plan.load.connections
    return (
        f"{result.dropped:,} of {result.due:,} requests were not sent within {plan.timeout_s:g} s, "
        f"as all {seats} connections were taken: the server cannot keep up"
    )
