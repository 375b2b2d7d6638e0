"""Startup progress: notices of what a start waits for, after 3 s and then ever more rarely."""

import time
from collections.abc import Callable

_FIRST_S, _LONGEST_S = 3.0, 60.0


class Notices:
    """Progress notices, for a loop that waits: each is due twice as long after the one before,
    a minute at most."""

    def __init__(
        self, tell: Callable[[str], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell, self._now = tell, now
        self._pause_s = _FIRST_S
        self._due_s = now() + self._pause_s

    def waiting_for(self, reason: Callable[[], str]) -> None:
        """Tells the reason, if a notice is due."""
        now_s = self._now()
        if now_s >= self._due_s:
            self._pause_s = min(2 * self._pause_s, _LONGEST_S)
            self._due_s = now_s + self._pause_s
            self._tell(reason())

    @property
    def due_in_s(self) -> float:
        """Seconds until the next is due."""
        return max(self._due_s - self._now(), 0.0)
