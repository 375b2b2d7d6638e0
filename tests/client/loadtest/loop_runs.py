"""Loops that make load run in a test's own process, and what they record."""

import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from selectors import DefaultSelector

import numpy as np

from vitrine_client.loadtest.generator.answers import Classes
from vitrine_client.loadtest.generator.connections import connections_to
from vitrine_client.loadtest.generator.http_connection import Endpoint, reach
from vitrine_client.loadtest.generator.loop import FIELDS, ClosedLoop, Job, OpenLoop
from vitrine_client.loadtest.plan import Closed, Load, Open, Phase, WorkloadKind

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nimage"


def steady(rate: float, duration_s: float) -> Open:
    """Returns an open loop with constant gaps."""
    return Open((Phase(duration_s, rate, rate),), "constant")


ONCE = steady(1000, 0.001)
"""A single request."""


class Records:
    """What a loop reported."""

    def __init__(self) -> None:
        self._numbers = array("d")
        self._outcomes: tuple[str, ...] = ()
        self._settled: list[tuple[int, float]] = []

    def __call__(self, records: array, outcomes: Sequence[str], settled_s: float) -> None:
        self._numbers += records
        self._outcomes = tuple(outcomes)
        self._settled.append((len(self._numbers) // FIELDS, settled_s))

    def told_the_truth(self) -> bool:
        """Whether nothing was recorded that was due before what was said to be settled by then."""
        due_s = self.due_s
        return all((due_s[count:] >= settled_s).all() for count, settled_s in self._settled)

    def _columns(self) -> np.ndarray:
        return np.array(self._numbers).reshape(-1, FIELDS).T

    @property
    def due_s(self) -> np.ndarray:
        return self._columns()[0]

    @property
    def sent_s(self) -> np.ndarray:
        return self._columns()[2]

    @property
    def waited_s(self) -> np.ndarray:
        """How long they waited for a connection."""
        return self._columns()[1] - self.due_s

    @property
    def lag_s(self) -> np.ndarray:
        """How late the generator itself was."""
        return self.sent_s - self._columns()[1]

    @property
    def latency_s(self) -> np.ndarray:
        """From when they were due; NaN where no right answer came."""
        return np.where(self._columns()[4] == 0, self._columns()[3] - self.due_s, np.nan)

    @property
    def outcomes(self) -> Counter[str]:
        """How many requests had which outcome; "" is a right answer."""
        return Counter(self.kinds)

    @property
    def kinds(self) -> list[str]:
        """The outcome of each request, in order."""
        return [self._outcomes[int(number)] for number in self._columns()[4]]


def endless(_: Records) -> bool:
    """Leaves the end to the load."""
    return False


def run_loop(
    where: str | Endpoint,
    load: Load,
    *,
    seats: int = 1,
    timeout_s: float = 5.0,
    kind: WorkloadKind = "raw",
    requests: tuple[bytes, ...] = (REQUEST,),
    classes: tuple[Classes, ...] = ((7,),),
    until: Callable[[Records], bool] = endless,
) -> Records:
    """Makes the load in this thread; `where` is a URL, HOST:PORT for "grpc".

    It ends early, at a tick, `until` there are the records that are wanted: how many a time brings
    is the machine's affair.
    """
    endpoint = reach(where, 5) if isinstance(where, str) and kind != "grpc" else where
    job = Job(kind, endpoint, requests, classes, load, seats, timeout_s)
    records = Records()

    def report(*reported: object) -> None:
        records(*reported)
        if until(records):
            loop.stop(time.monotonic())
            loop.last_s = math.inf  # what is in flight is waited for, however long

    with (
        DefaultSelector() as selector,
        connections_to(endpoint, selector, timeout_s) as connections,
    ):
        loop = (ClosedLoop if isinstance(load, Closed) else OpenLoop)(
            job, connections, selector, report
        )
        loop.run(time.monotonic() + 0.01)
    return records
