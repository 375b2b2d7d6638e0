"""What clients saw of a model's swap: the seconds around it against those before and after."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vitrine_client.loadtest.report.wording import ms
from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.parts import Interval
from vitrine_client.loadtest.results.result import Result

PUBLISHED, ANSWERS, UNLOADED = (
    "published version {}",
    "version {} answers",
    "version {} is unloaded",
)
"""The events of a swap, with the version's number."""

_SETTLES_S = 3.0
"""How long it counts as being swapped after the new version answers, if the old one's end is not
known by then."""


@dataclass(frozen=True)
class Window:
    """Seconds of a load test: their p99 together and in the worst second, NaN without answers, and
    the requests without a right answer."""

    start_s: float
    end_s: float
    answered: int
    failed: int
    p99_ms: float
    worst_p99_ms: float


@dataclass(frozen=True)
class Effect:
    """A swap, and the windows before, around and after it; `answered_s` and `unloaded_s` count from
    when it was published, None for what was not seen."""

    version: int
    published_s: float
    answered_s: float | None
    unloaded_s: float | None
    before: Window
    during: Window
    after: Window

    def __str__(self) -> str:
        """The swap in words and figures."""
        windows = (self.before, self.during, self.after)
        together = ", ".join(ms(window.p99_ms) for window in windows)
        worst = ", ".join(ms(window.worst_p99_ms) for window in windows)
        failed = ", ".join(f"{window.failed:,}" for window in windows)
        return (
            f"{self._course()} Before, meanwhile and after: p99 {together} ms, "
            f"in the worst second {worst} ms; failed {failed}. {self._verdict()}"
        )

    def _course(self) -> str:
        told = f"Version {self.version} was published at {self.published_s:.1f} s"
        if self.answered_s is None:
            return f"{told} and was not seen to answer."
        told += f" and answered {self.answered_s:.1f} s later"
        if self.unloaded_s is None:
            return f"{told}."
        return f"{told}; after {self.unloaded_s:.1f} s the old one was unloaded."

    def _verdict(self) -> str:
        if self.during.failed:
            return "Requests failed in the seconds of the swap."
        usual_ms = max(
            (w.worst_p99_ms for w in (self.before, self.after) if w.answered), default=float("nan")
        )
        if not self.during.worst_p99_ms > usual_ms:
            return "No second of the swap was worse than the worst of the others."
        return (
            f"Its worst second was {self.during.worst_p99_ms / usual_ms:.1f} times as slow as the "
            "worst of the others."
        )


def effect(result: Result) -> Effect | None:
    """Returns what the swap among the events of `result` did; None where there is none."""
    published = _event(result, PUBLISHED)
    if not published:
        return None
    at_s, version = published
    answered, unloaded = _event(result, ANSWERS), _event(result, UNLOADED)
    if unloaded:
        end_s = unloaded[0]
    elif answered:
        end_s = answered[0] + _SETTLES_S
    else:
        end_s = float("inf")
    before, during, after = [], [], []
    for interval in result.intervals:
        if interval.start_s + interval.duration_s <= at_s:
            before.append(interval)
        elif interval.start_s <= end_s:
            during.append(interval)
        else:
            after.append(interval)
    return Effect(
        version,
        at_s,
        answered[0] - at_s if answered else None,
        unloaded[0] - at_s if unloaded else None,
        _window(before, at_s),
        _window(during, at_s),
        _window(after, during[-1].start_s + during[-1].duration_s if during else at_s),
    )


def _event(result: Result, text: str) -> tuple[float, int] | None:
    pattern = re.escape(text).replace(r"\{\}", "([0-9]+)")
    for at_s, told in result.events:
        if match := re.fullmatch(pattern, told):
            return at_s, int(match[1])
    return None


def _window(intervals: Sequence[Interval], at_s: float) -> Window:
    worst = [one.latency.percentile_ms(99) for one in intervals if one.answered]
    return Window(
        start_s=intervals[0].start_s if intervals else at_s,
        end_s=intervals[-1].start_s + intervals[-1].duration_s if intervals else at_s,
        answered=sum(one.answered for one in intervals),
        failed=sum(one.errors.total() + one.dropped for one in intervals),
        p99_ms=Histogram.merged(one.latency for one in intervals).percentile_ms(99),
        worst_p99_ms=max(worst, default=float("nan")),
    )
