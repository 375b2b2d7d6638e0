"""Admission queue of decoding jobs: admits those that can be done in time, and learns costs."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vitrine_serving.gateway.inference.decoding.connections import Answered
from vitrine_serving.gateway.inference.decoding.jobs import Head
from vitrine_serving.gateway.inference.decoding.load import DecodingLoad, Work
from vitrine_serving.gateway.inference.decoding.runners import Runner


class DecodingQueue:
    """Admission queue of one process, used in its event loop; `slot` is that of the process in
    `load`."""

    def __init__(self, runner: Runner, load: DecodingLoad | None = None, slot: int = 0) -> None:
        self._runner = runner
        self._load = load or DecodingLoad(1)
        self._slot = slot

    @property
    def waiting_s(self) -> float:
        """Seconds of work that wait, as estimated."""
        return self._load.waiting_s(self._slot)

    @property
    def processes_ended(self) -> int:
        """Decoding processes that ended with a job of this queue."""
        return self._runner.ended

    @contextmanager
    def admitted(self, work: Sequence[Work], deadline: float) -> "Iterator[AdmittedJobs]":
        """Lets in jobs of so much work, all or none, for the time of a block.

        Raises `TooLate` where more waits than is done by `deadline`, seconds of `time.monotonic`.
        """
        jobs = AdmittedJobs(self._runner, self._load, self._slot, work, deadline)
        try:
            yield jobs
        finally:
            jobs.leave()


class AdmittedJobs:
    """Admitted jobs: let in together, and run one after the other. Raises `TooLate`."""

    def __init__(
        self, runner: Runner, load: DecodingLoad, slot: int, work: Sequence[Work], deadline: float
    ) -> None:
        self._runner = runner
        self._load = load
        self._slot = slot
        self._deadline = deadline
        self._left = deque((each, load.cost_us(each)) for each in work)
        cost_us = sum(cost_us for _, cost_us in self._left)
        load.admit(cost_us, runner.count, deadline)
        load.add(slot, cost_us)

    async def run(self, head: Head, content: list[bytes]) -> Answered:
        """Runs the next one; raises what `Runner.run` does."""
        work, cost_us = self._left.popleft()
        try:
            answered = await self._runner.run(head, content, self._deadline)
        finally:
            self._load.add(self._slot, -cost_us)
        self._load.learn(work, answered.took_s)
        return answered

    def leave(self) -> None:
        """Takes out those that did not run."""
        while self._left:
            self._load.add(self._slot, -self._left.popleft()[1])
