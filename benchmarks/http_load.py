"""Requests to a gateway over connections of its own: as fast as they are answered, or at a rate."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

PICTURE = "image/png"


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request: `status` is 0 where a connection ended without an answer.

    `due_s` is when it was to be sent, by `time.monotonic`; its latency counts from then.
    """

    due_s: float
    latency_s: float
    status: int
    body: bytes


class Connection:
    """Keeps a connection for one request after the other."""

    def __init__(self, url: str, body: bytes, content_type: str = PICTURE) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        self._request = (
            f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, due_s: float | None = None) -> Reply:
        """Sends the request and waits for its answer."""
        due_s = time.monotonic() if due_s is None else due_s
        try:
            status, body = await self._ask()
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            status, body = 0, b""
        return Reply(due_s, time.monotonic() - due_s, status, body)

    async def _ask(self) -> tuple[int, bytes]:
        if not self._reader or not self._writer or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        """Ends the connection; the next request opens another."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None


async def closed_loop(
    url: str,
    body: bytes,
    *,
    connections: int,
    until: Callable[[], bool],
    replies: list[Reply] | None = None,
) -> list[Reply]:
    """Each connection sends its next request when the last was answered, until `until()`.

    Who gives `replies` sees them come.
    """
    replies = [] if replies is None else replies

    async def send() -> None:
        connection = Connection(url, body)
        while not until():
            reply = await connection.ask()
            replies.append(reply)
            if reply.status in (0, 503):  # do not turn a failure into a busy loop
                await asyncio.sleep(0.01)
        connection.close()

    await asyncio.gather(*(send() for _ in range(connections)))
    return replies


async def open_loop(
    url: str, body: bytes, *, rate: float, duration_s: float, connections: int
) -> list[Reply]:
    """Requests are due at a constant rate, whatever becomes of the others; one that finds all
    connections taken waits for one, and its latency counts that."""
    free = [Connection(url, body) for _ in range(connections)]
    room = asyncio.Semaphore(connections)
    replies: list[Reply] = []

    async def send(due_s: float) -> None:
        async with room:
            connection = free.pop()
            replies.append(await connection.ask(due_s))
            free.append(connection)

    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index in range(round(rate * duration_s)):
            due_s = start + index / rate
            if (wait_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(send(due_s))
    for connection in free:
        connection.close()
    return replies


def statuses(replies: Sequence[Reply]) -> dict[int, int]:
    """How many had each status."""
    return dict(Counter(reply.status for reply in replies))


def percentile_ms(replies: Sequence[Reply], share: float) -> float:
    """The latency that `share` (0..100) of them kept, in milliseconds; NaN without any."""
    if not replies:
        return float("nan")
    return 1e3 * float(np.percentile([reply.latency_s for reply in replies], share))
