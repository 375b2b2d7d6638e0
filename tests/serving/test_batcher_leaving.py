"""Nobody is let in who would be too late, and nothing is sent for those who have left."""

import asyncio

import pytest

from tests.serving.crowd import Crowd, FakeServer, run
from vitrine_client.errors import DeadlineExceeded
from vitrine_serving.gateway.shedding import QueueFull, TooLate


def test_a_full_queue_refuses():
    """Past `max_queued_rows` a request is refused at once; those that wait are answered."""

    async def test():
        crowd = Crowd(FakeServer(), max_queued_rows=2)
        first = await crowd.hold()
        waiting = crowd.ask(1, 2)
        await crowd.enter(waiting)
        with pytest.raises(QueueFull, match="2 images wait") as refused:
            await crowd.predict(3)
        assert refused.value.retry_after_s
        crowd.server.go_on.set()
        assert await first == [0]
        assert await waiting == [1, 2]
        assert crowd.batcher.waiting().get("m", 0) == 0

    run(test)


def test_who_would_be_too_late_is_refused_at_once():
    """Where batches take longer than the time that is left, nobody is made to wait for nothing."""

    async def test():
        crowd = Crowd(FakeServer(), max_batch_size=1)
        steady = await crowd.hold()
        asyncio.get_running_loop().call_later(0.2, crowd.server.answer_held)
        after = crowd.ask(1)
        await steady  # a batch takes 0.2 s, as is known from now on
        with pytest.raises(TooLate, match="in time"):
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


def test_each_gives_up_at_its_own_deadline():
    """Whatever the order in which they came, in a batch that is out or before it."""

    async def test():
        crowd = Crowd(FakeServer())
        first = await crowd.hold()
        left = []
        asked = [crowd.ask(row, timeout_s=s) for row, s in enumerate((0.3, 0.1, 0.2, 30), 1)]
        for row, each in enumerate(asked, 1):
            each.add_done_callback(lambda _, row=row: left.append(row))
        crowd.server.answer_held()
        assert await first == [0]
        late = await asyncio.gather(*asked[:3], return_exceptions=True)
        assert {type(each) for each in late} == {DeadlineExceeded}
        crowd.server.go_on.set()
        assert await asked[3] == [4]
        assert left == [2, 3, 1, 4]

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
        assert crowd.batcher.waiting().get("m", 0) == 1
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
