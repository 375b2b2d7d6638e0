"""What arrives together goes out together; nobody waits for a timer, a loser, or for ever."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from itertools import chain

import numpy as np
import pytest

from vitrine_client.errors import DeadlineExceeded, NotFound, Unavailable
from vitrine_client.predictions import Prediction
from vitrine_serving.gateway.batcher import Batcher


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


class Crowd:
    """Asks a batcher in tasks of their own."""

    def __init__(self, server: FakeServer, **options) -> None:
        self.server = server
        self.batcher = Batcher(
            server.send, **({"max_batch_size": 8, "max_queued_rows": 100} | options)
        )

    async def predict(self, *rows: int, target: str = "m", timeout_s: float = 30) -> list[int]:
        name = f"of {rows[0]}"
        deadline = time.monotonic() + timeout_s
        batched = await self.batcher.predict(target, np.array(rows), deadline, name)
        return [prediction.class_id for prediction in batched.predictions]

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


def test_an_idle_server_is_asked_at_once():
    """Without company a request is a batch of its own."""

    async def test():
        crowd = Crowd(FakeServer())
        assert await crowd.predict(3, 4) == [3, 4]
        assert await crowd.predict(5) == [5]
        assert crowd.server.batches == [[3, 4], [5]]

    run(test)


def test_one_turn_of_the_loop_is_one_batch():
    """What arrives together at an idle server goes out together."""

    async def test():
        crowd = Crowd(FakeServer())
        answers = await asyncio.gather(crowd.predict(1), crowd.predict(2, 3), crowd.predict(4))
        assert answers == [[1], [2, 3], [4]]
        assert crowd.server.batches == [[1, 2, 3, 4]]
        assert crowd.server.names == [["of 1", "of 2", "of 4"]]

    run(test)


def test_who_waits_goes_together_and_gets_their_own_rows():
    """What arrives during a Predict is the next one, up to the largest batch."""

    async def test():
        crowd = Crowd(FakeServer(), max_batch_size=4)
        first = await crowd.hold()
        asked = {rows: crowd.ask(*rows) for rows in ((1,), (2, 3), (4, 5), (6,))}
        await crowd.enter(*asked.values())
        assert crowd.batcher.waiting("m") == 6
        crowd.server.go_on.set()
        assert await first == [0]
        assert [await task for task in asked.values()] == [list(rows) for rows in asked]
        assert crowd.server.batches == [[0], [1, 2, 3], [4, 5, 6]]

    run(test)


def test_more_rows_than_a_batch_go_alone():
    """A request larger than a batch is not torn apart."""

    async def test():
        crowd = Crowd(FakeServer(), max_batch_size=2)
        assert await crowd.predict(*range(5)) == [0, 1, 2, 3, 4]
        assert crowd.server.batches == [[0, 1, 2, 3, 4]]

    run(test)


def test_targets_do_not_wait_for_each_other():
    """While one model's call is held back, another model answers."""

    async def test():
        server, other = FakeServer(), FakeServer()
        crowd = Crowd(server)

        async def send(target, *rest):
            return await (server if target == "m" else other).send(target, *rest)

        crowd.batcher = Batcher(send, max_batch_size=8, max_queued_rows=8)
        first = await crowd.hold()
        assert await crowd.predict(7, target="n") == [7]
        server.go_on.set()
        assert await first == [0]

    run(test)


def test_an_error_reaches_everybody_in_the_batch_and_nobody_else():
    """Whoever was in it gets the error; the next batch is answered."""

    async def test():
        crowd = Crowd(FakeServer())
        crowd.server.error = NotFound("gone")
        first = await crowd.hold()
        others = [crowd.ask(1), crowd.ask(2)]
        await crowd.enter(*others)
        crowd.server.go_on.set()
        for task in (first, *others):
            with pytest.raises(NotFound):
                await task
        crowd.server.error = None
        assert await crowd.predict(9) == [9]

    run(test)


def test_a_full_queue_refuses():
    """Past `max_queued_rows` a request is refused at once; those that wait are answered."""

    async def test():
        crowd = Crowd(FakeServer(), max_queued_rows=2)
        first = await crowd.hold()
        waiting = crowd.ask(1, 2)
        await crowd.enter(waiting)
        with pytest.raises(Unavailable, match="2 images wait") as refused:
            await crowd.predict(3)
        assert refused.value.retry_after_s
        crowd.server.go_on.set()
        assert await first == [0]
        assert await waiting == [1, 2]
        assert crowd.batcher.waiting("m") == 0

    run(test)


def test_who_would_be_too_late_is_refused_at_once():
    """Where batches take longer than the time that is left, nobody is made to wait for nothing."""

    async def test():
        crowd = Crowd(FakeServer(), max_batch_size=1)
        crowd.server.go_on.clear()
        asyncio.get_running_loop().call_later(0.2, crowd.server.go_on.set)
        steady = crowd.ask(0)
        after = crowd.ask(1)
        await steady  # a batch takes 0.2 s, as is known from now on
        crowd.server.go_on.clear()
        with pytest.raises(Unavailable, match="in time"):
            await crowd.predict(2, timeout_s=0.1)
        crowd.server.go_on.set()
        assert await after == [1]
        assert crowd.server.batches == [[0], [1]]

    run(test)


def test_who_waits_too_long_gives_up_and_is_not_sent():
    """After its deadline a request fails, and its rows are taken out of the queue."""

    async def test():
        crowd = Crowd(FakeServer())
        first = await crowd.hold()
        with pytest.raises(DeadlineExceeded):
            await crowd.predict(1, timeout_s=0.05)
        patient = crowd.ask(2)
        await crowd.enter(patient)
        crowd.server.go_on.set()
        assert [await first, await patient] == [[0], [2]]
        assert crowd.server.batches == [[0], [2]]

    run(test)


def test_what_nobody_waits_for_is_dropped():
    """A client that leaves takes its rows out of the queue, or ends a call that is for it alone."""

    async def test():
        crowd = Crowd(FakeServer())
        first = await crowd.hold()
        waiting, gone = crowd.ask(1), crowd.ask(2)
        await crowd.enter(waiting, gone)
        gone.cancel()
        await asyncio.wait([gone], timeout=30)
        assert crowd.batcher.waiting("m") == 1
        first.cancel()
        await asyncio.wait([first], timeout=30)
        crowd.server.go_on.set()
        assert await waiting == [1]
        assert crowd.server.given_up == 1
        assert crowd.server.batches == [[0], [1]]

    run(test)


def test_a_crowd_that_leaves_at_once_sends_nothing():
    """All who would have shared the next call leave before it goes out; who comes then is
    answered."""

    async def test():
        crowd = Crowd(FakeServer())
        first = await crowd.hold()
        others = [crowd.ask(1), crowd.ask(2)]
        await crowd.enter(*others)
        crowd.server.go_on.set()
        assert await first == [0]  # and those who wait are about to be sent
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=30)
        for row in range(5):  # meanwhile nobody comes to take their place
            assert await crowd.predict(row, target="n") == [row]
        assert await crowd.predict(9) == [9]
        assert crowd.server.batches == [[0], [0], [1], [2], [3], [4], [9]]

    run(test)


def test_a_call_that_somebody_waits_for_goes_on():
    """One of two that share a call leaves: the other is answered."""

    async def test():
        crowd = Crowd(FakeServer())
        crowd.server.go_on.clear()
        gone, stays = crowd.ask(1), crowd.ask(2)
        await asyncio.wait_for(crowd.server.running.wait(), 30)
        gone.cancel()
        await asyncio.wait([gone], timeout=30)
        crowd.server.go_on.set()
        assert await stays == [2]
        assert (crowd.server.given_up, crowd.server.batches) == (0, [[1, 2]])

    run(test)


def test_the_deadline_travels():
    """The server gets the time that is left to the most patient of a batch."""

    async def test():
        crowd = Crowd(FakeServer())
        await asyncio.gather(crowd.predict(1, timeout_s=5), crowd.predict(2, timeout_s=2))
        assert 4 < crowd.server.timeouts_s[0] <= 5

    run(test)


def test_many_at_once():
    """Hundreds of requests: each gets its own rows, and few calls are made."""

    async def test():
        crowd = Crowd(FakeServer(), max_batch_size=64, max_queued_rows=10_000)
        rows = [list(range(n, n + 1 + n % 3)) for n in range(600)]
        assert await asyncio.gather(*(crowd.predict(*each) for each in rows)) == rows
        sent = list(chain.from_iterable(crowd.server.batches))
        assert sent == list(chain.from_iterable(rows))
        assert len(crowd.server.batches) < 30
        assert crowd.batcher.waiting("m") == 0

    run(test)
