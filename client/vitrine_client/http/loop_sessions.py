"""Sessions of event loops: aiohttp's connections belong to the loop that they were made in."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import aiohttp

_Held = tuple[aiohttp.ClientSession, AsyncGenerator[None, None]]


class LoopSessions:
    """A session for each event loop that asks for one; loops in several threads may, side by side.

    A session is closed where its loop ends in order, as `asyncio.run` ends it.
    """

    def __init__(self, make: Callable[[], aiohttp.ClientSession]) -> None:
        self._make = make
        self._held: dict[asyncio.AbstractEventLoop, _Held] = {}

    async def of_this_loop(self) -> aiohttp.ClientSession:
        """Returns the session of the running loop."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held and not held[0].closed:
            return held[0]
        session = self._make()
        closing = _closed_with_its_loop(session)
        self._held[loop] = session, closing
        await anext(closing)
        for other in [each for each in tuple(self._held) if each.is_closed()]:
            await self._forget(other)
        return session

    async def close(self) -> None:
        """Closes all of them; those of loops that run in other threads soon after."""
        here = asyncio.get_running_loop()
        for loop in tuple(self._held):
            if loop is here or loop.is_closed():
                await self._forget(loop)
            elif held := self._held.pop(loop, None):
                with contextlib.suppress(RuntimeError):  # it was closed meanwhile
                    loop.call_soon_threadsafe(_close_here, held[0])

    async def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        if held := self._held.pop(loop, None):
            session, closing = held
            await session.close()
            await closing.aclose()


async def _closed_with_its_loop(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """A loop closes its asynchronous generators at its end, and this one closes the session:
    https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens
    """
    try:
        yield
    finally:
        await session.close()


_closings: set[asyncio.Task[None]] = set()


def _close_here(session: aiohttp.ClientSession) -> None:
    closing = asyncio.get_running_loop().create_task(session.close())
    _closings.add(closing)  # a loop keeps no task alive
    closing.add_done_callback(_closings.discard)
