"""What arrives together goes out together, and nobody waits for a timer."""

import asyncio
import time
from itertools import chain

import numpy as np
import pytest

from tests.serving.crowd import Crowd, FakeServer, run
from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_serving.gateway.inference.batcher import Batcher
from vitrine_serving.gateway.shedding import QueueFull


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
        assert crowd.batcher.waiting().get("m", 0) == 6
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


def test_a_batch_that_stalls_is_not_usual():
    """By what is usual it is known which calls take too long."""

    async def test():
        crowd = Crowd(FakeServer())
        for row in range(5):
            await crowd.predict(row)
        before_s = crowd.batcher.usual_s("m")
        stalled = await crowd.hold()
        await asyncio.wait([stalled], timeout=max(0.05, 20 * before_s))
        crowd.server.go_on.set()
        await stalled
        assert before_s < crowd.batcher.usual_s("m") <= 1.5 * before_s

    run(test)


def test_the_deadline_travels():
    """The server gets the time that is left to the most patient of a batch."""

    async def test():
        crowd = Crowd(FakeServer())
        await asyncio.gather(crowd.predict(1, timeout_s=50), crowd.predict(2, timeout_s=20))
        assert 40 < crowd.server.timeouts_s[0] <= 50

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
        assert crowd.batcher.waiting().get("m", 0) == 0

    run(test)


def test_a_model_that_takes_fewer_rows_than_a_batch_has():
    """Requests that were refused together go alone, and later batches are half as large."""

    async def test():
        crowd, most = Crowd(FakeServer(), max_batch_size=8), 3
        send = crowd.server.send

        async def bounded(target, rows, *rest):
            answers = await send(target, rows, *rest)
            if len(rows) > most:
                raise InvalidRequest("too many rows")
            return answers

        crowd.batcher = Batcher(bounded, max_batch_size=8, max_queued_rows=100)
        first = await crowd.hold()
        waiting = [crowd.ask(n) for n in range(1, 15)]
        await crowd.enter(*waiting)
        crowd.server.go_on.set()
        assert [await each for each in (first, *waiting)] == [[n] for n in range(15)]
        assert [len(each) for each in crowd.server.batches] == [1, 8, *[1] * 8, 4, *[1] * 4, 2]

    run(test)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_request_at_fault_does_not_make_batches_smaller(leaves):
    """Nor does one whose client has left when the others are answered."""

    async def test():
        server = FakeServer()

        async def refusing(target, rows, *rest):
            answers = await server.send(target, rows, *rest)
            if 5 in rows:
                if leaves:
                    waiting[4].cancel()
                    await asyncio.wait([waiting[4]])
                raise InvalidRequest("five")
            return answers

        crowd = Crowd(server)
        crowd.batcher = Batcher(refusing, max_batch_size=8, max_queued_rows=100)
        first = await crowd.hold()
        waiting = [crowd.ask(n) for n in range(1, 17)]
        await crowd.enter(*waiting)
        server.go_on.set()
        found = await asyncio.gather(first, *waiting, return_exceptions=True)
        assert isinstance(found[5], asyncio.CancelledError if leaves else InvalidRequest)
        assert [len(each) for each in server.batches] == [1, 8, *[1] * (7 if leaves else 8), 8]

    run(test)


def test_a_server_that_comes_back_takes_what_waits():
    """Also where nobody else comes who would look for it."""

    async def test():
        there = [1]
        crowd = Crowd(FakeServer(), max_batch_size=1, servers=lambda: there[0])
        first = await crowd.hold()
        waiting = crowd.ask(1)
        await crowd.enter(waiting)
        assert crowd.server.batches == [[0]]
        there[0] = 2
        while len(crowd.server.batches) < 2:
            await asyncio.wait([waiting], timeout=0.05)
        crowd.server.go_on.set()
        assert (await first, await waiting) == ([0], [1])

    run(test)


def test_rows_that_cannot_be_joined():
    """Their requests fail at once, and the next one is answered."""

    async def test():
        crowd = Crowd(FakeServer())
        first = await crowd.hold()
        deadline = time.monotonic() + 30
        shapes = ((1,), (1, 2))
        asked = [
            asyncio.create_task(crowd.batcher.ask("m", np.zeros(shape), deadline))
            for shape in shapes
        ]
        await crowd.enter(*asked)
        crowd.server.go_on.set()
        await first
        for task in asked:
            with pytest.raises(ValueError, match="dimensions"):
                await asyncio.wait_for(task, 5)
        assert await crowd.predict(9) == [9]

    run(test)


def test_targets_that_share_a_queue():
    """One bound counts the rows of all of them, and a batch is of one alone."""

    async def test():
        server, told = FakeServer(), []

        async def send(target, *rest):
            told.append(target)
            return await server.send(target, *rest)

        crowd = Crowd(server)
        crowd.batcher = Batcher(send, max_batch_size=8, max_queued_rows=4)
        first = await crowd.hold()
        asked = [crowd.ask(row, target=f"m{row % 2}", queue_name="m") for row in range(1, 5)]
        await crowd.enter(*asked)
        assert crowd.batcher.waiting() == {"m": 4}
        with pytest.raises(QueueFull):
            crowd.batcher.check_room("m", 1, time.monotonic() + 30)
        with pytest.raises(QueueFull):
            await crowd.predict(9, target="m8", queue_name="m")
        crowd.server.go_on.set()
        assert await first == [0]
        assert [await task for task in asked] == [[1], [2], [3], [4]]
        assert told == ["m", "m1", "m0"]
        assert server.batches == [[0], [1, 3], [2, 4]]
        assert crowd.batcher.usual_s("m") > 0

    run(test)


def test_large_rows_that_come_later():
    """They make the batches of those that wait with them smaller."""

    async def test():
        crowd = Crowd(FakeServer())
        first = await crowd.hold()
        asked = [crowd.ask(row, most_rows=2 if row > 2 else None) for row in range(1, 5)]
        await crowd.enter(*asked)
        crowd.server.go_on.set()
        await asyncio.gather(first, *asked)
        assert crowd.server.batches == [[0], [1, 2], [3, 4]]

    run(test)
