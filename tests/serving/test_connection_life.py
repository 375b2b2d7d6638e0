"""Life of a connection: keep-alive, idle timeouts, clients that leave or read nothing, its end."""

import asyncio

import pytest

from tests.serving.asking import until
from tests.serving.wire import CHUNKED, COMING, FAR, Wire, request, run
from vitrine_serving.gateway.server.connections import Patience
from vitrine_serving.gateway.server.draining import Draining


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (request("/"), False),
        (request("/", b"Connection: close"), True),
        (request("/", b"Connection: Upgrade", b"Upgrade: websocket"), False),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", True),
    ],
    ids=["1.1", "close", "upgrade", "1.0", "1.0 keep-alive", "CONNECT"],
)
def test_the_end_of_a_connection_is_told(sent, closes):
    """What comes after it is not answered; HTTP/1.0 is told that there is more, too."""

    async def main() -> None:
        wire = Wire()
        wire.send(sent + sent)
        if closes:
            await wire.ends()
            assert len(wire.app.asked) == 1
        else:
            await wire.answers(2)
        assert (b"connection: close" in wire.transport.sent) == closes
        told = b"connection: keep-alive" in wire.transport.sent
        assert told or closes or b"1.0" not in sent

    run(main)


def test_who_leaves_has_asked_nothing():
    """What was asked is dropped with the connection, while it is answered, and while its body
    comes."""

    async def main() -> None:
        for sent in (request("/a"), COMING, CHUNKED):
            wire = Wire()
            wire.app.may_answer.clear()
            wire.send(sent)
            await until(lambda wire=wire: wire.app.asked, "the request")
            wire.connection.connection_lost(None)
            await until(lambda wire=wire: wire.app.left, "its end")
            assert wire.transport.sent == b""
            assert wire.all.open == set()

    run(main)


def test_time_for_the_first_head_and_between_requests():
    """A connection without a request is closed when its time is over, and not while one is
    answered; each answer begins its time anew."""

    async def main() -> None:
        busy = Wire(patience=Patience(header_s=0.02, keepalive_s=FAR))
        busy.app.may_answer.clear()
        busy.send(request("/"))
        asked = Wire(patience=Patience(header_s=0.02, keepalive_s=FAR))
        asked.send(request("/"))
        short = Wire(patience=Patience(header_s=FAR, keepalive_s=0.02))
        short.send(request("/"))
        silent = Wire(patience=Patience(header_s=0.02))  # the last: the others' time ends first
        silent.send(b"GET / HT")
        await silent.ends()
        await short.ends()
        assert silent.transport.sent == b""
        assert not busy.transport.is_closed
        assert not asked.transport.is_closed
        busy.app.may_answer.set()
        await busy.answers()
        assert not busy.transport.is_closed

    run(main)


def test_a_time_that_is_now():
    """Whose timer, of uvloop's, does not tell when it is: what comes just then is answered."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        wire = Wire(patience=Patience(header_s=0.0))
        wire.send(b"nonsense\r\n\r\n")
        ((status, _),) = await wire.answers()
        assert status == 400

    uvloop.run(main())


def test_no_keep_alive():
    """gunicorn's 0: each connection has one request."""

    async def main() -> None:
        wire = Wire(patience=Patience(keepalive_s=0))
        wire.send(request("/"))
        await wire.ends()
        assert b"connection: close" in wire.transport.sent

    run(main)


def test_the_end_of_a_process():
    """Who has a request in hand is answered and told; who has none is closed, in its own time."""

    async def main() -> None:
        busy, idle = Wire(), Wire()
        idle.send(request("/"))
        await idle.answers()
        busy.app.may_answer.clear()
        busy.send(request("/") + request("/late"))
        await until(lambda: busy.app.asked, "the request")
        for wire in (busy, idle):
            wire.all.begin_ending(0.0)
        await idle.ends()
        assert not busy.transport.is_closed
        busy.app.may_answer.set()
        await busy.ends()
        assert len(await busy.answers()) == 1
        assert b"connection: close" in busy.transport.sent

    run(main)


def test_draining_and_worn_out_processes_close():
    """Each answer of a gateway that is about to end is the last of its connection, and so is that
    which is the last of a process."""

    async def main() -> None:
        draining = Draining()
        draining.begin()
        wire = Wire(draining=draining)
        wire.send(request("/"))
        await wire.ends()
        worn: list[int] = []
        wire = Wire(most_requests=2, wear_out=lambda: (worn.append(1), wire.all.begin_ending(FAR)))
        wire.send(request("/") * 3)
        await wire.ends()
        assert len(await wire.answers(2)) == 2
        assert worn == [1]

    run(main)


def test_too_many_connections():
    """One too many is told so and read for a moment, and counts for no other."""

    async def main() -> None:
        wire = Wire(most=1)
        other = Wire(wire.app)
        other.all = wire.all
        refused = type(wire.connection)(wire.all)
        other.transport.sent = b""
        refused.connection_made(other.transport)
        assert other.transport.sent.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in other.transport.sent
        assert (len(wire.all.open), wire.all.refused) == (1, 1)
        other.send(request("/"))
        await other.ends()
        await until(lambda: not wire.all.refused, "its end")

    run(main)


def test_an_answer_waits_for_its_reader():
    """The next request is begun when the answer was taken, and a large one goes out in pieces;
    who takes nothing for long is left."""

    async def main() -> None:
        wire = Wire(patience=Patience(answer_s=FAR))
        wire.transport.takes = False
        wire.send(request("/a", body=bytes(200_000)) + request("/b"))
        await until(lambda: wire.transport.sent, "the head")
        assert len(wire.transport.sent) < 1000
        for _ in range(3):
            before = len(wire.transport.sent)
            wire.transport.take()
            await until(lambda: len(wire.transport.sent) > before, "a piece")  # noqa: B023
            assert len(wire.transport.sent) - before <= 65536
        assert wire.app.asked == ["GET /a"]
        wire.transport.takes = True
        wire.transport.take()
        await wire.answers(2)
        slow = Wire(patience=Patience(answer_s=0.01))
        slow.transport.takes = False
        slow.send(request("/a"))
        await slow.ends()
        assert slow.transport.is_aborted

    run(main)


def test_an_answer_that_is_cancelled_inside_ends_the_connection():
    """By nobody's leaving: the client is not to wait for ever."""

    async def main() -> None:
        wire = Wire()

        async def answer(*_: object) -> None:
            raise asyncio.CancelledError

        wire.app.answer = answer
        wire.send(request("/a"))
        await wire.ends()
        assert wire.transport.is_aborted

    run(main)


def test_a_fault_in_sending_ends_the_connection(caplog):
    """A header that would be two is not sent, and the log says so."""

    async def main() -> None:
        wire = Wire()
        wire.app.heads.head = lambda *_, **__: 1 / 0
        wire.send(request("/a") + request("/b"))
        await wire.ends()
        assert wire.transport.sent == b""

    run(main)
    assert "GET /a failed" in caplog.text
