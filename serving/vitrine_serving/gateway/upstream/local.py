"""Local transport: calls to a model server on the same machine, by ttrpc over a Unix socket.

A channel with what `connection.py` uses of one of grpc.aio's, and with its errors: so breaker,
retries, health checks and the drain know no difference. A call costs one future and one write.
What ttrpc lacks is made up for here: a connection counts as one once the server has answered a
question over it, so that a stopped process has none; a call that is late is ended by the channel's
own timer; and a message that is too large for ttrpc goes by gRPC, to the socket beside.
"""

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Sequence

import grpc

from vitrine_client.process import local_sockets
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.upstream.local_link import LAST_STREAM, LOST, LocalCall, LocalLink

log = logging.getLogger(__name__)

HANDSHAKE_S = 2.5
"""Seconds that a new connection has for its first answer, as gRPC's have."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.25
"""Seconds between attempts to connect; less than `messages.RECONNECT_S`."""

_STEADY_S = 1.0
"""Seconds after which a connection that is lost is made again without a pause."""

_Metadata = Sequence[tuple[str, str]]
_State = grpc.ChannelConnectivity
_Code = grpc.StatusCode


class LocalChannel:
    """Channel to the model server that listens at `path`; made and used in one running event loop.

    `note_large` is called for each message that goes by gRPC, as it is too large. From
    `last_stream` on, another connection is made.
    """

    def __init__(
        self,
        path: str,
        note_large: Callable[[], None] = lambda: None,
        last_stream: int = LAST_STREAM,
    ) -> None:
        self._path = path
        self._last_stream = last_stream
        self._note_large = note_large
        self._loop = asyncio.get_running_loop()
        self._state = _State.IDLE
        self._link: LocalLink | None = None
        self._links: set[LocalLink] = set()
        self._calls: set[LocalCall] = set()
        self._waiting: dict[LocalCall, None] = {}
        self._ready = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._wakes_s = math.inf
        self._by_grpc: grpc.aio.Channel | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure = ""

    def unary_unary(self, method: str) -> "Callable[..., asyncio.Future[bytes]]":
        """Returns what calls a method, by its path as gRPC has it: with a serialised request, a
        `timeout` in seconds, `metadata` and `wait_for_ready`."""
        service, _, name = method.removeprefix("/").rpartition("/")

        def ask(
            request: bytes,
            *,
            timeout: float | None = None,
            metadata: _Metadata = (),
            wait_for_ready: bool = False,
        ) -> "asyncio.Future[bytes]":
            if self._state is _State.SHUTDOWN:
                raise grpc.aio.UsageError("Channel is closed.")
            call = LocalCall(self._forget, (service, name, request), timeout, metadata, self._loop)
            self._calls.add(call)
            if call.deadline is not None:
                self._wake_at(call.deadline)
            if self._link:
                self._link.send(call)
            elif wait_for_ready or self._state is not _State.TRANSIENT_FAILURE:
                call.is_patient = wait_for_ready
                self._waiting[call] = None
                self._connect()
            else:
                call.fail(_Code.UNAVAILABLE, self._failure)
            return call

        return ask

    @property
    def in_flight(self) -> int:
        """The number of calls that have not ended."""
        return len(self._calls)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Returns the state; a channel that has failed to connect goes on trying."""
        if try_to_connect and self._state is _State.IDLE:
            self._connect()
        return self._state

    async def channel_ready(self) -> None:
        """Returns when there is a connection. Raises `grpc.aio.UsageError` if it is closed."""
        self.get_state(try_to_connect=True)
        await self._ready.wait()
        if self._state is _State.SHUTDOWN:
            raise grpc.aio.UsageError("Channel is closed.")

    async def close(self) -> None:
        """Ends the connection; calls in flight are cancelled."""
        self._state, self._link = _State.SHUTDOWN, None
        self._ready.set()
        for call in list(self._calls):
            call.cancel()
        for link in list(self._links):
            link.close()
        if self._timer:
            self._timer.cancel()
        tasks = [*self._tasks, *filter(None, [self._connecting])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._by_grpc:
            await self._by_grpc.close()

    def _connect(self, after_s: float = 0.0) -> None:
        if self._state is _State.SHUTDOWN or self._connecting:
            return
        if self._state is not _State.TRANSIENT_FAILURE:
            self._state = _State.CONNECTING
        self._connecting = self._loop.create_task(self._keep_connecting(after_s))

    async def _keep_connecting(self, pause_s: float) -> None:
        """Connects, until that succeeds; meanwhile calls fail at once, but those that wait."""
        while True:
            await asyncio.sleep(pause_s)
            try:
                link = await self._new_link()
            except (OSError, grpc.aio.AioRpcError) as error:
                self._note_failed(error)
                pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            else:
                self._connecting = None
                self._use(link)
                return

    async def _new_link(self) -> LocalLink:
        """Returns a connection over which the server has answered."""
        local_sockets.check_directory(self._path)
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        own.setblocking(False)
        try:
            own.connect(self._path)  # which waits for nobody
            _, link = await self._loop.create_unix_connection(self._unconnected_link, sock=own)
        except BaseException:
            own.close()
            raise
        self._links.add(link)
        service, _, name = messages.path_of(messages.STATUS)[1:].rpartition("/")
        question = LocalCall(self._forget, (service, name, b""), HANDSHAKE_S, (), self._loop)
        try:
            link.send(question)
            async with asyncio.timeout(HANDSHAKE_S):
                await question
        except TimeoutError:
            link.close()
            raise TimeoutError(f"no answer within {HANDSHAKE_S:g} s") from None
        except grpc.aio.AioRpcError as error:
            if not link.is_open:
                raise  # else an error is an answer: what was asked makes no sense
            log.debug("%s answers: %s", self._path, error.details())
        except BaseException:
            link.close()
            raise
        return link

    def _unconnected_link(self) -> LocalLink:
        told = self._note_lost, self._make_next, self._ask_large
        return LocalLink(*told, self._last_stream)

    def _use(self, link: LocalLink) -> None:
        retired, self._link = self._link, link
        if retired:
            retired.close_when_done()
        self._state = _State.READY
        self._ready.set()
        waiting, self._waiting = self._waiting, {}
        for call in waiting:
            link.send(call)

    def _note_failed(self, error: Exception) -> None:
        told = str(error)
        if isinstance(error, PermissionError) and error.errno:  # the system's
            told = local_sockets.CLOSED
        elif isinstance(error, grpc.aio.AioRpcError):
            told = f"{error.details()}; where gRPC is spoken, the address is unix:{self._path}"
        self._failure = f"failed to connect to {self._path}: {told}"
        if self._link:  # which was to be followed by another, and is good for some more calls
            return
        self._state = _State.TRANSIENT_FAILURE
        for call in list(self._waiting):
            if not call.is_patient:
                call.fail(_Code.UNAVAILABLE, self._failure)

    def _make_next(self, link: LocalLink) -> None:
        """Has another connection made, as one has no numbers for streams left."""
        if link is self._link:
            self._connect()

    def _note_lost(self, link: LocalLink, lived_s: float) -> None:
        """Notes the end of a connection, and makes another."""
        self._links.discard(link)
        if link is self._link and self._state is not _State.SHUTDOWN:
            self._link = None
            self._ready.clear()
            self._state = _State.CONNECTING
            self._connect(0.0 if lived_s >= _STEADY_S else FIRST_PAUSE_S)

    def _forget(self, call: LocalCall) -> None:
        """Notes that a call has ended."""
        self._calls.discard(call)
        self._waiting.pop(call, None)

    def _ask_large(self, call: LocalCall) -> None:
        """Makes a call by gRPC whose request or response is too large for ttrpc."""
        self._note_large()
        task = self._loop.create_task(self._ask_by_grpc(call))
        self._tasks.add(task)  # a loop keeps no reference of its own
        task.add_done_callback(self._tasks.discard)
        call.elsewhere = task

    async def _ask_by_grpc(self, call: LocalCall) -> None:
        if not self._by_grpc:
            address = local_sockets.grpc_address(f"{local_sockets.SCHEME}{self._path}")
            self._by_grpc = grpc.aio.insecure_channel(address, options=messages.channel_options())
        service, name, request = call.asked
        left_s = None if call.deadline is None else call.deadline - self._loop.time()
        ask = self._by_grpc.unary_unary(f"/{service}/{name}")
        try:
            response = await ask(request, timeout=left_s, metadata=tuple(call.metadata))
        except grpc.aio.AioRpcError as error:
            words = error.details() or ""
            if error.code() is _Code.UNAVAILABLE and self._by_grpc.get_state() is not _State.READY:
                words = f"{LOST} {words}"  # gRPC's own, and not the server's
            call.fail(error.code(), words)
        except grpc.aio.UsageError:
            call.cancel()
        else:
            call.answer(response)

    def _wake_at(self, deadline: float) -> None:
        """Has calls ended that are late at a time: there is one timer, for the first of them. Of
        the one for a time that is now, uvloop does not tell when it is."""
        if deadline < self._wakes_s:
            if self._timer:
                self._timer.cancel()
            self._wakes_s = deadline
            self._timer = self._loop.call_at(deadline, self._end_late)

    def _end_late(self) -> None:
        self._timer, self._wakes_s = None, math.inf
        now = self._loop.time()
        deadlines = []
        for call in list(self._calls):
            if call.deadline is None:
                continue
            if call.deadline <= now:
                call.fail(_Code.DEADLINE_EXCEEDED, "Deadline Exceeded")
            else:
                deadlines.append(call.deadline)
        if deadlines:
            self._wake_at(min(deadlines))
