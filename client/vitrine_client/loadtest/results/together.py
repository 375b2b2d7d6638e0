"""Several loads, taken for one."""

from collections.abc import Sequence
from dataclasses import replace

from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.parts import Connecting, Generator
from vitrine_client.loadtest.results.result import Result


def together(results: Sequence[Result]) -> Result:
    """Returns the result that has the seconds of all of them, one after the other; `about` is the
    first one's, and says how many loads it was. At least one is needed."""
    if len(results) == 1:
        return results[0]
    intervals, events, begin_s = [], [], 0.0
    for result in results:
        intervals += [replace(one, start_s=begin_s + one.start_s) for one in result.intervals]
        events += [(begin_s + at_s, text) for at_s, text in result.events]
        begin_s += result.duration_s
    return Result(
        about={**results[0].about, "loads": len(results)},
        intervals=tuple(intervals),
        generator=_generator([result.generator for result in results]),
        warnings=tuple(dict.fromkeys(text for result in results for text in result.warnings)),
        events=tuple(events),
        connecting=_connecting([one.connecting for one in results if one.connecting]),
    )


def _generator(parts: Sequence[Generator]) -> Generator:
    """The worst of each."""

    def worst(values: Sequence[float | None]) -> float | None:
        return max((value for value in values if value is not None), default=None)

    return Generator(
        cpu_s=sum(part.cpu_s for part in parts),
        busiest=worst([part.busiest for part in parts]),
        lag_p99_ms=worst([part.lag_p99_ms for part in parts]),
        lag_p50_ms=worst([part.lag_p50_ms for part in parts]),
    )


def _connecting(parts: Sequence[Connecting]) -> Connecting | None:
    if not parts:
        return None
    closed = [part.closed_after for part in parts if any(part.closed_after)]
    return Connecting(
        connect=Histogram.merged(part.connect for part in parts),
        tls=Histogram.merged(part.tls for part in parts),
        again=sum(part.again for part in parts),
        closed_after=(
            min((fewest for fewest, _ in closed), default=0),
            max((most for _, most in closed), default=0),
        ),
    )
