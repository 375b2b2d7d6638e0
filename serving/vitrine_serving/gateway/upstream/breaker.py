"""Circuit breaker: opens after N failures in a row; after a cool-down one call decides.

Closed, open, half-open as in Michael Nygard's "Release It!", chapter "Stability Patterns".
"""

from typing import Literal

from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart

State = Literal["closed", "open", "half-open"]


class BreakerSettings(SettingsPart):
    """Threshold and cool-down of a circuit breaker."""

    breaker_failures: Count = 5
    """Failures in a row after which a model server is left alone."""
    breaker_open_s: Seconds = 2.0
    """Seconds until it is tried again."""


class Breaker:
    """Circuit breaker that opens after `failures` in a row, for `open_s` seconds; then one call
    decides.

    It has no clock: every `now_s` is in seconds of the same monotonic one.
    """

    def __init__(self, failures: int, open_s: float) -> None:
        self._failures = failures
        self._open_s = open_s
        self._in_a_row = 0
        self._tried_at_s: float | None = None  # None: closed
        self._probing = False

    def state(self, now_s: float) -> State:
        """Says whether calls may go (closed), none (open), or one that decides (half-open)."""
        if self._tried_at_s is None:
            return "closed"
        return "open" if now_s < self._tried_at_s else "half-open"

    def wait_s(self, now_s: float) -> float:
        """Returns the seconds until a call may go, 0 if one may now.

        While a call is out that decides, those are what they will be if it fails.
        """
        if self._tried_at_s is None:
            return 0.0
        return self._open_s if self._probing else max(0.0, self._tried_at_s - now_s)

    def enter(self) -> bool:
        """Notes a call, which goes only if `wait_s` is 0; returns whether it decides.

        `leave` has to follow, whatever becomes of the call, with what this returned.
        """
        if self._tried_at_s is None:
            return False
        self._probing = True
        return True

    def leave(self, now_s: float, *, decides: bool, ok: bool | None) -> None:
        """Notes what became of a call; `ok` is None if that says nothing of who was called."""
        if decides:
            self._probing = False
        if ok:
            self._in_a_row, self._tried_at_s = 0, None
        elif ok is False and self._tried_at_s is None:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._open(now_s)
        elif ok is False and decides:  # not the failures of calls that were out when it opened
            self._open(now_s)

    def trip(self, now_s: float) -> None:
        """Opens, whatever the number of failures was."""
        self._open(now_s)

    def close(self) -> None:
        """Lets calls go: the reason that there was is gone."""
        self._in_a_row, self._tried_at_s, self._probing = 0, None, False

    def _open(self, now_s: float) -> None:
        self._in_a_row, self._tried_at_s = 0, now_s + self._open_s
