"""Balancer of connections (layer 4): each new one goes to the next target, and stays there."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

Address = tuple[str, int]


class Balancer:
    """Balancer in front of `targets`, which may change; they are asked in turn.

    `address` is what to connect to; `open` and `made` are how many connections each target has, and
    has had.
    """

    def __init__(self, targets: list[Address]) -> None:
        self.targets = targets
        self.open: Counter[Address] = Counter()
        self.made: Counter[Address] = Counter()
        self.address: Address = ("", 0)
        self._turns = count()
        self._tasks: set[asyncio.Task[None]] = set()

    def share(self, target: Address) -> float:
        """Returns the share of the open connections that a target has."""
        return self.open[target] / (self.open.total() or 1)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries a connection to a target until either end closes it."""
        target = self.targets[next(self._turns) % len(self.targets)]
        self.open[target] += 1
        self.made[target] += 1
        try:
            back, forth = await asyncio.open_connection(*target)
            await asyncio.gather(_pump(reader, forth), _pump(back, writer))
        except OSError:
            writer.close()
        finally:
            self.open[target] -= 1


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def balancer(targets: list[Address]) -> AsyncIterator[Balancer]:
    """Runs one in the running event loop, until the end of the block."""
    running = Balancer(targets)
    server = await asyncio.start_server(running.accept, "127.0.0.1", 0)
    running.address = server.sockets[0].getsockname()[:2]
    try:
        yield running
    finally:
        server.close()
