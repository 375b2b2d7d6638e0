"""Retries: attempts at a call within its deadline, and the pauses between them."""

import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vitrine_client import errors

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


def retry_after_s(text: str) -> float | None:
    """Returns the seconds that `Retry-After` says, as a number or as a date (RFC 9110, section
    10.2.3); None where it says neither."""
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (OverflowError, ValueError):  # a date beyond all dates
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


class Attempts:
    """Retries of a call within its deadline, `retries` at most.

    All calls may be: asking twice changes nothing. Failures that may pass are tried again (nobody
    there, a connection that is lost, 502, 503 and 429), after the time of `Retry-After` and "full
    jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter: any time up
    to 0.1 s, doubled each time up to 2 s.
    """

    def __init__(self, timeout_s: float, retries: int) -> None:
        self.deadline = time.monotonic() + timeout_s
        self._retries = retries
        self._longest_s = _FIRST_PAUSE_S

    def left_s(self) -> float:
        """Returns the seconds until the deadline, below 0 where it is over."""
        return self.deadline - time.monotonic()

    def pause_s(self, error: errors.VitrineError) -> float:
        """Returns how long to wait before the call is made again. Raises `error` where it is not,
        also where there is no time to."""
        if not isinstance(error, errors.Unavailable | errors.ResourceExhausted):
            raise error
        pause_s = random.uniform(0, self._longest_s)  # noqa: S311 - nothing secret
        pause_s += error.retry_after_s or 0.0
        if not self._retries or pause_s >= self.left_s():
            raise error
        self._retries -= 1
        self._longest_s = min(2 * self._longest_s, _LONGEST_PAUSE_S)
        return pause_s
