"""Bounds of calls by gRPC: the time until a message comes, and the calls that may stay open.

A process takes so many calls at a time, and whoever opens some and sends nothing must not have them
all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from vitrine_client.errors import InvalidRequest, RequestTimeout

Serve = Callable[[Any, Any], Awaitable[None]]
"""Serves a call with a stream of answers: its message, if it has one, and its context."""

_NO_MESSAGE = "The call has no message; send one"
_TOO_MANY = "As many streams are open as may; end some, or open one later"


async def read_message(context: Any, timeout_s: float) -> bytes:
    """Returns a call's only message. Raises `RequestTimeout` and `InvalidRequest`."""
    content = await read_next(context, timeout_s)
    if content is None:
        raise InvalidRequest(_NO_MESSAGE)
    return content


async def read_next(context: Any, timeout_s: float | None) -> bytes | None:
    """Returns the next message of a call, None after the last. Raises `RequestTimeout`."""
    try:
        async with asyncio.timeout(timeout_s):
            content = await context.read()
    except TimeoutError:
        raise RequestTimeout(
            f"The message did not come within {timeout_s:g} s; send it again"
        ) from None
    return content if isinstance(content, bytes) else None


class OpenStreams:
    """Streams of a process, which stay open as long as their clients like: half of all calls at
    most, so that there is room for others."""

    def __init__(self, most_calls: int) -> None:
        self._left = max(most_calls // 2, 1)

    def bounded(self, serve: Serve) -> Serve:
        """Returns what serves a stream, and refuses one too many."""

        async def serve_it(content: Any, context: Any) -> None:
            if self._left < 1:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, _TOO_MANY)
            self._left -= 1
            try:
                await serve(content, context)
            finally:
                self._left += 1

        return serve_it
