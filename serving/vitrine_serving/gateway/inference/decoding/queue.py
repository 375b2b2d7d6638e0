"""Queue of decoding jobs: lets in what can be done in time, and learns what jobs take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vitrine_client.images.headers import Header
from vitrine_serving.gateway.inference.decoding.connections import Answered
from vitrine_serving.gateway.inference.decoding.jobs import Head
from vitrine_serving.gateway.inference.decoding.load import DecodingLoad
from vitrine_serving.gateway.inference.decoding.runners import Runner


class DecodingQueue:
    """Queue of one process, used in its event loop; `slot` is that of the process in `load`."""

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
    def admitted(
        self, headers: Sequence[Header], sizes: Sequence[int], deadline: float
    ) -> "Iterator[AdmittedJobs]":
        """Lets in jobs for what has these headers and sizes in bytes, all or none, for the time of
        a block.

        Raises `TooLate` where more waits than is done by `deadline`, seconds of `time.monotonic`.
        """
        costs_us = list(map(self._load.cost_us, headers, sizes))
        self._load.admit(sum(costs_us), self._runner.count, deadline)
        self._load.add(self._slot, sum(costs_us))
        admitted = AdmittedJobs(self, [*zip(headers, costs_us, strict=True)], deadline)
        try:
            yield admitted
        finally:
            self._load.add(self._slot, -sum(cost_us for _, cost_us in admitted.left))

    async def run(
        self, header: Header, cost_us: int, head: Head, content: list[bytes], deadline: float
    ) -> Answered:
        """Runs a job that was let in; raises what `Runner.run` does."""
        try:
            answered = await self._runner.run(head, content, deadline)
        finally:
            self._load.add(self._slot, -cost_us)
        self._load.learn(header, answered.took_s)
        return answered


class AdmittedJobs:
    """Jobs that were let in together, and run one after the other."""

    def __init__(
        self, queue: DecodingQueue, left: list[tuple[Header, int]], deadline: float
    ) -> None:
        self._queue = queue
        self._deadline = deadline
        self.left = left

    async def run(self, head: Head, content: list[bytes]) -> Answered:
        """Runs the next one; raises what `Runner.run` does."""
        header, cost_us = self.left.pop(0)
        return await self._queue.run(header, cost_us, head, content, self._deadline)
