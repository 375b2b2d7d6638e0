"""Rate limiting of each client, counted by all processes of the gateway together.

The generic cell rate algorithm (GCRA; ITU-T I.371, annex A, "virtual scheduling"): a bucket is one
number, the time at which the next request would arrive if they all kept to the rate.
"""

import math
import os
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple, Self

from pydantic import Field, NonNegativeInt, model_validator

from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.settings_part import SettingsPart
from vitrine_serving.gateway.shared_memory import float_cells

_SLACK = 1e-2
"""Share of the time between two requests that is forgiven, so that rounding refuses none."""


class RateLimitSettings(SettingsPart):
    """Rate that each client may have."""

    rate_limit: float = Field(0.0, ge=0, le=1_000_000)
    """Requests a second for each API key, or each address without keys; 0 for no limit."""
    rate_burst: NonNegativeInt = 0
    """Requests that may come at once; 0 for a second's worth."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.rate_burst and not self.rate_limit:
            raise ValueError(
                f"{PREFIX}RATE_BURST={self.rate_burst} is the burst of a limit, and there is none: "
                f"set {PREFIX}RATE_LIMIT as well, or unset it"
            )
        return self


class Decision(NamedTuple):
    """Decision on a request: it may pass or not, and its client has so many left.

    `remaining` are requests; `reset_s` are seconds until the whole burst may come at once again,
    `retry_after_s` until one request may (0 if one may now). All are this gateway's own.
    """

    allowed: bool
    remaining: int
    reset_s: float
    retry_after_s: float


class RateLimiter:
    """Rate limiter: lets each identity send `rate_per_s` requests a second, and `burst` at once.

    A `burst` of 0 is a second's worth. Of both this gateway has a share, with as many peers as
    `share` was told of last: `limit` and `window_s`, the time in which a used-up burst is there
    again, are those of all gateways together.

    Make it before the fork: the table is memory that children share, and they read one clock
    (CLOCK_MONOTONIC belongs to the machine). Two identities that
    fall into one slot share its limit, which is only stricter; the hash has a random key, so that
    nobody can choose with whom. There is no lock, which would stay locked when its process is
    killed: of two processes that write a cell in the same microsecond one is forgotten, so that a
    request too many passes.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: int = 0,
        slots: int = 65536,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = burst or math.ceil(rate_per_s)
        self.window_s = self.limit / rate_per_s
        self._rate_per_s = rate_per_s
        self.share(1)
        self._now = now
        self._key = os.urandom(16)
        self._slots = slots
        self._arrivals = float_cells(slots)

    def share(self, peers: int) -> None:
        """Lets so many gateways, this one among them, admit the limit together: each an equal part
        of the rate and of the burst, which is one request at least.

        A bucket is as full afterwards as it was: what it holds is a time, and a part of the burst
        at the same part of the rate takes as long as before.
        """
        self._interval_s = peers / self._rate_per_s
        self._burst_s = max(self.window_s, self._interval_s)

    def take(self, identity: str) -> Decision:
        """Counts a request if it may pass; one that may not costs its client nothing."""
        digest = blake2b(identity.encode(errors="replace"), digest_size=8, key=self._key).digest()
        slot = int.from_bytes(digest, "little") % self._slots
        while True:
            before, now = self._arrivals[slot], self._now()
            arrival = max(before, now) + self._interval_s
            wait_s = arrival - now - self._burst_s
            if wait_s > self._interval_s * _SLACK:
                return Decision(False, 0, arrival - self._interval_s - now, wait_s)
            if self._arrivals[slot] == before:  # else another process was here meanwhile
                self._arrivals[slot] = arrival
                remaining = int(-wait_s / self._interval_s + _SLACK)
                return Decision(True, remaining, arrival - now, 0.0)
