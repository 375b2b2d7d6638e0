"""Retry budget and backoff: the share of calls that may be retried, and the pauses between."""

import random
import time

from pydantic import Field

from vitrine_serving.gateway.settings_part import Count, SettingsPart

_RESERVE = 100
_REFILL_PER_S = 1.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5


class RetrySettings(SettingsPart):
    """Bounds of retries."""

    max_attempts: Count = 3
    """Most calls to model servers for one that is UNAVAILABLE."""
    retry_budget: float = Field(0.1, ge=0, le=1)
    """Most retries, as a share of calls, and one a second beside them; 0: none at all."""


class RetryBudget:
    """Retry budget: keeps retries to a share of calls, so that they do not multiply the load on a
    server that fails.

    A token bucket, as Finagle's `RetryBudget` (https://finagle.github.io/blog/2016/02/08/
    retry-budgets) and gRPC's retry throttling (proposal A6) are: a call deposits `ratio`, a retry
    withdraws 1. Like gRPC's it is full at first, with 100 (Finagle's reserve: 10 a second, for 10
    seconds), and like Finagle's it gets one a second whatever the calls: a quiet service may retry,
    too, and does no harm. A `ratio` of 0 means no retries at all.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._tokens = float(_RESERVE) if ratio else 0.0
        self._refilled_s = time.monotonic()

    def deposit(self) -> None:
        """Notes a call."""
        self._tokens = min(self._tokens + self._ratio, _RESERVE)

    def withdraw(self) -> bool:
        """Says whether a call may be tried again, and counts that."""
        now_s = time.monotonic()
        if self._ratio:
            refill = (now_s - self._refilled_s) * _REFILL_PER_S
            self._tokens = min(self._tokens + refill, _RESERVE)
        self._refilled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def pause_s(attempts: int) -> float:
    """Returns how long to wait after that many attempts: any time up to 50 ms, doubled each time
    up to 500 ms.

    "Full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter.
    """
    longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempts - 1))
    return random.uniform(0, longest_s)  # noqa: S311 - nothing secret
