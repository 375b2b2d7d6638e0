"""Age of connections: one that is old ends with an answer, so that nothing is lost, and its client
comes to a gateway that was added."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from harness.balancer import Address, Balancer, balancer
from tests.serving.asking import until
from tests.serving.wire import FAR, Echo, Wire, body_of, request, run
from vitrine_serving.gateway.server.connection import ClientConnection
from vitrine_serving.gateway.server.connections import ClientConnections, Patience

AGE_S = 0.1
OLD = Patience(max_age_s=AGE_S)
CLOSE = b"connection: close"


async def grown_old(wire: Wire, ages: float = 1.1) -> None:
    """Waits until a connection that was just made is as old as any may be."""
    old_s = wire.all.loop.time() + ages * AGE_S
    await until(lambda: wire.all.loop.time() > old_s, "its age")


def test_an_old_one_ends_with_its_next_answer():
    """It is told so; what comes behind that is not answered, and resets nothing."""

    async def main() -> None:
        wire = Wire(patience=OLD)
        wire.send(request("/young"))
        await wire.answers(1)
        assert CLOSE not in wire.transport.sent
        await grown_old(wire)
        wire.send(request("/old"))
        await until(lambda: wire.transport.has_ended, "its end")
        assert CLOSE in wire.transport.sent
        wire.send(request("/late"))
        assert body_of(await wire.answers(2)) == [b"GET /young ", b"GET /old "]
        assert wire.app.asked == ["GET /young", "GET /old"]
        assert not wire.transport.is_closed
        wire.connection.connection_lost(None)
        assert wire.all.open == set()

    run(main)


def test_who_does_not_leave_is_left():
    async def main() -> None:
        wire = Wire(patience=OLD)
        await grown_old(wire)
        wire.send(request("/old"))
        await until(lambda: wire.transport.is_aborted, "its end")

    run(main)


def test_an_idle_one_is_not_closed_for_its_age():
    """A request may be on its way, and would be lost."""

    async def main() -> None:
        wire = Wire(patience=OLD)
        wire.send(request("/"))
        await wire.answers(1)
        await grown_old(wire, ages=3)
        assert not wire.transport.is_closed
        assert not wire.transport.has_ended
        wire.send(request("/"))
        await wire.answers(2)

    run(main)


def test_requests_that_have_come_are_answered_first():
    """Of several at once the last answer ends the connection."""

    async def main() -> None:
        wire = Wire(patience=OLD)
        await grown_old(wire)
        wire.send(request("/") * 3)
        await until(lambda: wire.transport.has_ended, "its end")
        assert len(await wire.answers(3)) == 3
        assert wire.transport.sent.count(CLOSE) == 1

    run(main)


@pytest.mark.parametrize(
    "sent",
    [
        request("/b", b"Expect: 100-continue", method=b"POST", body=b"12345"),
        request("/c", b"Transfer-Encoding: chunked", method=b"POST") + b"1\r\nx\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        request("/", method=b"HEAD"),
    ],
    ids=["body", "chunks", "1.0", "HEAD"],
)
def test_whatever_is_asked(sent):
    async def main() -> None:
        wire = Wire(patience=OLD)
        await grown_old(wire)
        for at in range(0, len(sent), 10):
            wire.send(sent[at : at + 10])
        await until(lambda: wire.transport.has_ended, "its end")
        assert wire.transport.sent.count(CLOSE) == 1
        assert wire.transport.sent.startswith(b"HTTP/1.1 ")

    run(main)


def test_the_end_of_a_process_does_not_wait_for_it():
    """An old connection of a process that ends is closed at once, as all others are."""

    async def main() -> None:
        wire = Wire(patience=OLD)
        await grown_old(wire)
        wire.all.begin_ending(FAR)
        wire.send(request("/"))
        await wire.ends()
        assert not wire.transport.has_ended

    run(main)


def test_ages_differ_by_a_tenth():
    """Connections that were made together do not end together; without an age none ends."""

    async def main() -> None:
        made = ClientConnections(Echo(), patience=Patience(max_age_s=1000))
        began_s = made.loop.time()
        ages_s = [made.retires_s() - began_s for _ in range(1000)]
        assert 900 <= min(ages_s) < 920 < 1080 < max(ages_s) < 1101
        assert ClientConnections(Echo()).retires_s() == 0

    run(main)


@contextlib.asynccontextmanager
async def listening(max_age_s: float) -> AsyncIterator[Address]:
    """The address of an application that listens."""
    patience = Patience(max_age_s=max_age_s)
    connections = ClientConnections(Echo(), patience=patience)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ClientConnection(connections), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        connections.leave()


class Clients:
    """Clients that keep a connection each, and ask again as soon as they are answered."""

    def __init__(self, count: int, address: Address) -> None:
        self.url = "http://{}:{}/".format(*address)
        self.answered, self.failed = 0, [""][:0]
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(count)]

    async def _ask(self) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            while True:
                try:
                    async with session.post(self.url, data=b"x" * 1000) as answer:
                        assert await answer.read() == b"POST / " + b"x" * 1000
                        self.answered += 1
                except (aiohttp.ClientError, AssertionError) as error:
                    self.failed.append(repr(error))
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        for each in self._tasks:
            each.cancel()
        await asyncio.wait(self._tasks)


def test_a_gateway_that_is_added_gets_its_share():
    """40 clients of two gateways, behind a balancer of connections: a third has a third of them
    within twice the age, and no request has failed; without an age it has none."""
    age_s = 1.0

    async def share(max_age_s: float) -> tuple[float, list[str], Balancer]:
        async with contextlib.AsyncExitStack() as stack:
            enter = stack.enter_async_context
            targets = [await enter(listening(max_age_s)) for _ in range(3)]
            front = await enter(balancer(targets[:2]))
            clients = Clients(40, front.address)
            await until(lambda: front.open.total() == 40, "all clients")
            assert [front.open[each] for each in targets] == [20, 20, 0]
            front.targets, began_s = targets, asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < began_s + 2 * age_s:
                asked = clients.answered
                await until(lambda: clients.answered > asked, "more answers")  # noqa: B023
            found = front.share(targets[2])
            await clients.end()
            return found, clients.failed, front

    async def main() -> None:
        found, failed, _ = await share(age_s)
        assert failed == []
        assert 0.2 <= found <= 0.46
        found, failed, front = await share(0)
        assert (found, failed, front.made.total()) == (0, [], 40)

    run(main)
