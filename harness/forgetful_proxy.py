"""Proxy that behaves as networks do that fail without a word."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator


class ForgetfulProxy:
    """Proxy to a port of this machine, or the path of a local socket; its `address` is what to
    connect to.

    Once told to `forget`, it carries nothing of the connections that there are, and tells neither
    end. Once it is to `freeze`, it does so with new ones, too, as a stopped process does for which
    the kernel accepts; after `thaw` new ones work again. `trip_s` is the time of a round trip.
    """

    def __init__(self, port: int | str, trip_s: float = 0.0) -> None:
        self._port, self._trip_s = port, trip_s
        self._carried: set[asyncio.Task[None]] = set()
        self._is_frozen = False
        self._kept: list[asyncio.StreamWriter] = []
        self.connections = 0
        self.address = ""

    async def start(self) -> asyncio.Server:
        if isinstance(self._port, str):
            path = f"{self._port}.proxy"
            self.address = f"ttrpc:{path}"
            return await asyncio.start_unix_server(self._accept, path)
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = "{}:{}".format(*server.sockets[0].getsockname()[:2])
        return server

    def forget(self) -> None:
        for task in self._carried:
            task.cancel()
        self._carried.clear()

    def freeze(self) -> None:
        self._is_frozen = True
        self.forget()

    def thaw(self) -> None:
        self._is_frozen = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._kept.append(writer)
        if self._is_frozen:
            return
        await asyncio.sleep(self._trip_s)  # of TCP's own
        there = await (
            asyncio.open_unix_connection(self._port)
            if isinstance(self._port, str)
            else asyncio.open_connection("127.0.0.1", self._port)
        )
        self._kept.append(there[1])
        for one, other in ((reader, there[1]), (there[0], writer)):
            self._carried.add(asyncio.create_task(_pump(one, other, self._trip_s / 2)))

    async def end(self) -> None:
        self.forget()
        for writer in self._kept:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, later_s: float) -> None:
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(65536):
            if later_s:
                asyncio.get_running_loop().call_later(later_s, writer.write, block)
            else:
                writer.write(block)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def forgetful_proxy(port: int | str, trip_s: float = 0.0) -> AsyncIterator[ForgetfulProxy]:
    """Runs one until the end of the block."""
    proxy = ForgetfulProxy(port, trip_s)
    server = await proxy.start()
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()


@contextlib.contextmanager
def proxy_in_thread(port: int) -> Iterator[tuple[ForgetfulProxy, Callable[[str], None]]]:
    """Runs one in a loop of its own; also yields what tells it to `forget`, `freeze` or `thaw`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = forgetful_proxy(port)

    def tell(what: str) -> None:
        loop.call_soon_threadsafe(getattr(proxy, what))

    try:
        proxy = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
        yield proxy, tell
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
