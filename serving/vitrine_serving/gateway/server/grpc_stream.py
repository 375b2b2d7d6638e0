"""Streams of inference by gRPC: requests of one call, several at once, answered in their order."""

import asyncio
import contextlib
from typing import Any

import grpc

from vitrine_client.errors import RequestTimeout, Unauthorized
from vitrine_client.tfserving.messages import code_for_status
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import GrpcMethod
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES
from vitrine_serving.gateway.server.connections import jittered
from vitrine_serving.gateway.server.grpc_bounds import OpenStreams, read_next
from vitrine_serving.gateway.server.grpc_calls import (
    ClientCalls,
    HeldBytes,
    request_of,
    told,
    words_of,
)

AT_ONCE = 16
"""Requests of a stream that are in hand at a time; no more are read, nor any behind a large one,
which is counted, or refused, before the next takes memory."""

_OLD = "The stream has been open for as long as one may; open another"
_ENDING = "The gateway is ending; open another stream"
_UNREAD = "The client does not read its answers"


class _Reply:
    """Reply to a request of a stream, and what it holds until it was sent."""

    def __init__(self, request: Request, answer: Answer, body: bytes, held: HeldBytes) -> None:
        self.request = request
        self.answer = answer
        self.body = body
        self.held = held


class GrpcStreams:
    """Streams of one process, of the calls that `calls` answers. One that is open for `max_age_s`
    (0 for no limit) ends after what was read of it, as others on its connection, which is old."""

    def __init__(self, calls: ClientCalls, bounds: OpenStreams, max_age_s: float = 0.0) -> None:
        self._calls = calls
        self._bounds = bounds
        self._max_age_s = max_age_s
        self._open: set[_Stream] = set()
        self._is_ending = False

    def handler(self, method: GrpcMethod) -> grpc.RpcMethodHandler:
        """Returns the handler of a method with streams both ways."""

        async def serve(_: object, context: Any) -> None:
            stream = _Stream(self._calls, method, context)
            self._open.add(stream)
            timer = self._retire_later(stream)
            try:
                if self._is_ending:
                    stream.end(_ENDING)
                await stream.serve()
            finally:
                self._open.discard(stream)
                if timer:
                    timer.cancel()

        return grpc.stream_stream_rpc_method_handler(self._bounds.bounded(serve))

    def end(self) -> None:
        """Has each stream end as soon as what was read of it is answered."""
        self._is_ending = True
        for stream in self._open:
            stream.end(_ENDING)

    def _retire_later(self, stream: "_Stream") -> asyncio.TimerHandle | None:
        if not self._max_age_s:
            return None
        loop = asyncio.get_running_loop()
        return loop.call_later(jittered(self._max_age_s), stream.end, _OLD)


class _Stream:
    """One stream: a task reads, each request has a task, and the call's own task writes."""

    def __init__(self, calls: ClientCalls, method: GrpcMethod, context: Any) -> None:
        self._calls = calls
        self._method = method
        self._context = context
        self._tasks: asyncio.Queue[asyncio.Task[_Reply] | None] = asyncio.Queue()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._reader: asyncio.Task[None] | None = None
        self._in_hand: set[HeldBytes] = set()
        self._ended = ""
        self._late: RequestTimeout | None = None

    async def serve(self) -> None:
        """Answers until the client has sent all, the gateway ends, or a request has no right, which
        the first says: it has to come as soon as that of any call."""
        self._reader = asyncio.create_task(self._read_all())
        if self._ended:
            self._reader.cancel()
        pending: asyncio.Task[_Reply] | None = None
        try:
            while pending := await self._tasks.get():
                reply = await pending
                if reply.answer.status == Unauthorized.status:
                    await self._calls.refuse(self._context, reply.request, reply.answer)
                await self._send(reply)
        finally:
            self._reader.cancel()
            self._drop(pending)
        if self._ended:
            await self._context.abort(grpc.StatusCode.UNAVAILABLE, self._ended)
        if self._late:
            await self._context.abort(code_for_status(self._late.status), str(self._late))

    def end(self, why: str) -> None:
        """Reads no more, unless all has been read."""
        if self._reader and self._reader.done():
            return
        self._ended = self._ended or why
        if self._reader:
            self._reader.cancel()

    async def _read_all(self) -> None:
        timeout_s: float | None = self._calls.limits.body_timeout_s
        try:
            while True:
                await self._free.acquire()
                content = await read_next(self._context, timeout_s)
                if content is None:
                    return
                timeout_s = None
                task = asyncio.create_task(self._reply(content))
                self._tasks.put_nowait(task)
                if len(content) > LARGE_BYTES:
                    del content
                    await asyncio.wait({task})
        except RequestTimeout as error:
            self._late = error
        except (asyncio.CancelledError, grpc.aio.AbortError, asyncio.InvalidStateError):
            pass  # it is to end, or its client has left
        finally:
            self._tasks.put_nowait(None)

    async def _reply(self, content: bytes) -> _Reply:
        held = HeldBytes(self._calls.gateway.budget)
        self._in_hand.add(held)
        request = request_of(self._context, self._method.route.pattern)

        async def read() -> bytes:
            held.take(len(content))
            return content

        answer = await self._calls.answer(self._method, request, read, self._context)
        body, failed = answer.body, self._method.failed
        if answer.status != 200 and failed:
            body = failed(content, words_of(answer))
        return _Reply(request, answer, body, held)

    async def _send(self, reply: _Reply) -> None:
        reply.held.exchange(len(reply.body))
        try:
            async with asyncio.timeout(self._calls.patience_s(len(reply.body))):
                await self._context.write(reply.body)
        except TimeoutError:
            await self._context.abort(grpc.StatusCode.CANCELLED, _UNREAD)
        reply.held.release()
        self._in_hand.discard(reply.held)
        self._free.release()
        told(self._context, reply.request, Answer(200, b""))

    def _drop(self, task: "asyncio.Task[_Reply] | None") -> None:
        """Drops what nobody waits for any more."""
        while task or not self._tasks.empty():
            if task:
                task.cancel()
            with contextlib.suppress(asyncio.QueueEmpty):
                task = self._tasks.get_nowait()
                continue
            break
        for held in self._in_hand:
            held.release()
