"""Sample of rows: which of those that a version answers are looked at, where more come than tell
anything new.

A window has the last few hundred images; a version that answers thousands a second would only fill
it faster than anybody reads it, and the figures of each would be most of what a request costs.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_A_SECOND = 1000
"""Rows of a version that a process looks at, on average; up to so many all of them."""

_PERIOD_S = 1.0
"""Time in which rows are counted; what came in one says how many of the next are passed over."""

_MOST_KNOWN = 256  # as many versions as a watch knows

Chosen = slice | Sequence[int]
"""Places of rows that are looked at: all, or some, in ascending order."""

ALL = slice(None)


@dataclass(slots=True)
class _Stream:
    """Rows of a version: `count` have come since `began_s`, every `step`-th is chosen on average,
    and the next after `passed` more."""

    began_s: float
    count: int = 0
    step: int = 1
    passed: int = 0


class RowSample:
    """Sample of the rows of each version, in one process: all of them up to `MOST_A_SECOND`, and
    beyond that as many, evenly.

    Each row has the same chance, whichever its request and its place there: the distance from one
    to the next is drawn anew each time, so that nothing that repeats keeps step with it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._streams: dict[tuple[str, int], _Stream] = {}

    def choose(self, model: str, version: int, count: int) -> Chosen:
        """Returns which of `count` more rows of a version are looked at."""
        now_s = self._now()
        stream = self._streams.get((model, version)) or self._begin((model, version), now_s)
        if now_s - stream.began_s >= _PERIOD_S:
            _begin_period(stream, now_s)
        stream.count += count
        if stream.step == 1:
            return ALL
        chosen = []
        place = stream.passed
        while place < count:
            chosen.append(place)
            place += _distance(stream.step)
        stream.passed = place - count
        return chosen

    def _begin(self, key: tuple[str, int], now_s: float) -> _Stream:
        if len(self._streams) >= _MOST_KNOWN:
            del self._streams[next(iter(self._streams))]  # the oldest
        stream = self._streams[key] = _Stream(now_s)
        return stream


def _begin_period(stream: _Stream, now_s: float) -> None:
    rate = stream.count / (now_s - stream.began_s)
    step = max(1, -int(-rate // MOST_A_SECOND))  # rounded up
    if step != stream.step:
        stream.passed = _distance(step) - 1 if step > 1 else 0
    stream.began_s, stream.count, stream.step = now_s, 0, step


def _distance(step: int) -> int:
    """Draws how many rows further the next one is: `step` on average."""
    return 1 + int(random.random() * (2 * step - 1))  # noqa: S311 - nothing secret
