"""Local link: one ttrpc connection of the gateway, and the calls that are in flight over it."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vitrine_client.process import local_sockets
from vitrine_client.tfserving import messages, ttrpc

LAST_STREAM = ttrpc.LAST_STREAM - (1 << 20)
"""Number of a stream from which on another connection is made; those beyond are for meanwhile."""

PAUSES_LINES = not (
    (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)
)
"""Whether asyncio tells who writes several pieces that the other side takes no more
(CVE-2024-12254)."""

_Metadata = Sequence[tuple[str, str]]
_Code = grpc.StatusCode
LOST = "Stream removed:"
"""gRPC's words for calls whose connection was lost."""
_EXHAUSTED = _Code.RESOURCE_EXHAUSTED.value[0]


class LocalCall(asyncio.Future[bytes]):
    """Call: the future of its response. `asked` is service, method and request; `forget` is told
    when it has ended."""

    def __init__(
        self,
        forget: "Callable[[LocalCall], object]",
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
        self.link: LocalLink | None = None
        self.stream = 0
        self._forget = forget

    def cancel(self, msg: Any = None) -> bool:
        """Ends it, as its caller has left; its answer is dropped."""
        if self.done():
            return False
        self._leave()
        return super().cancel(msg)

    def answer(self, response: bytes) -> None:
        """Ends it with a response."""
        if not self.done():
            self._forget(self)
            self.set_result(response)

    def fail(self, code: grpc.StatusCode, words: str) -> None:
        """Ends it with an error."""
        if not self.done():
            self._leave()
            nothing = grpc.aio.Metadata()
            self.set_exception(grpc.aio.AioRpcError(code, nothing, nothing, details=words))

    def _leave(self) -> None:
        self._forget(self)
        if self.link:
            self.link.forget(self)
        if self.elsewhere and self.elsewhere is not asyncio.current_task():
            self.elsewhere.cancel()


class LocalLink(asyncio.BufferedProtocol):
    """Connection to a local socket, with its calls by the numbers of their streams.

    `note_lost` is told when it has ended, `make_next` when a next one is needed, as there are no
    more numbers after `last_stream`, and `ask_by_grpc` of calls that are too large.
    """

    def __init__(
        self,
        note_lost: "Callable[[LocalLink, float], None]",
        make_next: "Callable[[LocalLink], None]",
        ask_by_grpc: Callable[[LocalCall], None],
        last_stream: int = LAST_STREAM,
    ) -> None:
        self._note_lost = note_lost
        self._make_next = make_next
        self._ask_by_grpc = ask_by_grpc
        self._last_stream = last_stream
        self._transport: Any = None
        self._calls: dict[int, LocalCall] = {}
        self._held: dict[LocalCall, None] = {}
        self._next = 1
        self._is_full = self._is_over = False
        self._frames = ttrpc.FrameReader()
        self._end = f"{LOST} the model server closed the connection"
        self._loop = asyncio.get_running_loop()
        self._made_s = self._loop.time()

    @property
    def is_open(self) -> bool:
        """Whether it is still there."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, call: LocalCall) -> None:
        """Sends a call, once there is room for it: who leaves meanwhile is not sent."""
        if self._is_full:
            call.link = self
            self._held[call] = None
            return
        stream = self._next
        service, method, request = call.asked
        left_s = None if call.deadline is None else call.deadline - self._loop.time()
        try:
            frame = ttrpc.request_pieces(stream, service, method, request, left_s, call.metadata)
        except ttrpc.TooLarge:
            self._ask_by_grpc(call)
            return
        if not self.is_open:
            call.fail(_Code.UNAVAILABLE, self._end)
            return
        call.link, call.stream = self, stream
        self._calls[stream] = call
        self._next = stream + 2
        if PAUSES_LINES:
            self._transport.writelines(frame)
        else:
            self._transport.write(b"".join(frame))
        if stream >= self._last_stream:
            self._make_next(self)

    def forget(self, call: LocalCall) -> None:
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
        """Notes that it is there; asyncio calls it."""
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """Fails the calls that it had."""
        self._note_lost(self, self._loop.time() - self._made_s)
        for call in [*self._calls.values(), *self._held]:
            call.fail(_Code.UNAVAILABLE, self._end)
        self._calls.clear()
        self._held.clear()

    def pause_writing(self) -> None:
        """Notes that the server takes no more for now."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Sends what was held back for that."""
        self._is_full = False
        while self._held and not self._is_full:
            call = next(iter(self._held))
            del self._held[call]
            self.send(call)

    def get_buffer(self, _: int) -> memoryview:
        """Returns where the next bytes are received."""
        return self._frames.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Takes in what was received."""
        self._frames.note(nbytes)
        try:
            while self.is_open and (frame := self._frames.next_frame()):
                self._receive(frame)
        except (ttrpc.FrameError, DecodeError) as error:
            self._end = f"{LOST} {local_sockets.NO_TTRPC} ({error})"
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
            self._ask_again(call)
            return
        response = ttrpc.read_response(frame.message)
        code, words = response.status.code, response.status.message
        if not code:
            del self._calls[frame.stream]
            call.answer(response.payload)
        elif code == _EXHAUSTED and ttrpc.is_too_large(words):
            self._ask_again(call)
        else:
            call.fail(messages.code_of(code), words)
        if self._is_over and not self._calls:
            self.close()

    def _ask_again(self, call: LocalCall) -> None:
        """Asks by gRPC for a response that is too large for ttrpc."""
        self.forget(call)
        call.link = None
        self._ask_by_grpc(call)
