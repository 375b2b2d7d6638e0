"""What the client for asyncio does by itself: cancelling, asynchronous iterables, many at once."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from harness.paths import SAMPLES
from harness.waiting import wait_for
from tests.client.fake_gateway import LONGEST_S, Asked, FakeGateway, Reply, predicting, problem
from vitrine_client import errors
from vitrine_client.aio import AsyncClient

NUMBERED = [b"%d" % number for number in range(40)]


class Held:
    """Answers nobody before it is opened, but those who send `free`."""

    def __init__(self, *free: bytes) -> None:
        self._free = free
        self._open = threading.Event()

    def __call__(self, asked: Asked) -> Reply:
        if not set(self._free) & set(asked.pictures):
            self._open.wait(LONGEST_S)
        return predicting(asked)

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.set()


def test_many_calls_share_a_client():
    """Fifty at once are under way at once, and each gets its own answer."""
    all_there = threading.Barrier(50, timeout=LONGEST_S)

    def answer(asked: Asked) -> Reply:
        all_there.wait()
        return predicting(asked)

    async def ask(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            pictures = [b"%d" % number for number in range(50)]
            found = await asyncio.gather(*(client.predict(picture) for picture in pictures))
            return [each.label for each in found]

    with FakeGateway(answer) as gateway:
        assert asyncio.run(ask(gateway.url)) == [str(number) for number in range(50)]


def test_connections_are_kept():
    """One after the other, calls share a connection."""

    async def ask(url: str) -> None:
        client = AsyncClient(url)
        for _ in range(3):
            await client.predict(b"a")
        await client.close()

    with FakeGateway() as gateway:
        asyncio.run(ask(gateway.url))
    assert [asked.connection for asked in gateway.asked] == [1, 1, 1]


def test_cancelling_a_call_ends_it_at_once():
    """It is no error of the gateway's, it is not tried again, and the client can go on."""

    async def time_is_over(limit: asyncio.Timeout, gateway: FakeGateway) -> None:
        await asyncio.to_thread(wait_for, lambda: gateway.in_flight == 1, LONGEST_S, "the call")
        limit.reschedule(0)

    async def ask(gateway: FakeGateway) -> str:
        async with AsyncClient(gateway.url, timeout_s=LONGEST_S) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(None) as limit:
                    ending = asyncio.create_task(time_is_over(limit, gateway))
                    await client.predict(b"held")
            await ending
            return (await client.predict(b"free")).label

    with Held(b"free") as held, FakeGateway(held) as gateway:
        assert asyncio.run(ask(gateway)) == "free"
    assert len(gateway.asked) == 2


def test_an_asynchronous_iterable():
    """Pictures may come from anywhere that takes its time, in order and few at once."""
    taken, ahead = 0, []

    async def pictures() -> AsyncIterator[bytes]:
        nonlocal taken
        for picture in NUMBERED:
            taken += 1
            await asyncio.sleep(0)
            yield picture

    async def ask(url: str) -> list[str]:
        found = []
        async with AsyncClient(url) as client:
            async for each in client.predict_many(pictures(), batch_size=3, concurrency=2):
                ahead.append(taken - len(found))
                found.append(each.label)
        return found

    with FakeGateway() as gateway:
        assert asyncio.run(ask(gateway.url)) == [picture.decode() for picture in NUMBERED]
    assert max(ahead) <= 3 * 3
    assert gateway.most_in_flight <= 2


def test_leaving_the_loop_ends_what_is_under_way():
    """After `break` nothing is asked any more, and no task is left, although the gateway does not
    answer."""

    async def ask(url: str) -> set[str]:
        async with AsyncClient(url) as client:
            many = client.predict_many(NUMBERED, batch_size=2, concurrency=3)
            async with aclosing(many) as found:
                async for each in found:
                    assert each.label == "0"
                    break
            return {task.get_name() for task in asyncio.all_tasks()} - {
                asyncio.current_task().get_name()
            }

    with Held(b"0") as held, FakeGateway(held) as gateway:
        assert asyncio.run(ask(gateway.url)) == set()
        assert len(gateway.asked) <= 4


def test_cancelling_the_loop_ends_what_is_under_way():
    """Who is cancelled while waiting for a batch waits no more, and leaves no task behind."""

    async def ask(gateway: FakeGateway) -> int:
        async with AsyncClient(gateway.url) as client:

            async def all_of_them() -> None:
                async for _ in client.predict_many(NUMBERED, batch_size=2, concurrency=3):
                    pass

            task = asyncio.create_task(all_of_them())
            await asyncio.to_thread(
                wait_for, lambda: gateway.in_flight == 3, LONGEST_S, "three calls"
            )
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(asyncio.all_tasks())

    with Held() as held, FakeGateway(held) as gateway:
        assert asyncio.run(ask(gateway)) == 1
    assert len(gateway.asked) == 3


def test_errors_come_in_their_turn():
    """What was answered before a batch fails is had; then it is raised, and nothing is left."""

    def answer(asked: Asked) -> Reply:
        return problem(404, "gone") if b"4" in asked.pictures else predicting(asked)

    async def ask(url: str) -> list[str]:
        found = []
        async with AsyncClient(url) as client:
            with pytest.raises(errors.NotFound, match="gone"):
                async for each in client.predict_many(NUMBERED, batch_size=2, concurrency=4):
                    found.append(each.label)  # noqa: PERF401 - it raises
            assert len(asyncio.all_tasks()) == 1
        return found

    with FakeGateway(answer) as gateway:
        assert asyncio.run(ask(gateway.url)) == ["0", "1", "2", "3"]


def test_the_loop_is_not_held_up():
    """While a file is read others have their turn."""
    let_go = threading.Event()

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            many = client.predict_many([SlowPath(let_go)])
            asking = asyncio.create_task(anext(many))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, let_go.set)
            assert (await asking).label == "blank"
            await many.aclose()

    with FakeGateway() as gateway:
        asyncio.run(ask(gateway.url))


class SlowPath:
    """A path that is known once somebody says so."""

    def __init__(self, known: threading.Event) -> None:
        self._known = known

    def __fspath__(self) -> str:
        assert self._known.wait(LONGEST_S)
        return str(SAMPLES[0])
