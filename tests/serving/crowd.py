"""Requests that wait together at a batcher, and the server that it sends to."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

import numpy as np

from vitrine_client.results.predictions import Prediction
from vitrine_serving.gateway.inference.batcher import Batcher


class FakeServer:
    """Answers a row by its own number; notes its batches, and can be held back."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.batches: list[list[int]] = []
        self.timeouts_s: list[float] = []
        self.names: list[list[str]] = []
        self.given_up = 0
        self.running, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def send(self, target, rows, timeout_s, names):
        self.batches.append(rows.tolist())
        self.timeouts_s.append(timeout_s)
        self.names.append(list(names))
        self.running.set()
        try:
            await asyncio.wait_for(self.go_on.wait(), 30)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.error:
            raise self.error
        return [Prediction(target, int(row), 1.0, {}, target, 1) for row in rows]

    def answer_held(self) -> None:
        """Lets go what is held back now, and nothing that comes later."""
        self.go_on.set()
        self.go_on.clear()


class Crowd:
    """Asks a batcher in tasks of their own."""

    def __init__(self, server: FakeServer, **options) -> None:
        self.server = server
        self.batcher = Batcher(
            server.send, **({"max_batch_size": 8, "max_queued_rows": 100} | options)
        )

    async def predict(
        self, *rows: int, target: str = "m", timeout_s: float = 30, **options
    ) -> list[int]:
        name = f"of {rows[0]}"
        deadline = time.monotonic() + timeout_s
        batched = await self.batcher.ask(target, np.array(rows), deadline, name, **options)
        return [prediction.class_id for prediction in batched.answers]

    def ask(self, *rows: int, **options) -> "asyncio.Task[list[int]]":
        return asyncio.create_task(self.predict(*rows, **options))

    async def hold(self) -> "asyncio.Task[list[int]]":
        """Sends row 0, which the server holds back."""
        self.server.go_on.clear()
        first = self.ask(0)
        await asyncio.wait_for(self.server.running.wait(), 30)
        return first

    async def enter(self, *tasks: "asyncio.Task[list[int]]") -> None:
        """Lets tasks that were just made run until they wait."""
        await asyncio.wait(tasks, timeout=0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test in a loop; what fails in a task of the batcher's own fails the test, too."""
    failures = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(
            lambda _, failure: failures.append(failure)
        )
        await asyncio.wait_for(test(), 60)
        gc.collect()  # a task whose error nobody has asked for says so when it is gone

    asyncio.run(main())
    assert failures == []
