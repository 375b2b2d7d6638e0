"""Connections of a worker to decoding processes: each is taken for one job."""

import asyncio
import socket
import time
from collections import deque
from typing import NamedTuple

from vitrine_serving.gateway.inference.decoding import jobs
from vitrine_serving.gateway.inference.decoding.processes import take


class Answered(NamedTuple):
    """Answer of a decoding process, and how long it had the job."""

    head: jobs.Head
    content: bytes
    took_s: float


class ProcessEnded(Exception):
    """End of a decoding process `after_s` with a job: by its time limit, or a fault of its own."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s


class Connections:
    """Connections to processes that offer themselves; first come, first served. Used
    in one event loop."""

    def __init__(self, offers: socket.socket) -> None:
        self._offers = offers
        self._waiting: deque[asyncio.Future[socket.socket]] = deque()

    async def ask(self, head: jobs.Head, content: list[bytes], deadline: float) -> Answered:
        """Returns the answer to a job, which is ended at `deadline`, seconds of `time.monotonic`.
        The list with its content is empty once that is sent. Raises `ProcessEnded`."""
        loop = asyncio.get_running_loop()
        while True:
            with await self._take() as connection:
                began = time.monotonic()
                start = jobs.message({**head, "left_s": deadline - began}, len(content[0]))
                try:
                    await loop.sock_sendall(connection, start)
                    await loop.sock_sendall(connection, content[0])
                except ConnectionError:  # it ended after it had offered itself
                    continue
                content.clear()
                try:
                    answer = await _answer(connection)
                except (ConnectionError, EOFError):
                    raise ProcessEnded(time.monotonic() - began) from None
                return Answered(*answer, time.monotonic() - began)

    async def _take(self) -> socket.socket:
        if not self._waiting and (connection := take(self._offers)):
            return connection
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.add_reader(self._offers, self._hand_on)
        waiting: asyncio.Future[socket.socket] = loop.create_future()
        self._waiting.append(waiting)
        return await waiting

    def _hand_on(self) -> None:
        """Gives what is offered to those that wait, as the socket has something to read."""
        while self._waiting:
            if self._waiting[0].done():  # nobody waits any more
                self._waiting.popleft()
            elif connection := take(self._offers):
                self._waiting.popleft().set_result(connection)
            else:  # another worker was quicker
                return
        asyncio.get_running_loop().remove_reader(self._offers)


async def _answer(connection: socket.socket) -> tuple[jobs.Head, bytes]:
    sizes = await _received(connection, jobs.LENGTHS)
    head_bytes, content_bytes = jobs.lengths(sizes)
    head = jobs.parsed(await _received(connection, head_bytes))
    return head, await _received(connection, content_bytes)


async def _received(connection: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        piece = await asyncio.get_running_loop().sock_recv(connection, count - len(content))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)
