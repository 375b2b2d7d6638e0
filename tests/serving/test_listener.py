"""New connections are shared out among processes, and none is lost on the way."""

import asyncio
import multiprocessing
import socket
import sys
from collections import Counter
from importlib.util import find_spec

import pytest

from vitrine_serving.gateway.server import listener
from vitrine_serving.gateway.server.listener import Listener, Shares
from vitrine_serving.gateway.server.worker import new_event_loop


@pytest.mark.parametrize(
    ("counts", "own", "more"),
    [
        ([], 5, False),
        ([5], 5, False),
        ([4], 5, False),
        ([3], 5, True),
        ([0], 1, False),
        ([0], 2, True),
        ([90], 100, False),
        ([80, 100], 100, True),
    ],
)
def test_who_has_more_than_others(counts, own, more):
    """One more, or an eighth, is even; who has nobody beside it never waits."""
    shares = Shares()
    for number, count in enumerate(counts):
        shares.note(number, count)
    assert shares.is_more_than_others(own) == more


def test_who_has_ended_does_not_count():
    """A process that is gone had no connections, and yet nobody waits for it."""
    shares = Shares()
    shares.note(3, 0)
    assert shares.is_more_than_others(9)
    shares.forget(3)
    assert not shares.is_more_than_others(9)


def test_processes_see_each_other():
    """What a forked process notes, the others read."""
    fork = multiprocessing.get_context("fork")
    shares = Shares()
    child = fork.Process(target=shares.note, args=(1, 0))
    child.start()
    child.join(30)
    assert shares.is_more_than_others(2)


class Echo(asyncio.Protocol):
    """Answers with its name, and closes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._name.encode())
        transport.close()


async def names(port: int, count: int) -> Counter:
    """Who answers `count` connections that are opened at once."""

    async def ask() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        name = (await asyncio.wait_for(reader.read(), 20)).decode()
        writer.close()
        return name

    return Counter(await asyncio.gather(*(ask() for _ in range(count))))


def listening(sock: socket.socket, name: str, may_wait=lambda: False) -> Listener:
    return Listener(sock, lambda: Echo(name), may_wait, None, 1.0, 1.0)


def test_who_has_more_leaves_connections_to_others(monkeypatch):
    """Of two that share a socket, the one with fewer gets them; alone, the other takes all."""

    async def main():
        monkeypatch.setattr(listener, "HOLD_BACK_S", 0.2)  # for a slow machine to do its part in
        with socket.create_server(("127.0.0.1", 0), backlog=100) as sock:
            port = sock.getsockname()[1]
            busy = listening(sock, "busy", lambda: True)
            with sock.dup() as same:
                idle = listening(same, "idle")
                shared = await names(port, 50)
                idle.close()
                await idle.wait_closed()
                monkeypatch.undo()
                alone = await names(port, 50)
                busy.close()
        assert shared["idle"] > 40
        assert alone == {"busy": 50}

    asyncio.run(main())


def test_after_its_end_a_listener_takes_nothing():
    """What was taken before is answered; what comes later waits for somebody else."""

    async def main():
        with socket.create_server(("127.0.0.1", 0), backlog=100) as sock:
            port = sock.getsockname()[1]
            first = listening(sock, "first")
            assert await names(port, 3) == {"first": 3}
            first.close()
            await first.wait_closed()
            waiting = asyncio.create_task(names(port, 3))
            await asyncio.wait([waiting], timeout=0.05)
            second = listening(sock, "second")
            assert await waiting == {"second": 3}
            second.close()

    asyncio.run(main())


@pytest.mark.skipif(not find_spec("uvloop"), reason="uvloop is not installed")
def test_the_loop_of_a_worker(monkeypatch):
    """uvloop's, and asyncio's where that is not installed."""
    made = new_event_loop()
    assert type(made).__module__ == "uvloop"
    made.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    made = new_event_loop()
    assert type(made).__module__.startswith("asyncio")
    made.close()
