"""Report of a run: what came of the requests, over time and after each change.

Latencies are from when a request was due; the last column is the p99 from when a client was free to
send it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.cluster.pocket.cluster import Event
from tests.cluster.pocket.load import Outcome

Rows = np.ndarray[Any, np.dtype[np.float64]]

DUE, SENT, DONE, GATEWAY, OUTCOME = range(5)
"""Columns of the rows; times are those of `time.monotonic`."""

AFTER_S = 15.0
"""How long after a change its row of the table looks."""

_COLUMNS = f"{'requests':>8} {'failed':>6} {'wrong':>5}" + "".join(
    f"{name:>8}" for name in ("p50 ms", "p99 ms", "max ms", "sent")
)


class Report:
    """Answers of a run as the load's `answers.npy` has them, and the cluster's events."""

    def __init__(self, rows: Rows, events: Sequence[Event]) -> None:
        self.rows = rows[rows[:, DUE].argsort()]
        self.events = events
        self._began_s = float(self.rows[0, DUE])

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
        outcomes = self.rows[:, OUTCOME]
        rows: Rows = self.rows[(outcomes != Outcome.RIGHT) & (outcomes != Outcome.WRONG)]
        return rows

    def lines(self, every_s: float) -> Iterator[str]:
        """Yields the tables."""
        yield f"{'seconds':>9} {_COLUMNS}  changes"
        ends = np.arange(0, self.rows[-1, DUE] - self._began_s + 0.001, every_s)
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
        counts = Counter(Outcome(int(one)).name.lower() for one in self.rows[:, OUTCOME])
        yield ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counts.items())

    def _number(self, outcome: Outcome) -> int:
        return int((self.rows[:, OUTCOME] == outcome).sum())

    def _changes(self) -> list[tuple[float, str]]:
        return [(at_s - self._began_s, what) for at_s, name, what in self.events if name == "-"]

    def _between(self, begin_s: float, end_s: float) -> Rows:
        due_s = self.rows[:, DUE] - self._began_s
        return self.rows[(begin_s <= due_s) & (due_s < end_s)]


def _latencies_ms(rows: Rows) -> Rows:
    return 1000 * (rows[:, DONE] - rows[:, DUE])


def _row(rows: Rows) -> str:
    outcomes = rows[:, OUTCOME]
    wrong = int((outcomes == Outcome.WRONG).sum())
    failed = len(rows) - wrong - int((outcomes == Outcome.RIGHT).sum())
    times = [0.0] * 4
    if len(rows):
        sent_ms = 1000 * (rows[:, DONE] - rows[:, SENT])
        times = [*np.percentile(_latencies_ms(rows), (50, 99, 100)), np.percentile(sent_ms, 99)]
    return f"{len(rows):>8} {failed:>6} {wrong:>5}" + "".join(f"{ms:>8.1f}" for ms in times)
