"""A closed loop: so many requests in flight, each sent when the one before it was answered."""

import time

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.loop import Loop, Seat


class ClosedLoop(Loop):
    """Keeps its seats taken, also by requests that fail. Only whose connection was refused or broke
    waits for the next tick, so that a server that is down is not asked as fast as can be."""

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
