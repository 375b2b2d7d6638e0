"""The loop of a process that makes load: it sends when it is time, and never waits for an answer.

No asyncio, which takes longer for one event than all of this does; and a request should leave when
it is due, not when other callbacks are through.
"""

import math
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from selectors import DefaultSelector

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.answers import Answers, Classes
from vitrine_client.loadtest.generator.connections import Connection, Connections
from vitrine_client.loadtest.generator.endpoint import Endpoint
from vitrine_client.loadtest.plan import Kind, Load
from vitrine_client.process.trust import Trust

OUTCOMES = ("", "dropped")
"""Of the requests that were answered and of those never sent; others get numbers as they occur."""

FIELDS = 5
"""Of a record: when it was due, when it had a connection, when it was sent, when its answer was
there or it was given up (NaN if it was not sent), all by `time.monotonic`, and the number of its
outcome."""

Report = Callable[["array[float]", Sequence[str], float], None]
"""Takes records, the outcomes by number, and up to when all that was due has its record."""

_TICK_S = 0.1
"""How often it looks for what timed out, and reports. Who had no connection in a closed loop waits
for it."""

_GRACE_S = 1.0
"""How long requests in flight are waited for where a load test is ended early."""


@dataclass(frozen=True)
class Job:
    """What one process does of a load: `seats` requests in flight at most, and every `step`-th
    arrival from `first` on. `classes` are the right answers to `requests`, None of those that the
    first answer shows; arrivals have the requests that `turns` say, all in turn if it is empty."""

    kind: Kind
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
    """A place for one request in flight; its times are those of a record."""

    __slots__ = ("busy", "connection", "due_s", "free_s", "request", "sent_s")

    connection: Connection

    def __init__(self) -> None:
        self.busy = False
        self.request = 0
        self.due_s = self.free_s = self.sent_s = 0.0


class Loop(ABC):
    """What a closed and an open loop share; they say when to send, and when it is over."""

    def __init__(
        self, job: Job, connections: Connections, selector: DefaultSelector, report: Report
    ) -> None:
        self.job, self.selector = job, selector
        self._connections, self._report = connections, report
        self._fault = Answers(job.kind, job.classes).fault
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
        """Sends what is to be sent, and waits for events no longer than that."""

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
        """Ends what takes too long, and reports."""
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
        """Notes what became of a request."""
        number = self._outcomes.setdefault(outcome, float(len(self._outcomes)))
        self._records.extend((due_s, free_s, sent_s, done_s, number))
