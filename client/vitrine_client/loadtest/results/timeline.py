"""Timeline of a load: the records of all processes, sorted into seconds of the measurement."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.http_connection import TALLY_FIELDS
from vitrine_client.loadtest.generator.loop import FIELDS, OUTCOMES
from vitrine_client.loadtest.generator.worker import Seen
from vitrine_client.loadtest.plan import Plan
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Interval

Floats = npt.NDArray[np.float64]

_LATE_S = 1e-3
_LAG_BINS_PER_S = 100_000
_ANSWERED, _DROPPED = (OUTCOMES.index(name) for name in ("", "dropped"))


class Timeline:
    """Timeline that sorts records into seconds, each an interval once none can be missing from it.

    `start_s` is when the load began, by `time.monotonic`, in that many processes.
    """

    def __init__(self, plan: Plan, start_s: float, processes: int) -> None:
        self._warm_up_s = min(plan.warm_up_s, plan.load.duration_s)
        self.zero_s = start_s + self._warm_up_s
        self._end_s = plan.load.duration_s - self._warm_up_s
        self._next = -math.ceil(self._warm_up_s)
        self._records: defaultdict[int, list[tuple[Floats, tuple[str, ...]]]] = defaultdict(list)
        self._done_s: defaultdict[int, list[Floats]] = defaultdict(list)
        self._settled_s = [-math.inf] * processes
        self._told_s = [-math.inf] * processes
        self._ended_s = -math.inf
        self._heard_s, self._failed_s = start_s, -math.inf
        self._lags = np.zeros(_LAG_BINS_PER_S + 1, np.int64)

    def add(self, process: int, seen: Seen) -> None:
        """Takes what a process has seen."""
        self._settled_s[process] = max(self._settled_s[process], seen.settled_s - self.zero_s)
        self._told_s[process] = max(self._told_s[process], seen.at_s)
        records = np.frombuffer(seen.records, np.float64).reshape(-1, FIELDS)
        seconds = np.floor(records[:, 0] - self.zero_s).astype(np.int64)
        for second in np.unique(seconds).tolist():
            self._records[second].append((records[seconds == second], seen.outcomes))
        numbers = records[:, -1].astype(np.int64)
        heard = np.array([faults.is_answer(name) for name in seen.outcomes])[numbers]
        self._heard_s = max(self._heard_s, records[heard, 3].max(initial=-math.inf))
        lost = np.array([faults.is_lost(name) for name in seen.outcomes])[numbers]
        self._failed_s = max(self._failed_s, records[lost, 0].max(initial=-math.inf))
        done_s = records[numbers == _ANSWERED, 3] - self.zero_s
        seconds = np.floor(done_s).astype(np.int64)
        for second in np.unique(seconds).tolist():
            self._done_s[second].append(done_s[seconds == second])

    def close(self, process: int, ended_s: float) -> None:
        """Is told that a process has no more records; where a number of requests is the end, at
        which moment that was."""
        self._settled_s[process] = self._told_s[process] = math.inf
        self._ended_s = max(self._ended_s, ended_s)
        if min(self._settled_s) == math.inf:
            self.cut(self._ended_s)

    def lose(self, process: int) -> None:
        """Is told that a process is gone: what was due since its last report is not known, and does
        not count."""
        known_s = self._settled_s[process] + self.zero_s
        self.cut(known_s)
        self.close(process, known_s)

    def gone_for_s(self, now_s: float) -> float:
        """Returns for how long nobody has answered, in seconds; 0 where nobody was asked since.
        Who was asked and neither answers nor fails counts from when the first of those was due."""
        if self._failed_s > self._heard_s:
            return now_s - self._heard_s
        told_s = min(now_s, *self._told_s)  # of a process that is late to report, nothing is known
        since_s = max(self._heard_s, min(self._settled_s) + self.zero_s)
        return max(told_s - since_s, 0.0)

    def cut(self, end_s: float) -> None:
        """Ends the measurement early: what is due later than this moment does not count."""
        self._end_s = min(self._end_s, end_s - self.zero_s)

    def finished(self) -> Iterator[Interval]:
        """Yields the intervals that got complete, those of the warm-up (`start_s` < 0) as well."""
        settled_s = min(self._settled_s)
        while self._next < self._end_s and settled_s >= min(self._next + 1, self._end_s):
            yield self._interval(self._next)
            self._records.pop(self._next, None)
            self._next += 1

    def lag_ms(self, percent: float) -> float | None:
        """Returns how late so many of the requests were sent, at most, because of the generator, to
        10 us."""
        reached = np.searchsorted(np.cumsum(self._lags), percent / 100 * self._lags.sum())
        return float(reached) / _LAG_BINS_PER_S * 1e3 if self._lags.any() else None

    def made_meanwhile(self, connected: Iterable[bytes]) -> Floats:
        """Returns which connections were made in the time that is measured, float64 [n, 3]: the
        seconds for connecting and for TLS, and how many answers the one before had. `connected` is
        as `Ended` has it, of each process."""
        every = np.frombuffer(b"".join(connected), np.float64).reshape(-1, TALLY_FIELDS)
        began_s = every[:, 0] - self.zero_s
        return every[(began_s >= 0) & (began_s <= self._end_s), 1:]

    def _interval(self, second: int) -> Interval:
        """Leaves out what was due after an early end."""
        start_s, end_s = max(second, -self._warm_up_s), min(second + 1, self._end_s)
        parts = self._records.get(second, [])
        every = np.concatenate([np.empty((0, FIELDS)), *(records for records, _ in parts)])
        every = every[every[:, 0] - self.zero_s <= self._end_s]
        due_s, free_s, sent_s, done_s, outcomes = every.T
        right, sent = outcomes == _ANSWERED, outcomes != _DROPPED
        errors = _errors(parts, self.zero_s + self._end_s)
        unsent = Counter({kind: errors.pop(kind) for kind in faults.OWN if kind in errors})
        if second >= 0:
            self._count_lags((sent_s - free_s)[sent])
        latency = LatencyHistogram.of((done_s - due_s)[right])
        in_time = np.array_equal(sent_s, due_s)  # as always in a closed loop
        return Interval(
            start_s=start_s,
            duration_s=end_s - start_s,
            due=len(every),
            latency=latency,
            service=latency if in_time else LatencyHistogram.of((done_s - sent_s)[right]),
            errors=errors,
            unsent=unsent,
            late=int(((sent_s - due_s)[sent] > _LATE_S).sum()),
            dropped=int((~sent).sum()),
            completed=sum(
                int((done_s <= self._end_s).sum()) for done_s in self._done_s.pop(second, [])
            ),
        )

    def _count_lags(self, lags_s: Floats) -> None:
        bins = (lags_s.clip(0, 1) * _LAG_BINS_PER_S).astype(np.int64)
        self._lags += np.bincount(bins, minlength=len(self._lags))


def _errors(parts: list[tuple[Floats, tuple[str, ...]]], end_s: float) -> Counter[str]:
    """Processes number their outcomes each in its own way."""
    errors: Counter[str] = Counter()
    for records, outcomes in parts:
        numbers = records[records[:, 0] <= end_s, -1].astype(np.int64)
        for number, count in enumerate(np.bincount(numbers).tolist()):
            if count and number >= len(OUTCOMES):
                errors[outcomes[number]] += count
    return errors
