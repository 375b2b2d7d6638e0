"""An open loop: requests are sent when they are due, whatever became of those before."""

import itertools
import math
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from vitrine_client.loadtest.generator.loop import Loop, Seat
from vitrine_client.loadtest.generator.schedule import due_times
from vitrine_client.loadtest.plan import Closed

if TYPE_CHECKING:
    from collections.abc import Iterator

_EARLY_S, _EARLY_SHARE = 80e-6, 0.3
"""How long before a request is due it stops sleeping: seconds, and of the time until then at most;
a kernel wakes up late by about as much, and latency counts from when the request was due. What is
left is spent looking for events."""


class OpenLoop(Loop):
    """Sends by a schedule. Who is due while all seats are taken waits in order."""

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
