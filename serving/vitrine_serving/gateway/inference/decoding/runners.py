"""Runners of decoding jobs: in processes, or in a thread where no master has started any.

Either is given the content of a job in a list, which it empties as soon as it can: a file of 32 MB
is in memory once then.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from vitrine_client.errors import DeadlineExceeded, InvalidRequest, Unavailable
from vitrine_serving.gateway.inference.decoding import jobs
from vitrine_serving.gateway.inference.decoding.connections import (
    Answered,
    Connections,
    ProcessEnded,
)
from vitrine_serving.gateway.inference.decoding.jobs import Head, Tasks
from vitrine_serving.gateway.inference.decoding.processes import DecodingProcesses

log = logging.getLogger(__name__)


class JobRefused(InvalidRequest):
    """Job that takes too long."""


class Runner(Protocol):
    """Runner of jobs, `count` at a time; `ended` is how many processes have ended with one."""

    count: int
    ended: int

    async def run(self, head: Head, content: list[bytes], deadline: float) -> Answered:
        """Runs a job until `deadline`, in seconds of `time.monotonic`; returns its answer.

        Raises `JobRefused`, `Unavailable` where its process ends by itself, `DeadlineExceeded`, and
        what its task raises.
        """


class ThreadRunner:
    """Runner of jobs in one thread, where nothing ends them."""

    count = 1
    ended = 0

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._thread = ThreadPoolExecutor(1, "decode")

    async def run(self, head: Head, content: list[bytes], deadline: float) -> Answered:
        """Runs a job; see `Runner`."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, jobs.done, self._tasks, head, content.pop())
        try:
            async with asyncio.timeout_at(deadline):
                answer, made = await work
        except TimeoutError:
            raise _too_late() from None
        return Answered(jobs.checked(answer), made, time.monotonic() - began)


class ProcessRunner:
    """Runner of jobs in decoding processes."""

    def __init__(self, processes: DecodingProcesses) -> None:
        self.count = processes.count
        self.ended = 0
        self._limit_s = processes.limit_s
        self._connections = Connections(processes.offers)

    async def run(self, head: Head, content: list[bytes], deadline: float) -> Answered:
        """Runs a job; see `Runner`."""
        try:
            async with asyncio.timeout_at(deadline):
                answered = await self._connections.ask(head, content, deadline)
        except TimeoutError:
            raise _too_late() from None
        except ProcessEnded as ended:
            self.ended += 1
            log.warning("A decoding process has ended, %.2f s after it was asked", ended.after_s)
            raise self._reason(ended, deadline) from None
        return answered._replace(head=jobs.checked(answered.head))

    def _reason(self, ended: ProcessEnded, deadline: float) -> Exception:
        if ended.after_s >= self._limit_s:
            return JobRefused(
                f"What was sent takes longer than {self._limit_s:g} s to decode; save a picture "
                "again as an ordinary JPEG or PNG, and send less JSON at once"
            )
        if time.monotonic() >= deadline:
            return _too_late()
        return Unavailable(
            "The process that decoded this has ended; try again, and if that repeats save the "
            "picture again"
        )


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded(
        "What was sent was not decoded in time; send smaller pictures or less JSON at once, or try "
        "again later"
    )
