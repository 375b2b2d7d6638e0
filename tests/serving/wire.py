"""A client connection of a gateway without a socket: what a client sends, and what it is sent."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from tests.serving.asking import until
from vitrine_serving.gateway.http.answer_heads import AnswerHeads
from vitrine_serving.gateway.http.headers import Cors
from vitrine_serving.gateway.http.messages import Answer
from vitrine_serving.gateway.server.connection import ClientConnection
from vitrine_serving.gateway.server.connections import ClientConnections
from vitrine_serving.gateway.shedding import BodyBudget


class Transport:
    """Stands for asyncio's. `takes` says whether the client reads what it is sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.writes = 0
        self.takes = True
        self.reads = True
        self.is_closed = self.is_aborted = self.has_ended = False
        self.protocol: asyncio.Protocol | None = None
        self.waiting = 0

    def get_extra_info(self, name: str) -> object:
        known = {"peername": ("192.0.2.1", 4711), "socket": SimpleNamespace(fileno=lambda: -1)}
        return known.get(name)

    def set_write_buffer_limits(self, **_: int) -> None: ...

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.sent += data
        self.writes += 1
        if not self.takes:
            self.waiting += len(data)
            self.protocol.pause_writing()

    def take(self) -> None:
        self.waiting = 0
        self.protocol.resume_writing()

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.is_aborted = True
        self.close()


class Echo:
    """An application that answers with what it was asked, and its body."""

    def __init__(self) -> None:
        self.heads = AnswerHeads(Cors(()), tls=False)
        self.budget = BodyBudget(2**30)
        self.metrics = SimpleNamespace(count_shed=lambda _: None)
        self.asked: list[str] = []
        self.left: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reads = True

    async def answer(self, request, body) -> Answer:
        self.asked.append(f"{request.method} {request.path}")
        try:
            await self.may_answer.wait()
            limit = SimpleNamespace(max_bytes=2**25)
            content = await body.read(limit, 30, None) if self.reads else b""
        except asyncio.CancelledError:
            self.left.append(request.path)
            raise
        return Answer(200, b"%s %s " % (request.method.encode(), request.path.encode()) + content)


class Wire:
    """A connection to an application, and its transport; made in the running event loop."""

    def __init__(self, app=None, **options) -> None:
        self.app = app or Echo()
        self.all = ClientConnections(self.app, **options)
        self.transport = Transport()
        self.connection = ClientConnection(self.all)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.transport.protocol.data_received(data)

    async def answers(self, count: int = 1) -> list[tuple[int, bytes]]:
        """Statuses and bodies of so many answers, once they are there; no more may come."""
        await until(lambda: len(self._split()) >= count, "answers")
        assert len(self._split()) == count
        return self._split()

    async def ends(self) -> None:
        await until(lambda: self.transport.is_closed, "its end")

    def _split(self) -> list[tuple[int, bytes]]:
        found, left = [], self.transport.sent
        while b"\r\n\r\n" in left:
            head, _, left = left.partition(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            if status == 100:
                continue
            lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
            size = int(lines.get(b"content-length", b"0"))
            if len(left) < size:
                break
            found.append((status, left[:size]))
            left = left[size:]
        return found


def request(path: str = "/", *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    if body:
        lines = (*lines, b"Content-Length: %d" % len(body))
    head = [b"%b %b HTTP/1.1" % (method, path.encode()), b"Host: x", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


CHUNKED = request("/c", b"Transfer-Encoding: chunked", method=b"POST")
COMING = request("/b", b"Content-Length: 5", method=b"POST")
"""Heads of requests whose bodies are still coming."""
FAR = 100.0
"""Seconds that no test waits for."""


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it in an event loop of its own, for no longer than 30 s."""
    asyncio.run(asyncio.wait_for(main(), 30))


def body_of(answers: list[tuple[int, bytes]]) -> list[bytes]:
    """Returns the bodies of answers that are all 200."""
    assert {status for status, _ in answers} == {200}
    return [body for _, body in answers]
