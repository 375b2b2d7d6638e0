"""Worker process that generates load, and its protocol with the parent."""

import contextlib
import gc
import math
import resource
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import TYPE_CHECKING

from vitrine_client.loadtest.generator.connections import connections_to
from vitrine_client.loadtest.generator.loop import FIELDS, ClosedLoop, Job, OpenLoop
from vitrine_client.loadtest.generator.targets import method_of
from vitrine_client.loadtest.plan import Closed

if TYPE_CHECKING:
    from array import array

_AT_ONCE = 400 * FIELDS
"""Numbers in a message: so few that a pipe which is ready to be written takes them at once."""

_BUSY_FROM_S = 1.0


@dataclass(frozen=True)
class Seen:
    """Report of records, float64 [n, FIELDS], and the outcomes that their last field counts; all
    that was due before `settled_s` has its record by `at_s`."""

    records: bytes
    outcomes: tuple[str, ...]
    settled_s: float
    at_s: float = math.inf


@dataclass(frozen=True)
class Ended:
    """Last report of a worker. `busy` is the share of the load's time that the process was
    computing, None where that was so short that its start and its end are most of it.

    `connected` is of all connections that were made, float64 [n, TALLY_FIELDS]; `closed_after` are
    the fewest and the most answers on one that was closed under a request, 0 where none was.
    `ended_s` is when the last of a number of requests was answered (`time.monotonic`).
    """

    cpu_s: float
    busy: float | None
    connected: bytes = b""
    closed_after: tuple[int, int] = (0, 0)
    ended_s: float = math.inf


@dataclass(frozen=True)
class Lost:
    """Last report on a worker that ended by itself; `exit_code` is negative for a signal."""

    exit_code: int | None

    def __str__(self) -> str:
        """The loss in words."""
        why = ": killed, perhaps for want of memory" if self.exit_code == -signal.SIGKILL else ""
        return f"A process that made the load ended by itself (exit code {self.exit_code}{why})"


class Reporter:
    """Reporter that sends records as they are; those that the pipe does not take go with the next.

    The parent makes the histograms: one of 8,000 latencies takes 9 ms, and for so long this process
    would send nothing.
    """

    def __init__(self, parent: Connection) -> None:
        self._parent = parent
        self._unsent: deque[Seen] = deque()
        # Not select.select, which takes no descriptor from 1024 on: the parent may have many.
        self._writable = DefaultSelector()
        self._writable.register(parent, EVENT_WRITE)

    def __call__(self, records: "array[float]", outcomes: Sequence[str], settled_s: float) -> None:
        """Takes records, and sends as many as the parent is ready for."""
        now_s = time.monotonic()
        for start in range(0, max(len(records), 1), _AT_ONCE):
            end = start + _AT_ONCE
            known = (settled_s, now_s) if end >= len(records) else (-math.inf, -math.inf)
            self._unsent.append(Seen(records[start:end].tobytes(), tuple(outcomes), *known))
        while self._unsent and self._writable.select(0):
            self._parent.send(self._unsent.popleft())

    def flush(self) -> None:
        """Sends all that is left."""
        while self._unsent:
            self._parent.send(self._unsent.popleft())


def work(job: Job, parent: Connection) -> None:
    """Does the job. Sends None when it is ready, receives the start time (`time.monotonic`); any
    later message stops the load. Without a parent it ends at once."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _work(job, parent)


def _work(job: Job, parent: Connection) -> None:
    _raise_limit_of_files()
    selector, reporter = DefaultSelector(), Reporter(parent)
    kind = ClosedLoop if isinstance(job.load, Closed) else OpenLoop
    with connections_to(
        job.endpoint,
        selector,
        job.timeout_s,
        tls=job.tls,
        headers=job.headers,
        method=method_of(job.kind),
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
