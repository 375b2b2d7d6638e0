"""A process that makes load: what it is told, and what it tells."""

import contextlib
import gc
import math
import resource
import select
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING

from vitrine_client.loadtest.generator.closed_loop import ClosedLoop
from vitrine_client.loadtest.generator.connections import connections_to
from vitrine_client.loadtest.generator.loop import FIELDS, Job
from vitrine_client.loadtest.generator.open_loop import OpenLoop
from vitrine_client.loadtest.plan import Closed

if TYPE_CHECKING:
    from array import array

_AT_ONCE = 400 * FIELDS
"""Numbers in a message: so few that a pipe which is ready to be written takes them at once."""

_BUSY_FROM_S = 1.0


@dataclass(frozen=True)
class Seen:
    """Records, float64 [n, FIELDS], and the outcomes that their last field counts; all that was due
    before `settled_s` has its record by now."""

    records: bytes
    outcomes: tuple[str, ...]
    settled_s: float


@dataclass(frozen=True)
class Ended:
    """All is answered. `busy` is for which share of the load's time the process was computing, None
    where that was so short that its start and its end are most of it.

    `connected` is of all connections that were made, float64 [n, tally.FIELDS]; `closed_after` are
    the fewest and the most answers on one that was closed under a request, 0 where none was.
    `ended_s` is when the last of a number of requests was answered (`time.monotonic`).
    """

    cpu_s: float
    busy: float | None
    connected: bytes = b""
    closed_after: tuple[int, int] = (0, 0)
    ended_s: float = math.inf


class Reporter:
    """Sends records as they are, and what the pipe does not take at once together with the next.

    The parent makes the histograms: one of 8,000 latencies takes 9 ms, and for so long this process
    would send nothing.
    """

    def __init__(self, parent: Connection) -> None:
        self._parent = parent
        self._unsent: deque[Seen] = deque()

    def __call__(self, records: "array[float]", outcomes: Sequence[str], settled_s: float) -> None:
        """Takes records, and sends what the parent is ready for."""
        for start in range(0, max(len(records), 1), _AT_ONCE):
            end = start + _AT_ONCE
            by_s = settled_s if end >= len(records) else -math.inf
            self._unsent.append(Seen(records[start:end].tobytes(), tuple(outcomes), by_s))
        while self._unsent and select.select([], [self._parent], [], 0)[1]:
            self._parent.send(self._unsent.popleft())

    def flush(self) -> None:
        """Sends all that is left."""
        while self._unsent:
            self._parent.send(self._unsent.popleft())


def work(job: Job, parent: Connection) -> None:
    """Says that it is ready, is told when to start (`time.monotonic`), and does the job; is told
    anything else, and ends early. Without a parent it ends at once."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _work(job, parent)


def _work(job: Job, parent: Connection) -> None:
    _raise_limit_of_files()
    selector, reporter = DefaultSelector(), Reporter(parent)
    kind = ClosedLoop if isinstance(job.load, Closed) else OpenLoop
    with connections_to(
        job.endpoint, selector, job.timeout_s, tls=job.tls, headers=job.headers
    ) as connections:
        loop = kind(job, connections, selector, reporter)
        parent.send(None)
        start_s: float = parent.recv()

        def be_told(_: int, now_s: float) -> None:
            parent.recv()
            loop.stop(now_s)

        selector.register(parent, EVENT_READ, be_told)
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing here makes cycles, and a collection is a pause
        cpu_s = time.process_time()
        loop.run(start_s)
        cpu_s = time.process_time() - cpu_s
        # Not the time that it only waits for the last answers.
        sending_s = min(time.monotonic() - start_s, job.load.duration_s)
        reporter.flush()
        tally = connections.tally
        closed_after = tally.fewest, tally.most
        busy = cpu_s / sending_s if sending_s >= _BUSY_FROM_S else None
        ended = Ended(cpu_s, busy, tally.made.tobytes(), closed_after, loop.ended_s)
        parent.send(ended)


def _raise_limit_of_files() -> None:
    """Each connection is one, and the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
