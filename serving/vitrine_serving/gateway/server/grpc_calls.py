"""Calls by gRPC: each becomes a request of the application, and its answer a response or a status.

A call is admitted before its message is read. What is held of messages counts as bodies do over
HTTP, from when they have come until their answers were sent.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import grpc
import orjson

from vitrine_client.tfserving.messages import code_for_status
from vitrine_serving.gateway.http.heads import ids_of
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.gateway.http.routes import GrpcMethod
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES
from vitrine_serving.gateway.server.grpc_bounds import read_message
from vitrine_serving.gateway.shedding import BodyBudget

SLOWEST = 1024
"""Bytes a second at which an answer has to be read."""

KIND = "application/grpc"

QUIET_S = 0.1
_MOST_HELD_S = 1.0
"""Seconds without a call after which no more are awaited, and in which there is always an end."""


class HeldBytes:
    """Bytes that a call holds of a process' budget, until it has ended."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._count = 0

    def take(self, count: int) -> None:
        """Takes bytes for a message. Raises `BodiesFull`."""
        self._budget.take(count)
        self._count += count

    def exchange(self, count: int) -> None:
        """Holds so many bytes of an answer in the message's stead."""
        self.release()
        self._budget.take_anyway(count)
        self._count = count

    def release(self, _: object = None) -> None:
        """Gives back what is held. Again, it does nothing."""
        self._budget.give(self._count)
        self._count = 0


class ClientCalls:
    """Calls of a process to an application, `gateway`; `note` is told of each.

    A client has `answer_timeout_s` to read its answer, and more for a large one.
    """

    def __init__(
        self,
        gateway: Any,
        limits: RequestSettings,
        answer_timeout_s: float,
        note: Callable[[], None] = lambda: None,
    ) -> None:
        self.gateway = gateway
        self.limits = limits
        self._answer_timeout_s = answer_timeout_s
        self._note = note
        self._come = 0
        self._may_send = asyncio.Event()
        self._may_send.set()

    def handler(self, method: GrpcMethod) -> grpc.RpcMethodHandler:
        """Returns the handler of a method with one request and one response. It reads the request
        itself, when the call was admitted."""
        return grpc.stream_unary_rpc_method_handler(partial(self._answer, method))

    async def hold(self, quiet_s: float) -> None:
        """Has answers wait until `send`, and returns when no call came for `quiet_s` seconds:
        clients that wait for an answer send nothing. gRPC cancels what has come and was not taken
        when it stops."""
        self._may_send.clear()
        until_s, come = time.monotonic() + _MOST_HELD_S, -1
        while come != self._come and time.monotonic() < until_s:
            come = self._come
            await asyncio.sleep(quiet_s)

    def send(self) -> None:
        """Sends the answers that wait."""
        self._may_send.set()

    async def _answer(self, method: GrpcMethod, _: object, context: Any) -> bytes:
        """Answers a call. gRPC sends the answer after that, and keeps it until the client has read
        it or its connection ends; here it counts no longer than a client has to read it."""
        held = HeldBytes(self.gateway.budget)
        context.add_done_callback(held.release)
        request = request_of(context, method.route.pattern)
        answer = await self.answer(method, request, partial(self._read, context, held), context)
        if not self._may_send.is_set():
            await self._may_send.wait()
        if answer.status != 200:
            await self.refuse(context, request, answer)
        told(context, request, answer)
        if len(answer.body) > LARGE_BYTES:
            held.exchange(len(answer.body))
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self.patience_s(len(answer.body)), held.release)
            context.add_done_callback(lambda _: timer.cancel())
        return answer.body

    async def answer(self, method: GrpcMethod, request: Request, read: Any, context: Any) -> Answer:
        """Returns the application's answer to a request, whose message `read` returns."""
        self._come += 1
        self._note()

        async def work() -> Answer:
            content = await read()
            request.deadline = self._deadline(context)
            return Answer(200, await method.answer(content, request), KIND)

        answered: Answer = await self.gateway.call(request, method.route, work)
        return answered

    async def refuse(self, context: Any, request: Request, answer: Answer) -> None:
        """Ends a call with an error's code and words."""
        told(context, request, answer)
        await context.abort(code_for_status(answer.status), words_of(answer))

    def patience_s(self, count: int) -> float:
        """Returns the seconds that a client has to read so many bytes."""
        return self._answer_timeout_s + count / SLOWEST

    async def _read(self, context: Any, held: HeldBytes) -> bytes:
        """Returns a call's message. Raises `RequestTimeout`, `InvalidRequest` or `BodiesFull`."""
        content = await read_message(context, self.limits.body_timeout_s)
        held.take(len(content))
        return content

    def _deadline(self, context: Any) -> float:
        """Returns the deadline of a request: that of its call, if it is the earlier one."""
        left_s = context.time_remaining()
        timeout_s = self.limits.request_timeout_s
        return time.monotonic() + (timeout_s if left_s is None else min(timeout_s, left_s))


def request_of(context: Any, path: str) -> Request:
    """Returns the request that a call stands for; its metadata are its headers."""
    headers: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request("POST", path, "", headers, client_of(context.peer()), *ids_of(headers))


def client_of(peer: str) -> str:
    """Returns the IP address in gRPC's name for a client, empty for a Unix socket."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")


def told(context: Any, request: Request, answer: Answer) -> None:
    """Has a call end with the headers of an answer, and the id of its request, as metadata."""
    context.set_trailing_metadata(
        (*((name.lower(), value) for name, value in answer.headers), ("x-request-id", request.id))
    )


def words_of(answer: Answer) -> str:
    """Returns the words of an error, which is in the form of the protocol's HTTP, cut for gRPC."""
    words: str = orjson.loads(answer.body)["error"]
    return words
