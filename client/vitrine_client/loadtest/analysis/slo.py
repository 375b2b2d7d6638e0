"""A service level objective: what latency and which share of errors will do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

import numpy as np

from vitrine_client.loadtest.report import wording
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.results.together import together

MOST_UNANSWERED = 0.01
"""Of what was due, where the objective says nothing of errors."""

MOST_GROWTH = 0.01
"""Seconds that the median latency of an open loop may grow each second: at a rate that is 1 % more
than can be answered, the line becomes longer by so much."""

_MARGIN = 1.05
"""How much more may be due than one expects, by chance."""

_KEPT_UP = 0.9
_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_LATENCY = re.compile(r"p(\d\d(?:\.\d{1,2})?)=(\d+(?:\.\d+)?)(us|ms|s)")
_ERRORS = re.compile(r"errors=(\d+(?:\.\d+)?)%")
_FEWEST_INTERVALS = 4


@dataclass(frozen=True)
class Slo:
    """An objective: the longest latency, in seconds, of each percentile, from when requests were
    due, and the largest share of requests without a right answer; None if it does not say."""

    latency_s: Mapping[float, float]
    error_share: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "p99=20ms,errors=0.1%". Raises `ValueError`, with what is wrong."""
        latency_s: dict[float, float] = {}
        error_share: float | None = None
        for part in (part.strip() for part in text.split(",")):
            if found := _LATENCY.fullmatch(part):
                percent, limit_s = float(found[1]), float(found[2]) * _UNITS_S[found[3]]
                _check(part, percent >= 50 and limit_s > 0, "p50 to p99.99, and more than 0")
                _check(part, percent not in latency_s, "once")
                latency_s[percent] = limit_s
            elif found := _ERRORS.fullmatch(part):
                _check(part, error_share is None, "once")
                _check(part, float(found[1]) < 100, "less than 100%")
                error_share = float(found[1]) / 100
            else:
                _check(part, False, "like p99=20ms (us, ms, s) or errors=0.1%")
        if not latency_s:
            raise ValueError(f"{text!r} says nothing of latency; write it like p99=20ms,errors=1%")
        return cls(dict(sorted(latency_s.items())), error_share)

    def __str__(self) -> str:
        parts = [f"p{percent:g}={_time(limit_s)}" for percent, limit_s in self.latency_s.items()]
        if self.error_share is not None:
            parts.append(f"errors={100 * self.error_share:.12g}%")
        return ",".join(parts)

    def violations(self, result: Result) -> list[str]:
        """Returns why a result does not meet it, in words; none if it does.

        Nor does it where nothing was due, or where the load cannot be kept up: answers are missing,
        or requests wait longer and longer.
        """
        return self._violations(result, [result])

    def violations_of(self, results: Sequence[Result]) -> list[str]:
        """Returns why several loads at the same rate do not meet it as one, in words."""
        return self._violations(together(results), results)

    @property
    def fewest(self) -> float:
        """Requests of which one may be slower than each percentile, or an error."""
        return max(1 / (1 - max(self.latency_s) / 100), 1 / (self._most_missing or 1))

    def out_of_reach(self, results: Sequence[Result]) -> str:
        """Says in words that no answer was as fast as a percentile has to be; "" if one was."""
        answered = sum(result.answered for result in results)
        if not answered:
            return ""
        least_ms = min(result.service.least_ms for result in results if result.answered)
        if least_ms <= 1e3 * min(self.latency_s.values()):
            return ""
        return f"the fastest of {answered:,} answers took {wording.ms(least_ms)} ms"

    def is_lost(self, results: Sequence[Result], times: float) -> bool:
        """Says whether loads at the same rate miss it even if they become so many `times` as long,
        and all that is still to come is perfect."""
        result = together(results)
        due = times * result.due * _MARGIN
        missing = result.due - result.unsent.total() - result.answered
        if missing > due * self._most_missing:
            return True
        values_ms, counts = result.latency.recorded()
        return any(
            counts[values_ms > 1e3 * limit_s].sum() > due * (1 - percent / 100)
            for percent, limit_s in self.latency_s.items()
        )

    @property
    def _most_missing(self) -> float:
        return MOST_UNANSWERED if self.error_share is None else self.error_share

    def _violations(self, result: Result, parts: Sequence[Result]) -> list[str]:
        if not result.due:
            return ["nothing was due"]
        found = []
        for percent, limit_s in self.latency_s.items():
            reached_ms = result.latency.percentile_ms(percent)
            if not reached_ms <= 1e3 * limit_s:  # NaN, too
                found.append(f"p{percent:g} is {wording.ms(reached_ms)} ms, not {_time(limit_s)}")
        most = self._most_missing
        sent = result.due - result.unsent.total()
        missing = 1 - result.answered / sent if sent else 0.0
        if missing > most:
            text = f"{wording.share(missing)} had no right answer"
            found.append(f"{text}, of {wording.share(most)} that may" if most else text)
        if result.unsent:
            unsent = wording.share(result.unsent.total() / result.due)
            found.append(f"{unsent} could not be sent by this machine")
        growth = median(map(backlog_growth, parts)) if wording.is_open(result.about) else 0.0
        if growth > MOST_GROWTH:
            found.append(f"the wait grew by {wording.ms(1e3 * growth)} ms each second")
        return found


def keeps_up(result: Result) -> bool:
    """Says whether nearly as much was answered in the time of a load as was due in it."""
    came = sum(interval.completed for interval in result.intervals)
    return came >= _KEPT_UP * result.due - 2 and backlog_growth(result) <= MOST_GROWTH


def backlog_growth(result: Result) -> float:
    """Returns by how many seconds a second the median latency grew, at least; 0 where that cannot
    be told from chance.

    It is the slope of a line through the intervals' medians, less twice its standard error.
    """
    seen = [interval for interval in result.intervals if interval.answered]
    if len(seen) < _FEWEST_INTERVALS:
        return 0.0
    x = np.array([interval.start_s + interval.duration_s / 2 for interval in seen])
    y = np.array([interval.latency.percentile_ms(50) / 1e3 for interval in seen])
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    error = float(np.sqrt(rest @ rest / (len(seen) - 2) / (x @ x)))
    return max(0.0, slope - 2 * error)


def _time(limit_s: float) -> str:
    unit, size_s = next(
        ((unit, size_s) for unit, size_s in reversed(_UNITS_S.items()) if limit_s >= size_s),
        ("us", 1e-6),
    )
    return f"{limit_s / size_s:.12g}{unit}"


def _check(part: str, holds: bool, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{part!r} is not an objective; write it {wanted}")
