"""Connections of a process: how many there are, how patient it is with them, and their end."""

import asyncio
import random
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from vitrine_serving.gateway.http.heads import HeadLimits
from vitrine_serving.gateway.server.descriptors import REFUSED
from vitrine_serving.gateway.server.draining import Draining


class Patience(NamedTuple):
    """Seconds for the first head of a connection, until its next request, in which an answer has
    to be read on, and after which it is to end, 0 for never."""

    header_s: float = 10.0
    keepalive_s: float = 75.0
    answer_s: float = 30.0
    max_age_s: float = 0.0


def jittered(seconds: float) -> float:
    """Returns a time that is a tenth longer or shorter, so that connections that were made together
    do not end together."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311


class ClientConnections:
    """Connections of one process, in the running event loop, to an application, `gateway`.

    `note` is told how many there are, or None where no more are taken, and `wear_out` is called
    when the last of `most_requests` was answered.
    """

    def __init__(
        self,
        gateway: Any,
        *,
        most: int = 1000,
        limits: HeadLimits = HeadLimits(),  # noqa: B008 - it cannot be changed
        patience: Patience = Patience(),  # noqa: B008
        draining: Draining | None = None,
        note: Callable[[int | None], None] = lambda _: None,
        most_requests: int = sys.maxsize,
        wear_out: Callable[[], None] = lambda: None,
    ) -> None:
        self.gateway = gateway
        self.loop = asyncio.get_running_loop()
        self.limits = limits
        self.patience = patience
        self.open: set[Any] = set()
        self.refused = 0
        self.is_ending = False
        self._most = most
        self._draining = draining or Draining()
        self._note = note
        self._requests_left = most_requests
        self._wear_out = wear_out
        self.tell()

    def tell(self) -> None:
        """Tells how many there are."""
        self._note(None if self.is_ending else len(self.open))

    def add(self, connection: Any) -> None:
        """Counts one that was made."""
        self.open.add(connection)
        self.tell()

    def remove(self, connection: Any) -> None:
        """Forgets one that has ended."""
        self.open.discard(connection)
        self.tell()

    def is_full(self) -> bool:
        """Says whether there are as many as may be."""
        return len(self.open) >= self._most

    def has_no_room(self, connecting: int) -> bool:
        """Says whether there is not even room to refuse one, with `connecting` being set up."""
        return len(self.open) + self.refused + connecting >= self._most + REFUSED

    def retires_s(self) -> float:
        """Returns when a connection that is made now is to end, in the loop's time; 0 for never."""
        age_s = self.patience.max_age_s
        return self.loop.time() + jittered(age_s) if age_s else 0.0

    def is_last(self, keeps_alive: bool) -> bool:
        """Counts a request, and says whether its answer is the last of its connection."""
        self.count_request()
        return (
            not keeps_alive
            or self.is_ending
            or not self.patience.keepalive_s
            or self._draining.has_begun
        )

    def count_request(self) -> None:
        """Counts a request, which may be the last of its process."""
        self._requests_left -= 1
        if self._requests_left <= 0 and not self.is_ending:
            self._wear_out()

    def begin_ending(self, last_call_s: float) -> None:
        """Takes no more; those that are idle in a moment are closed, and the others when they are
        answered."""
        self.is_ending = True
        self.tell()
        for connection in self.open:
            self.loop.call_later(last_call_s, connection.end_if_idle)

    def leave(self) -> None:
        """Leaves all that are still there."""
        for connection in list(self.open):
            connection.abort()
