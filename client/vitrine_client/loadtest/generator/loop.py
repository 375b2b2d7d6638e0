"""Open and closed loop of a process that generates load: both send when it is time, and never
block.

Latency counts from when a request was due, not from when it was sent: a generator that waits for a
slow server and leaves that out shows too low figures (coordinated omission).

No asyncio, which takes longer for one event than all of this does; and a request should leave when
it is due, not when other callbacks are through.
"""

import itertools
import math
import select
import time
from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from selectors import DefaultSelector
from typing import TYPE_CHECKING

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.answers import Classes, ResponseValidation
from vitrine_client.loadtest.generator.connections import LoadConnection, LoadConnections
from vitrine_client.loadtest.generator.http_connection import Endpoint
from vitrine_client.loadtest.generator.schedule import due_times
from vitrine_client.loadtest.plan import Closed, Load, WorkloadKind
from vitrine_client.process.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator


OUTCOMES = ("", "dropped")
"""Of the requests that were answered and of those never sent; others get numbers as they occur."""

FIELDS = 5
"""Of a record: when it was due, when it had a connection, when it was sent, when its answer was
there or it was given up (NaN if it was not sent), all by `time.monotonic`, and the number of its
outcome."""

Report = Callable[["array[float]", Sequence[str], float], None]
"""Takes records, the outcomes by number, and up to when all that was due has its record."""

_TICK_S = 0.1
"""Interval at which it looks for time-outs, and reports. Who had no connection in a closed loop
waits for it."""

_GRACE_S = 1.0
"""How long requests in flight are waited for where a load test is ended early."""


@dataclass(frozen=True)
class Job:
    """Job of one process in a load: `seats` requests in flight at most, and every `step`-th
    arrival from `first` on. `classes` are the right answers to `requests`, None of those that the
    first answer shows; arrivals have the requests that `turns` say, all in turn if it is empty."""

    kind: WorkloadKind
    endpoint: Endpoint | str
    requests: tuple[bytes, ...] = field(repr=False)
    classes: tuple[Classes | None, ...] = field(repr=False)
    load: Load
    seats: int
    timeout_s: float
    first: int = 0
    step: int = 1
    turns: tuple[int, ...] = field(default=(), repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    count: int | None = None
    tls: Trust | None = None


class Seat:
    """Seat for one request in flight; its times are those of a record."""

    __slots__ = ("busy", "connection", "due_s", "free_s", "request", "sent_s")

    connection: LoadConnection

    def __init__(self) -> None:
        self.busy = False
        self.request = 0
        self.due_s = self.free_s = self.sent_s = 0.0


class Loop(ABC):
    """Loop, the common part of the closed and the open one, which decide when to send."""

    def __init__(
        self, job: Job, connections: LoadConnections, selector: DefaultSelector, report: Report
    ) -> None:
        self.job, self.selector = job, selector
        self._connections, self._report = connections, report
        self._fault = ResponseValidation(job.kind, job.classes).fault
        self._turn = job.first
        self._turns: Sequence[int] = job.turns or range(len(job.requests))
        self._records = array("d")
        self._outcomes = {name: float(number) for number, name in enumerate(OUTCOMES)}
        self.seats: list[Seat] = []
        self.in_flight = 0
        self.left = math.inf if job.count is None else job.count
        self.ended_s = math.inf
        self._done_s = 0.0
        self.next_s = self.last_s = math.inf

    def run(self, start_s: float) -> None:
        """Makes the load from `start_s` on, by `time.monotonic`; returns when all is answered."""
        tick_s = start_s
        self.begin(start_s)
        while True:
            now_s = time.monotonic()
            if now_s >= tick_s:
                tick_s = now_s + _TICK_S
                self.tick(now_s)
                if not self.in_flight and self.has_sent_all():
                    break
            self.work(tick_s)
        if not self.left:
            self.ended_s = self._done_s
        self._report(self._records, tuple(self._outcomes), time.monotonic())

    def stop(self, now_s: float) -> None:
        """Ends early: nothing that is due later is sent, and answers are waited for a little."""
        self.last_s = now_s + min(_GRACE_S, self.job.timeout_s)

    @abstractmethod
    def begin(self, start_s: float) -> None:
        """Prepares for a start at that time."""

    @abstractmethod
    def work(self, until_s: float) -> None:
        """Sends requests that are due, and waits for events no longer than that."""

    @abstractmethod
    def vacated(self, seat: Seat, now_s: float) -> None:
        """Is told that a seat is free again."""

    def failed(self, seat: Seat, now_s: float, fault: str) -> None:  # noqa: ARG002
        """Is told that a seat is free again after a failure."""
        self.vacated(seat, now_s)

    @abstractmethod
    def has_sent_all(self) -> bool:
        """Says whether nothing will be sent any more."""

    def tick(self, now_s: float) -> None:
        """Ends requests that take too long, and reports."""
        over = now_s >= self.last_s
        for seat in self.seats:
            if seat.busy and (over or now_s - seat.sent_s >= self.job.timeout_s):
                seat.connection.abort()
                self._answered(seat, "unanswered" if over else faults.TIMEOUT, b"", now_s)
        # Who waits for a seat was due after all who have one.
        taken_s = min((seat.due_s for seat in self.seats if seat.busy), default=math.inf)
        records, self._records = self._records, array("d")
        self._report(records, tuple(self._outcomes), min(now_s, taken_s, self.next_s))

    def new_seat(self) -> Seat:
        """Adds a place for one more request in flight."""
        seat = Seat()
        seat.connection = self._connections.connect(partial(self._answered, seat))
        self.seats.append(seat)
        return seat

    def send(self, seat: Seat, due_s: float = math.nan, free_s: float = math.nan) -> bool:
        """Sends the next request, which is due now if no times are given.

        Says whether it is in flight; if not, it failed and has its record.
        """
        seat.request = self._turns[self._turn % len(self._turns)]
        self.skip()
        self.left -= 1
        seat.sent_s = sent_s = time.monotonic()
        seat.due_s, seat.free_s = (due_s, free_s) if due_s == due_s else (sent_s, sent_s)
        fault = seat.connection.send(self.job.requests[seat.request])
        if fault:
            self.record(seat.due_s, seat.free_s, seat.sent_s, math.nan, fault)
            self._done_s = sent_s
            return False
        seat.busy = True
        self.in_flight += 1
        return True

    def skip(self) -> None:
        """Goes on to the request of the next arrival."""
        self._turn += self.job.step

    def _answered(self, seat: Seat, fault: str, body: bytes, now_s: float) -> None:
        seat.busy = False
        self.in_flight -= 1
        if not fault:
            fault = self._fault(seat.request, body)
        self._done_s = now_s
        self.record(seat.due_s, seat.free_s, seat.sent_s, now_s, fault)
        if fault:
            self.failed(seat, now_s, fault)
        else:
            self.vacated(seat, now_s)

    def record(
        self, due_s: float, free_s: float, sent_s: float, done_s: float, outcome: str
    ) -> None:
        """Records the outcome of a request."""
        number = self._outcomes.setdefault(outcome, float(len(self._outcomes)))
        self._records.extend((due_s, free_s, sent_s, done_s, number))


class ClosedLoop(Loop):
    """Closed loop: each seat sends the next request once the last was answered, or failed. Where
    the connection was refused or broke it waits for the next tick: a server that is down is not
    flooded. A server that stalls is sent less meanwhile (coordinated omission)."""

    def begin(self, start_s: float) -> None:
        """Nobody sends before the first tick, which is at the start."""
        self._end_s = start_s + self.job.load.duration_s
        self._resting = [self.new_seat() for _ in range(self.job.seats)]

    def stop(self, now_s: float) -> None:
        """Ends early."""
        super().stop(now_s)
        self._end_s = min(self._end_s, now_s)

    def work(self, until_s: float) -> None:
        """Waits for answers; `vacated` sends."""
        events = self.selector.select(max(until_s - time.monotonic(), 0))
        now_s = time.monotonic()  # all that is told of was there by now
        for key, mask in events:
            key.data(mask, now_s)

    def vacated(self, seat: Seat, now_s: float) -> None:
        """Sends the next one."""
        if now_s < self._end_s and self.left and not self.send(seat):
            self._resting.append(seat)

    def failed(self, seat: Seat, now_s: float, fault: str) -> None:
        """Lets it rest where there was no connection."""
        if faults.is_of_connection(fault):
            self._resting.append(seat)
        else:
            self.vacated(seat, now_s)

    def tick(self, now_s: float) -> None:
        """Also sends for those who waited."""
        super().tick(now_s)
        if now_s < self._end_s:
            rested, self._resting = self._resting, []
            self._resting += [seat for seat in rested if self.left and not self.send(seat)]

    def has_sent_all(self) -> bool:
        """At its end, or once all were sent."""
        return not self.left or time.monotonic() >= self._end_s


_EARLY_S, _EARLY_SHARE = 80e-6, 0.3
"""How long before a request is due it stops sleeping: seconds, and of the time until then at most;
a kernel wakes up late by about as much, and latency counts from when the request was due. The
rest is spent looking for events."""


class OpenLoop(Loop):
    """Open loop: sends by a schedule, whatever became of the requests before. A request that is due
    while all seats are taken waits in order, and its wait counts as latency, so that there is no
    coordinated omission."""

    def begin(self, start_s: float) -> None:
        """Reads the schedule."""
        job = self.job
        if isinstance(job.load, Closed):
            raise TypeError(job.load)
        chunks = due_times(job.load, first=job.first, step=job.step)
        due_s = itertools.chain.from_iterable((it + start_s).tolist() for it in chunks)
        self._schedule: Iterator[float] = itertools.islice(due_s, job.count)
        self.next_s = next(self._schedule, math.inf)
        self._free: deque[Seat] = deque()
        self._waiting: deque[float] = deque()

    def stop(self, now_s: float) -> None:
        """Ends early."""
        super().stop(now_s)
        self._send_due(now_s)
        self.next_s, self._schedule = math.inf, iter(())

    def work(self, until_s: float) -> None:
        """Sleeps until something happens or is due, and sees to it."""
        self._send_due(time.monotonic())
        pause_s = min(until_s, self.next_s) - time.monotonic()
        pause_s -= min(_EARLY_S, pause_s * _EARLY_SHARE)
        if pause_s > 0:
            # Not the selector's own timeout: epoll's are whole milliseconds.
            select.select([self.selector.fileno()], [], [], pause_s)
        events = self.selector.select(0)
        now_s = time.monotonic()  # all that is told of was there by now
        for key, mask in events:
            key.data(mask, now_s)
            if time.monotonic() >= self.next_s:
                self._send_due(time.monotonic())

    def _send_due(self, now_s: float) -> None:
        while self.next_s <= now_s:
            due_s, self.next_s = self.next_s, next(self._schedule, math.inf)
            if self._free:
                seat = self._free.popleft()
            elif len(self.seats) < self.job.seats:
                seat = self.new_seat()
            else:
                self._waiting.append(due_s)
                continue
            if not self.send(seat, due_s, due_s):
                self._free.append(seat)

    def vacated(self, seat: Seat, now_s: float) -> None:
        """Sends who waited longest."""
        while self._waiting:
            due_s = self._waiting.popleft()
            if now_s - due_s >= self.job.timeout_s:
                self._drop(due_s)
            elif self.send(seat, due_s, now_s):
                return
        # First come, first served: so all processes of a server get their share.
        self._free.append(seat)

    def tick(self, now_s: float) -> None:
        """Also drops who waited too long."""
        longest_s = self.job.timeout_s if now_s < self.last_s else 0
        while self._waiting and now_s - self._waiting[0] >= longest_s:
            self._drop(self._waiting.popleft())
        super().tick(now_s)

    def _drop(self, due_s: float) -> None:
        self.skip()
        self.left -= 1
        self._done_s = time.monotonic()
        self.record(due_s, math.nan, math.nan, math.nan, "dropped")

    def has_sent_all(self) -> bool:
        """At the end of its schedule."""
        return not self._waiting and self.next_s == math.inf
