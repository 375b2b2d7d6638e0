"""Bounded log: rate limiting of the lines that a client can cause as often as it likes."""

import logging
import threading
import time
from collections.abc import Callable

MOST = 10
"""Lines in each span of time."""

SPAN_S = 60.0


class BoundedLog:
    """Logger of faults that a client makes: writes `MOST` lines in `SPAN_S` seconds, and with the
    next one after that says how many were left out. Threads may share it.

    `now` is a clock in seconds, `time.monotonic`.
    """

    def __init__(self, log: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._log, self._now = log, now
        self._lock = threading.Lock()
        self._began_s = now()
        self._written = self._left_out = 0

    def line(self, level: int, text: str, *values: object) -> None:
        """Writes a line, with `values` in `text` as `logging` puts them there."""
        with self._lock:
            left_out = self._next_span()
            is_written = self._written < MOST
            self._written += is_written
            self._left_out += not is_written
            is_last = is_written and self._written == MOST
        if left_out:
            self._log.log(level, "%d more like those before were left out", left_out)
        if is_written:
            more = "; more within this minute are counted only" if is_last else ""
            self._log.log(level, text + more, *values)

    def _next_span(self) -> int:
        """Begins a span where one is over, and returns how many lines that one left out."""
        now_s = self._now()
        if now_s - self._began_s < SPAN_S:
            return 0
        left_out, self._left_out = self._left_out, 0
        self._began_s, self._written = now_s, 0
        return left_out
