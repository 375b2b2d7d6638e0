"""Health check of servers that fall silent: a stopped process, a pulled cable, a flow that a
balancer has forgotten.

While calls are in flight and nothing is heard, a server is asked for a status, over the connection
and then over a second one. That tells a slow model from a server that is gone, and from a network
that has lost the connection. HTTP/2 pings would not do: TensorFlow Serving closes a connection,
with all its calls, that pings more than twice in five minutes without data (gRPC's default,
`grpc.http2.min_ping_interval_without_data_ms`).
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

import grpc

from vitrine_client.errors import VitrineError
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.upstream.connection import Connection, Flight, Metadata
from vitrine_serving.gateway.upstream.pool import Pool

TICK_S = 0.2
"""Seconds between two looks at the calls in flight."""

SILENT_S = 0.7
"""Seconds without a sign of life, while calls are in flight, after which a server is checked, and
that it has for its answer: together less than 2 s, so that a call of 2 s can be asked elsewhere."""

SECOND_S = 0.25
"""Seconds that the connection in use has for its answer before a second one is opened."""

AGAIN_S = 1.0
"""Seconds between two checks of a server that was found silent."""

MOST_PATIENCE_S = 5.0
"""Seconds that a check may take. The first takes `SILENT_S`, or three times what a server has last
needed; each that finds nothing gives the next twice the time: a server may be far away, and a new
connection takes several round trips."""

_NEEDED_TIMES = 3

_OF_ONE_SERVER = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)
"""Errors that another server need not give."""

_NO_ANSWER = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)


class SilenceWatch:
    """Health check of the servers of a pool: finds silent ones, and asks others for the calls that
    they have in hand. `may_repeat` says that a call may be made again, and counts that; it is told
    whether that is only `speculative`, as the server may be well, and at work."""

    def __init__(self, pool: Pool, may_repeat: Callable[..., bool]) -> None:
        self._pool = pool
        self._may_repeat = may_repeat
        self._tasks: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends the watch."""
        tasks = [self._task, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            for connection in self._pool:
                if connection.flights or connection.silence:
                    self._look(connection, now_s)
            for connection in self._pool.absent():
                if not (connection.flights or connection.lost):
                    self._begin(_find_out(connection))

    def _look(self, connection: Connection, now_s: float) -> None:
        if _is_due(connection, now_s):
            connection.checked_s = math.inf  # until it ends
            self._begin(self._check(connection))
        for flight in connection.flights:
            is_stranded = flight.channel is not connection.channel
            is_late = now_s >= flight.hedge_at_s
            if (
                (connection.silence or is_stranded or is_late)
                and not flight.hedge
                and now_s >= flight.held_until_s
            ):
                self._hedge(connection, flight, but=[] if is_stranded else [connection])

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # a loop keeps no reference of its own
        task.add_done_callback(self._tasks.discard)
        return task

    async def _check(self, connection: Connection) -> None:
        """Finds out whether a server is silent, and notes it."""
        begun_s, patience_s = time.monotonic(), max(SILENT_S, connection.patience_s)
        first = asyncio.create_task(_answers(connection.channel, patience_s))
        try:
            await asyncio.wait([first], timeout=SECOND_S)
            if _has_answered(first):
                connection.note_alive()
            else:
                await _check_over_another(connection, first, patience_s)
            if _has_answered(first):
                needed_s = time.monotonic() - begun_s
                connection.patience_s = min(_NEEDED_TIMES * needed_s, MOST_PATIENCE_S)
        finally:
            first.cancel()
            connection.checked_s = time.monotonic()
            await connection.close_retired()

    def _hedge(self, connection: Connection, flight: Flight, but: list[Connection]) -> None:
        """Asks another server what is in the hands of this one, if there is one."""
        other = self._pool.select_server(but)
        is_known = bool(connection.silence) or not but
        speculative = not (is_known or flight.decides)
        if other and not other.silence and self._may_repeat(speculative=speculative):
            flight.hedge = self._begin(_repeat(connection, flight, other, is_known))


def _is_due(connection: Connection, now_s: float) -> bool:
    """Says that a server is to be checked: it was silent for a while, or was found so."""
    if connection.silence:
        return now_s - connection.checked_s >= AGAIN_S
    oldest_s = min(flight.started_s for flight in connection.flights)
    heard_s = max(oldest_s, connection.heard_at_s, connection.checked_s)
    return now_s - heard_s >= SILENT_S and not connection.lost


async def _check_over_another(
    connection: Connection, first: asyncio.Task[bool], patience_s: float
) -> None:
    """Asks over a second channel, while `first` is the answer over the one in use."""
    begun_s = time.monotonic()
    channel = connection.new_channel()
    second = asyncio.create_task(_answers(channel, patience_s, wait_for_ready=True))
    try:
        await _until_one_answers(first, second)
        if not first.done():  # which has less to do than the second, and began before it
            await asyncio.wait([first], timeout=SECOND_S)
        if _has_answered(first):
            connection.note_alive()
        elif _has_answered(second):
            connection.note_alive()
            connection.replace_channel(channel)
            channel = None
        else:
            connection.patience_s = min(2 * patience_s, MOST_PATIENCE_S)
            if connection.heard_at_s >= begun_s:  # it answers calls meanwhile
                connection.note_alive()
            elif channel.get_state() is grpc.ChannelConnectivity.READY:
                connection.note_silence("hangs", "answers nothing, though it takes connections")
            else:
                connection.note_silence("gone", "answers nothing, and takes no gRPC connection")
    finally:
        second.cancel()
        if channel:
            await channel.close()


async def _until_one_answers(*asked: asyncio.Task[bool]) -> None:
    """Returns when one has answered, or none will."""
    pending = set(asked)
    while pending and not any(map(_has_answered, asked)):
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)


def _has_answered(asked: asyncio.Task[bool]) -> bool:
    return asked.done() and asked.result()


async def _answers(channel: Any, timeout_s: float, *, wait_for_ready: bool = False) -> bool:
    """Says whether a server answers a question for a status, with whatever it may be."""
    ask = channel.unary_unary(messages.path_of(messages.STATUS))
    try:
        await ask(b"", timeout=timeout_s, wait_for_ready=wait_for_ready)
    except grpc.aio.AioRpcError as error:
        return error.code() not in _NO_ANSWER
    except grpc.aio.UsageError:  # the connection was closed meanwhile
        return False
    return True


async def _repeat(connection: Connection, flight: Flight, other: Connection, known: bool) -> None:
    """Asks `other`; the first answer counts, also an error that any server would give. If that is
    its one, and it was not `known` that the first server is silent, it is now."""
    asked = flight.method, flight.request, flight.deadline, flight.metadata
    rescue: tuple[bytes, Connection] | grpc.aio.AioRpcError
    try:
        rescue = await other.call(*asked)
    except grpc.aio.AioRpcError as error:
        if error.code() in _OF_ONE_SERVER:
            flight.held_until_s, flight.hedge = time.monotonic() + SILENT_S, None
            return
        rescue = error
    except VitrineError:  # the connection was closed
        flight.held_until_s, flight.hedge = time.monotonic() + SILENT_S, None
        return
    if not known and not flight.decides:
        connection.note_outrun()
    flight.end_with(rescue)
    if flight.decides:
        while flight in connection.flights:
            await asyncio.sleep(0)
        await _decide_unheard(connection, asked)


async def _decide_unheard(
    connection: Connection, asked: tuple[str, bytes, float, Metadata]
) -> None:
    """Makes a call again that was to decide about a server and was outrun, and has nobody wait for
    it: a server that is well, and slower than others, is not kept out."""
    if connection.wait_s() or connection.breaker.state(time.monotonic()) == "closed":
        return
    with contextlib.suppress(grpc.aio.AioRpcError, VitrineError):
        await connection.call(*asked, is_heard=False)


async def _find_out(connection: Connection) -> None:
    """Has a server that was never connected say why: it gets no calls while others are."""
    with contextlib.suppress(grpc.aio.AioRpcError, VitrineError):
        await connection.call(messages.STATUS, b"", time.monotonic() + SILENT_S, ())
