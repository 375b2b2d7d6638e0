"""Local transport: calls to a model server on the same machine, by ttrpc over a Unix socket.

A channel with what `connection.py` uses of one of grpc.aio's, and with its errors: so breaker,
retries, health checks and the drain know no difference. A call costs one future and one write.
What ttrpc lacks is made up for here: a connection counts as one once the server has answered a
question over it, so that a stopped process has none; a call that is late is ended by the channel's
own timer; and a message that is too large for ttrpc goes by gRPC, to the socket beside.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vitrine_client.process import local_sockets
from vitrine_client.tfserving import messages, ttrpc

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

    `note_large` is called for each message that goes by gRPC, as it is too large.
    """

    def __init__(self, path: str, note_large: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._note_large = note_large
        self._loop = asyncio.get_running_loop()
        self._state = _State.IDLE
        self._link: _Link | None = None
        self._links: set[_Link] = set()
        self._calls: set[_Call] = set()
        self._waiting: dict[_Call, None] = {}
        self._ready = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
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
            call = _Call(self, (service, name, request), timeout, metadata, self._loop)
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

    async def _new_link(self) -> "_Link":
        """Returns a connection over which the server has answered."""
        local_sockets.check_directory(self.path)
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        own.setblocking(False)
        try:
            own.connect(self.path)  # which waits for nobody
            _, link = await self._loop.create_unix_connection(lambda: _Link(self), sock=own)
        except BaseException:
            own.close()
            raise
        self._links.add(link)
        service, _, name = messages.path_of(messages.STATUS)[1:].rpartition("/")
        question = _Call(self, (service, name, b""), HANDSHAKE_S, (), self._loop)
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
            log.debug("%s answers: %s", self.path, error.details())
        except BaseException:
            link.close()
            raise
        return link

    def _use(self, link: "_Link") -> None:
        retired, self._link = self._link, link
        if retired:
            retired.close_when_done()
        self._state = _State.READY
        self._ready.set()
        waiting, self._waiting = self._waiting, {}
        for call in waiting:
            link.send(call)

    def _note_failed(self, error: Exception) -> None:
        told = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
        self._failure = f"failed to connect to {self.path}: {told}"
        if self._link:  # which was to be followed by another, and is good for some more calls
            return
        self._state = _State.TRANSIENT_FAILURE
        for call in list(self._waiting):
            if not call.is_patient:
                call.fail(_Code.UNAVAILABLE, self._failure)

    def replace(self, link: "_Link") -> None:
        """Has another connection made, as one has no numbers for streams left."""
        if link is self._link:
            self._connect()

    def note_lost(self, link: "_Link", lived_s: float) -> None:
        """Notes the end of a connection, and makes another."""
        self._links.discard(link)
        if link is self._link and self._state is not _State.SHUTDOWN:
            self._link = None
            self._ready.clear()
            self._state = _State.CONNECTING
            self._connect(0.0 if lived_s >= _STEADY_S else FIRST_PAUSE_S)

    def forget(self, call: "_Call") -> None:
        """Notes that a call has ended."""
        self._calls.discard(call)
        self._waiting.pop(call, None)

    def ask_by_grpc(self, call: "_Call") -> None:
        """Makes a call by gRPC whose request or response is too large for ttrpc."""
        self._note_large()
        task = self._loop.create_task(self._ask_by_grpc(call))
        self._tasks.add(task)  # a loop keeps no reference of its own
        task.add_done_callback(self._tasks.discard)
        call.elsewhere = task

    async def _ask_by_grpc(self, call: "_Call") -> None:
        if not self._by_grpc:
            address = local_sockets.grpc_address(f"{local_sockets.SCHEME}{self.path}")
            self._by_grpc = grpc.aio.insecure_channel(address, options=messages.channel_options())
        service, name, request = call.asked
        left_s = None if call.deadline is None else call.deadline - self._loop.time()
        ask = self._by_grpc.unary_unary(f"/{service}/{name}")
        try:
            response = await ask(request, timeout=left_s, metadata=tuple(call.metadata))
        except grpc.aio.AioRpcError as error:
            call.fail(error.code(), error.details() or "")
        except grpc.aio.UsageError:
            call.cancel()
        else:
            call.answer(response)

    def _wake_at(self, deadline: float) -> None:
        """Has calls ended that are late at a time: there is one timer, for the first of them."""
        if self._timer is None or self._timer.when() > deadline:
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._end_late)

    def _end_late(self) -> None:
        self._timer = None
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


class _Call(asyncio.Future[bytes]):
    """Call: the future of its response. `asked` is service, method and request."""

    def __init__(
        self,
        channel: LocalChannel,
        asked: tuple[str, str, bytes],
        timeout_s: float | None,
        metadata: _Metadata,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(loop=loop)
        self.asked = asked
        self.metadata = metadata
        self.deadline = None if timeout_s is None else loop.time() + timeout_s
        self.is_patient = False
        self.elsewhere: asyncio.Task[None] | None = None
        self.link: _Link | None = None
        self.stream = 0
        self._channel = channel

    def cancel(self, msg: Any = None) -> bool:
        """Ends it, as its caller has left; its answer is dropped."""
        if self.done():
            return False
        self._leave()
        return super().cancel(msg)

    def answer(self, response: bytes) -> None:
        """Ends it with a response."""
        if not self.done():
            self._channel.forget(self)
            self.set_result(response)

    def fail(self, code: grpc.StatusCode, words: str) -> None:
        """Ends it with an error."""
        if not self.done():
            self._leave()
            nothing = grpc.aio.Metadata()
            self.set_exception(grpc.aio.AioRpcError(code, nothing, nothing, details=words))

    def _leave(self) -> None:
        self._channel.forget(self)
        if self.link:
            self.link.forget(self)
        if self.elsewhere and self.elsewhere is not asyncio.current_task():
            self.elsewhere.cancel()


class _Link(asyncio.BufferedProtocol):
    """Connection of a channel: its calls by the numbers of their streams."""

    def __init__(self, channel: LocalChannel) -> None:
        self._channel = channel
        self._transport: Any = None
        self._calls: dict[int, _Call] = {}
        self._held: dict[_Call, None] = {}
        self._next = 1
        self._is_full = self._is_over = False
        self._frames = ttrpc.FrameReader()
        self._loop = asyncio.get_running_loop()
        self._made_s = self._loop.time()

    @property
    def is_open(self) -> bool:
        """Whether it is still there."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, call: _Call) -> None:
        """Sends a call, once there is room for it: who leaves meanwhile is not sent."""
        if self._is_full:
            call.link = self
            self._held[call] = None
            return
        stream = self._next
        service, method, request = call.asked
        left_s = None if call.deadline is None else call.deadline - self._loop.time()
        try:
            frame = ttrpc.request_frame(stream, service, method, request, left_s, call.metadata)
        except ttrpc.TooLarge:
            self._channel.ask_by_grpc(call)
            return
        if not self.is_open:
            call.fail(_Code.UNAVAILABLE, _HUNG_UP)
            return
        call.link, call.stream = self, stream
        self._calls[stream] = call
        self._next = stream + 2
        self._transport.write(frame)
        if self._next > _LAST_USED:
            self._channel.replace(self)

    def forget(self, call: _Call) -> None:
        """Drops a call: its answer is for nobody."""
        self._calls.pop(call.stream, None)
        self._held.pop(call, None)
        if self._is_over and not self._calls:
            self.close()

    def close(self) -> None:
        """Ends it at once."""
        if self._transport:
            self._transport.abort()

    def close_when_done(self) -> None:
        """Ends it once its calls have their answers."""
        self._is_over = True
        if not self._calls:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._channel.note_lost(self, self._loop.time() - self._made_s)
        for call in [*self._calls.values(), *self._held]:
            call.fail(_Code.UNAVAILABLE, _HUNG_UP)
        self._calls.clear()
        self._held.clear()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        while self._held and not self._is_full:
            call = next(iter(self._held))
            del self._held[call]
            self.send(call)

    def get_buffer(self, _: int) -> memoryview:
        return self._frames.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._frames.note(nbytes)
        try:
            while self.is_open and (frame := self._frames.next_frame()):
                self._receive(frame)
        except (ttrpc.FrameError, DecodeError) as error:
            log.warning("What listens at %s speaks no ttrpc: %s", self._channel.path, error)
            self.close()

    def _receive(self, frame: ttrpc.Frame) -> None:
        if frame.kind == ttrpc.DATA:
            raise ttrpc.FrameError("data where there is a response")
        if frame.kind != ttrpc.RESPONSE:
            return  # a later version of ttrpc says what it is for
        call = self._calls.get(frame.stream)
        if call is None:
            if frame.stream >= self._next or not frame.stream % 2:
                raise ttrpc.FrameError(f"a response to stream {frame.stream}, which asked nothing")
            return  # its caller has left
        if frame.message is None:
            self._ask_by_grpc(call)
            return
        response = ttrpc.read_response(frame.message)
        code, words = response.status.code, response.status.message
        if not code:
            del self._calls[frame.stream]
            call.answer(response.payload)
        elif code == _EXHAUSTED and ttrpc.is_too_large(words):
            self._ask_by_grpc(call)
        else:
            call.fail(messages.code_of(code), words)
        if self._is_over and not self._calls:
            self.close()

    def _ask_by_grpc(self, call: _Call) -> None:
        """Asks again for a response that is too large for ttrpc."""
        self.forget(call)
        call.link = None
        self._channel.ask_by_grpc(call)


_HUNG_UP = "Stream removed: the model server closed the connection"
_EXHAUSTED = _Code.RESOURCE_EXHAUSTED.value[0]
_LAST_USED = ttrpc.LAST_STREAM - 1000
"""Number of a stream from which on another connection is made; those beyond are for meanwhile."""
