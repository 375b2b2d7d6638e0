"""Fleet of processes that generate a load: started, listened to, and ended to the last."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Self

from vitrine_client.errors import VitrineError
from vitrine_client.loadtest.generator.loop import Job
from vitrine_client.loadtest.generator.worker import Ended, Lost, Seen, work
from vitrine_client.process import signals

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_SOON_S = 0.05
"""From the word to the start: time for the word to reach all."""

_GONE = (EOFError, BrokenPipeError, ConnectionResetError)


class Fleet:
    """Fleet with a process for each job; a context manager, which leaves none behind.

    To enter it raises a `VitrineError` where a process ends before it is ready.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._processes: list[SpawnProcess] = []
        self._pipes: list[Connection] = []
        self._at_work: set[int] = set()
        self._stopped_s: float | None = None

    def __enter__(self) -> Self:
        try:
            for job in self._jobs:
                self._add(job)
            for number in range(len(self._jobs)):
                report = self._receive(number)  # it is ready
                if isinstance(report, Lost):
                    raise VitrineError(str(report))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with signals.blocked():  # what is left would be waited for at the end of the program
            for process in self._processes:
                process.kill()
            for process in self._processes:
                process.join()
            for pipe in self._pipes:
                pipe.close()

    def _add(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(job, theirs), daemon=True)
        # The first start of a process starts this as well, and that unblocks SIGINT and SIGTERM.
        resource_tracker.ensure_running()
        # A terminal signals all of its processes; this one hears it, and tells the others.
        with signals.blocked():
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    @property
    def is_at_work(self) -> bool:
        """Whether one of them has not yet ended its job."""
        return bool(self._at_work)

    def start(self) -> float:
        """Starts the load in all of them; returns at which moment of `time.monotonic`."""
        start_s = time.monotonic() + _SOON_S
        self._at_work = set(range(len(self._processes)))
        self._tell(start_s)
        return start_s

    def stop(self) -> float:
        """Ends the load early; returns at which moment. To say it again changes nothing."""
        if self._stopped_s is None:
            self._stopped_s = time.monotonic()
            self._tell(self._stopped_s)
        return self._stopped_s

    def reports(self, timeout_s: float) -> Iterator[tuple[int, Seen | Ended | Lost]]:
        """Waits for news, and yields them with the number of the job."""
        ready = wait([self._pipes[number] for number in self._at_work], timeout_s)
        for number in [number for number in self._at_work if self._pipes[number] in ready]:
            report = self._receive(number)
            if not isinstance(report, Seen):
                self._at_work.discard(number)
            yield number, report

    def _tell(self, moment_s: float) -> None:
        for number in self._at_work:
            with suppress(*_GONE):  # which its next report says
                self._pipes[number].send(moment_s)

    def _receive(self, number: int) -> Seen | Ended | Lost:
        try:
            report: Seen | Ended = self._pipes[number].recv()
            return report
        except _GONE:
            process = self._processes[number]
            process.join(1)
            return Lost(process.exitcode)
