"""Requests of a connection: their order, their pieces, what is none, and bodies that are still
coming."""

import asyncio
import json

import pytest

from tests.serving.asking import until
from tests.serving.wire import CHUNKED, COMING, FAR, Echo, Wire, body_of, request, run
from vitrine_client.errors import PayloadTooLarge
from vitrine_serving.gateway.http.messages import Answer
from vitrine_serving.gateway.http.reading import BodyLimit
from vitrine_serving.gateway.server.connections import Patience


def test_a_request_is_one_write():
    """Head and body of the answer go out together; a HEAD has the head alone."""

    async def main() -> None:
        wire = Wire()
        wire.send(request("/a", method=b"POST", body=b"hello"))
        assert body_of(await wire.answers()) == [b"POST /a hello"]
        assert wire.transport.writes == 1
        wire.transport.sent = b""
        wire.send(request("/a", method=b"HEAD"))
        await until(lambda: wire.transport.sent, "the head")
        assert wire.transport.sent.endswith(b"content-length: 8\r\n\r\n")
        assert not wire.transport.is_closed

    run(main)


def test_requests_byte_by_byte():
    """However it is cut, it is the same."""

    async def main() -> None:
        sent = (
            request("/a", body=b"abc") + CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n" + request("/d")
        )
        for step in (1, 2, 3, 7, 50, 1000):
            wire = Wire()
            for start in range(0, len(sent), step):
                wire.send(sent[start : start + step])
                await asyncio.sleep(0)
            assert body_of(await wire.answers(3)) == [b"GET /a abc", b"POST /c abc", b"GET /d "]

    run(main)


def test_pipelined_requests_are_answered_in_their_order():
    """One after the other, empty lines between them or not; more than a little is not taken."""

    async def main() -> None:
        wire = Wire()
        wire.send(b"\r\n" + b"\r\n".join(request(f"/{n}") for n in range(50)))
        assert wire.app.asked == []
        await wire.answers(50)
        assert wire.app.asked == [f"GET /{n}" for n in range(50)]
        wire.app.may_answer.clear()
        wire.transport.sent = b""
        for _ in range(20):
            wire.send(request("/", body=bytes(8192)))
        await asyncio.sleep(0)
        assert len(wire.app.asked) == 51
        assert not wire.transport.reads
        wire.app.may_answer.set()
        await wire.answers(20)
        assert wire.transport.reads

    run(main)


def test_an_offer_of_another_protocol_has_its_body():
    """Java's client offers HTTP/2 with its first POST."""

    async def main() -> None:
        wire = Wire()
        offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA")
        wire.send(request("/a", *offer, method=b"POST", body=b"hello") + request("/b"))
        assert body_of(await wire.answers(2)) == [b"POST /a hello", b"GET /b "]

    run(main)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 5000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000, 431),
        (request("/", b"Transfer-Encoding: gzip"), 501),
    ],
    ids=["nonsense", "LF", "no host", "address", "header", "coding"],
)
def test_what_is_no_request_is_told_so(sent, status):
    """As a problem; the rest is read for a moment, so that nothing resets the answer, and is
    not taken for a request."""

    async def main() -> None:
        wire = Wire(patience=Patience(keepalive_s=FAR))
        wire.send(request("/good") + sent)
        await until(lambda: wire.transport.has_ended, "the end of what is sent")
        wire.send(b"\r\n\r\n" + request("/bad"))
        (_, (told, body)) = await wire.answers(2)
        assert (told, json.loads(body)["status"]) == (status, status)
        assert b"connection: close" in wire.transport.sent
        assert b"problem+json" in wire.transport.sent
        assert not wire.transport.is_closed
        assert wire.app.asked == ["GET /good"]
        if status == 501:  # one of them, as it takes a second
            await wire.ends()
            assert wire.transport.is_aborted

    run(main)


def test_a_body_that_is_asked_for():
    """`100 Continue` is sent once somebody reads the body, and not before, nor where it has come
    already."""

    async def main() -> None:
        expecting = request("/b", b"Expect: 100-Continue", b"Content-Length: 5", method=b"POST")
        wire = Wire()
        wire.app.may_answer.clear()
        wire.send(expecting)
        await until(lambda: wire.app.asked, "the request")
        assert wire.transport.sent == b""
        wire.app.may_answer.set()
        await until(lambda: wire.transport.sent, "the question")
        assert wire.transport.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"hello")
        assert body_of(await wire.answers()) == [b"POST /b hello"]
        wire.transport.sent = b""
        wire.send(expecting + b"hello")
        assert body_of(await wire.answers()) == [b"POST /b hello"]
        wire.transport.sent = b""
        wire.app.reads = False
        wire.send(expecting)
        await wire.ends()
        assert wire.transport.sent.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in wire.transport.sent

    run(main)


def test_a_body_that_was_asked_for_and_is_refused():
    """The rest is read for a while: its sender does not wait any more, and sees the answer."""

    class Strict(Echo):
        async def answer(self, request, body):
            try:
                await body.read(BodyLimit(4, "send less"), FAR, None)
            except PayloadTooLarge:
                return Answer(413, b"")
            return Answer(200, b"")

    async def main() -> None:
        wire = Wire(Strict())
        expecting = (b"Expect: 100-continue", b"Transfer-Encoding: chunked")
        wire.send(request("/c", *expecting, method=b"POST"))
        await until(lambda: wire.transport.sent, "the question")
        wire.send(b"5\r\nhello\r\n")
        assert await wire.answers() == [(413, b"")]
        wire.send(b"1\r\nx\r\n0\r\n\r\n" + request("/a"))
        assert await wire.answers(2) == [(413, b""), (200, b"")]

    run(main)


def test_a_body_that_nobody_reads_is_dropped():
    """It is read for a while after the answer, and the connection goes on where it ends."""

    async def main() -> None:
        wire = Wire()
        wire.app.reads = False
        for sent in (COMING, CHUNKED):
            wire.transport.sent = b""
            wire.send(sent)
            await wire.answers()
            wire.send(b"5\r\nhello\r\n0\r\n\r\n" if sent is CHUNKED else b"hello")
            wire.send(request("/a"))
            assert body_of(await wire.answers(2))[1] == b"GET /a "
        assert not wire.transport.is_closed

    run(main)


def test_little_is_taken_of_a_body_that_nobody_reads():
    """And all of it once somebody does."""

    async def main() -> None:
        wire = Wire()
        wire.app.may_answer.clear()
        size, part = 2**21, bytes(2**16)
        wire.send(request("/b", b"Content-Length: %d" % size, method=b"POST"))
        sent = 0
        while wire.transport.reads:
            wire.send(part)
            sent += len(part)
        assert sent < 2**19
        wire.app.may_answer.set()
        await until(lambda: wire.transport.reads, "a reader")
        while sent < size:
            wire.send(part)
            sent += len(part)
            await asyncio.sleep(0)
        ((_, body),) = await wire.answers()
        assert len(body) == len(b"POST /b ") + size

    run(main)


def test_a_chunk_that_is_none():
    """Who reads the body is told so; nothing after it is a request."""

    async def main() -> None:
        wire = Wire()
        wire.app.reads = False
        wire.send(CHUNKED + b"x\r\n" + request("/smuggled"))
        await wire.ends()
        assert b"connection: close" in wire.transport.sent
        assert wire.app.asked == ["POST /c"]
        assert len(await wire.answers()) == 1

    run(main)
