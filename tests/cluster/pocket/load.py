"""Load of the pocket cluster: an open loop of requests, from clients of two kinds.

*fresh* ones make a connection for each request and try a name's next address where one refuses, as
curl does. *kept* ones keep theirs, and come through the ClusterIP: one endpoint is picked at
random, and refused is refused; `--next` has them try the next as well. None sends a request twice.

`python -m tests.cluster.pocket.load FOLDER NAME PORT SECONDS [--next]` writes `answers.npy`, a row
for each request: when it was due and when its answer was there, by `time.monotonic`; the number of
the gateway's pod, 0 for none; and what came of it.
"""

import asyncio
import contextlib
import enum
import gc
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.cluster.pocket.namespaces import number_of
from tests.cluster.pocket.pictures import Picture, load

RATE = 150
CLIENTS = 16
"""Of each kind."""

TIMEOUT_S = 10.0
_LOOKUP_S = 1.0
"""The DNS' time to live."""

_PATH = "/v1/models/mlp:predict"


class Outcome(enum.IntEnum):
    """What came of a request."""

    RIGHT = 0
    WRONG = 1
    REFUSED = 2
    """No address took the connection."""

    CLOSED = 3
    """The connection ended before the answer did."""

    TIMED_OUT = 4
    STATUS = 5
    """Another status than 200."""


class Addresses:
    """Addresses of a name, looked up each second; what is known stays where that fails."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        self.known: list[str] = []

    async def keep(self) -> None:
        """Looks up until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError):
                found = await loop.getaddrinfo(self.name, self.port, proto=6)
                self.known = sorted({str(place[0]) for *_, place in found})
            await asyncio.sleep(_LOOKUP_S)

    async def connect(self, tries_next: bool) -> "Connection":
        """Returns a connection to one of them; or to the next, if those before refuse."""
        error: OSError = ConnectionRefusedError("no address is known")
        for address in random.sample(self.known, len(self.known) if tries_next else 1):
            try:
                return Connection(address, *await asyncio.open_connection(address, self.port))
            except OSError as refused:
                error = refused
        raise error


@dataclass
class Connection:
    """Connection to a gateway."""

    address: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_kept: bool = True

    @property
    def is_open(self) -> bool:
        """Whether the gateway still has it, as far as one can see."""
        return self.is_kept and not self.reader.at_eof() and not self.writer.is_closing()

    async def send(self, body: bytes) -> tuple[int, bytes]:
        """Returns the status and the content of an answer."""
        head = f"POST {_PATH} HTTP/1.1\r\nHost: vitrine\r\nContent-Type: application/x-npy\r\n"
        self.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self.is_kept = headers.get("connection") != "close"
        return int(lines[0].split()[1]), await self.reader.readexactly(
            int(headers["content-length"])
        )


class Load:
    """Requests at a steady rate; each waits for a client of its kind that is free."""

    def __init__(self, addresses: Addresses, pictures: list[Picture], tries_next: bool) -> None:
        self.rows: list[tuple[float, float, int, int]] = []
        self.said: dict[str, int] = {}
        """Errors, and how often each was."""
        self._addresses, self._pictures, self._tries_next = addresses, pictures, tries_next
        self._due: tuple[asyncio.Queue[float], asyncio.Queue[float]] = (
            asyncio.Queue(),
            asyncio.Queue(),
        )

    async def run(self, for_s: float) -> None:
        """Sends for some seconds, and waits for the answers."""
        clients = [
            asyncio.create_task(work())
            for work in (self._kept, self._fresh)
            for _ in range(CLIENTS)
        ]
        began_s = time.monotonic()
        for number in range(int(for_s * RATE)):
            due_s = began_s + number / RATE
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self._due[number % 2].put_nowait(due_s)
        for queue in self._due:
            await queue.join()
        for client in clients:
            client.cancel()

    async def _kept(self) -> None:
        connection: Connection | None = None
        async for due_s in self._requests(0):
            if connection is None or not connection.is_open:
                if connection:
                    connection.writer.close()
                connection = await self._connected(due_s, self._tries_next)
            if connection:
                await self._one(connection, due_s)

    async def _fresh(self) -> None:
        async for due_s in self._requests(1):
            connection = await self._connected(due_s, tries_next=True)
            if connection:
                await self._one(connection, due_s)
                connection.writer.close()

    async def _requests(self, kind: int) -> AsyncIterator[float]:
        while True:
            yield await self._due[kind].get()
            self._due[kind].task_done()

    async def _connected(self, due_s: float, tries_next: bool) -> Connection | None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._addresses.connect(tries_next)
        except (OSError, TimeoutError) as error:
            self._note(due_s, "", Outcome.REFUSED, str(error))
            return None

    async def _one(self, connection: Connection, due_s: float) -> None:
        picture = self._pictures[len(self.rows) % len(self._pictures)]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, content = await connection.send(picture.body)
        except TimeoutError:
            connection.is_kept = False
            self._note(due_s, connection.address, Outcome.TIMED_OUT)
        except (OSError, EOFError, ValueError) as error:
            connection.is_kept = False
            self._note(due_s, connection.address, Outcome.CLOSED, repr(error))
        else:
            if status != 200:
                self._note(due_s, connection.address, Outcome.STATUS, content.decode()[:200])
            else:
                right = picture.is_answered_by(json.loads(content))
                said = "" if right else content.decode()[:200]
                outcome = Outcome.RIGHT if right else Outcome.WRONG
                self._note(due_s, connection.address, outcome, said)

    def _note(self, due_s: float, address: str, outcome: Outcome, said: str = "") -> None:
        number = number_of(address) if address else 0
        self.rows.append((due_s, time.monotonic(), number, outcome))
        if said:
            text = f"{outcome.name}: {said}"
            self.said[text] = self.said.get(text, 0) + 1


async def main(folder: Path, name: str, port: int, for_s: float, *options: str) -> None:
    """Waits until the name has an address, sends for `for_s`, and writes what came of it."""
    addresses = Addresses(name, port)
    keeping = asyncio.create_task(addresses.keep())
    while not addresses.known:
        await asyncio.sleep(0.05)
    requests = Load(addresses, load(folder), "--next" in options)
    gc.freeze()
    await requests.run(for_s)
    keeping.cancel()
    np.save(folder / "answers.npy", np.array(requests.rows))
    for said, count in sorted(requests.said.items()):
        print(f"{count} x {said}")


def command(folder: Path, name: str, port: int, for_s: float, *options: str) -> tuple[str, ...]:
    """Returns the words that run it."""
    words = (sys.executable, "-m", "tests.cluster.pocket.load", str(folder), name, str(port))
    return (*words, str(for_s), *options)


_READ: tuple[Callable[[str], object], ...] = (Path, str, int, float)

if __name__ == "__main__":
    given = [read(word) for read, word in zip(_READ, sys.argv[1:5], strict=True)]
    asyncio.run(main(*given, *sys.argv[5:]))  # type: ignore[arg-type]
