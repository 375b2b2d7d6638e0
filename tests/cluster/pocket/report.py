"""Report of a run: what came of the requests, over time and after each change."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.cluster.pocket.cluster import Event
from tests.cluster.pocket.load import Outcome

Rows = np.ndarray[Any, np.dtype[np.float64]]

AFTER_S = 15.0
"""How long after a change its row of the table looks."""

_COLUMNS = f"{'requests':>8} {'failed':>6} {'wrong':>5} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7}"


class Report:
    """Answers of a run as the load's `answers.npy` has them, and the cluster's events."""

    def __init__(self, rows: Rows, events: Sequence[Event]) -> None:
        self.rows = rows[rows[:, 0].argsort()]
        self.events = events
        self._began_s = float(self.rows[0, 0])

    @property
    def failed(self) -> int:
        """Requests without an answer, or with another status than 200."""
        return len(self.rows) - self._number(Outcome.RIGHT) - self.wrong

    @property
    def wrong(self) -> int:
        """Answers of 200 that are not the right ones."""
        return self._number(Outcome.WRONG)

    @property
    def p99_ms(self) -> float:
        """Latency that 99 % of the answers do not exceed, from when each request was due."""
        return float(np.percentile(_latencies_ms(self.rows), 99))

    def lost(self) -> Rows:
        """Returns the rows of requests that failed."""
        outcomes = self.rows[:, 3]
        return self.rows[(outcomes != Outcome.RIGHT) & (outcomes != Outcome.WRONG)]

    def lines(self, every_s: float) -> Iterator[str]:
        """Yields the tables."""
        yield f"{'seconds':>9} {_COLUMNS}  changes"
        ends = np.arange(0, self.rows[-1, 0] - self._began_s + 0.001, every_s)
        for begin_s in ends:
            rows = self._between(begin_s, begin_s + every_s)
            told = [what for at_s, what in self._changes() if begin_s <= at_s < begin_s + every_s]
            yield f"{begin_s:4.0f}-{begin_s + every_s:4.0f} {_row(rows)}  {', '.join(told)}"
        yield ""
        yield f"{'after':<14} {'times':>5} {_COLUMNS}   (of {AFTER_S:.0f} s)"
        for change, times in Counter(what for _, what in self._changes()).items():
            begins = [at_s for at_s, what in self._changes() if what == change]
            rows = np.concatenate([self._between(at_s, at_s + AFTER_S) for at_s in begins])
            yield f"{change:<14} {times:>5} {_row(rows)}"
        yield f"{'all':<14} {'':>5} {_row(self.rows)}"
        yield ""
        counts = Counter(Outcome(int(one)).name.lower() for one in self.rows[:, 3])
        yield ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counts.items())

    def _number(self, outcome: Outcome) -> int:
        return int((self.rows[:, 3] == outcome).sum())

    def _changes(self) -> list[tuple[float, str]]:
        return [(at_s - self._began_s, what) for at_s, name, what in self.events if name == "-"]

    def _between(self, begin_s: float, end_s: float) -> Rows:
        due_s = self.rows[:, 0] - self._began_s
        return self.rows[(begin_s <= due_s) & (due_s < end_s)]


def _latencies_ms(rows: Rows) -> Rows:
    return 1000 * (rows[:, 1] - rows[:, 0])


def _row(rows: Rows) -> str:
    outcomes = rows[:, 3]
    wrong = int((outcomes == Outcome.WRONG).sum())
    failed = len(rows) - wrong - int((outcomes == Outcome.RIGHT).sum())
    p50, p99, longest = (
        np.percentile(_latencies_ms(rows), (50, 99, 100)) if len(rows) else (0, 0, 0)
    )
    return f"{len(rows):>8} {failed:>6} {wrong:>5} {p50:>7.1f} {p99:>7.1f} {longest:>7.1f}"
