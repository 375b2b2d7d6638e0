"""gRPC service of the Open Inference Protocol, beside TensorFlow Serving's and in its bounds."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.grpc_messages import SERVICE
from vitrine_serving.model_server.api.calls import CallOutcome, Calls
from vitrine_serving.model_server.api.open_inference import OpenInferenceApi

MAX_STREAMS = 256
"""Streams at a time, each of which holds a thread."""

_KINDS: dict[str, type[Any]] = {
    "ServerLive": wire.ServerLiveRequest,
    "ServerReady": wire.ServerReadyRequest,
    "ServerMetadata": wire.ServerMetadataRequest,
    **dict.fromkeys(
        ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"), wire.ModelRequest
    ),
    "ModelInfer": wire.ModelInferRequest,
    "RepositoryIndex": wire.RepositoryIndexRequest,
    "RepositoryModelLoad": wire.RepositoryModelRequest,
    "RepositoryModelUnload": wire.RepositoryModelRequest,
}
"""Class of the requests of each method."""

_PROBES = ("ServerLive", "ServerReady")
"""Methods that answer also where as many calls run as may, as grpc.health.v1 does."""

_MISSING = {
    "TraceSetting": "Traces are set where the gateway starts, and by no request",
    "LogSettings": "The log is set where the model server starts, and by no request",
    **dict.fromkeys(
        (
            f"{kind}SharedMemory{call}"
            for kind in ("System", "Cuda")
            for call in ("Status", "Register", "Unregister")
        ),
        "There is no shared memory; send tensors as raw_input_contents",
    ),
}
"""Methods of Triton's that there are not, and the words that they are refused with."""

Send = Callable[[Any], None]
"""Sends an answer of a stream; None ends it."""

_OK = grpc.StatusCode.OK


class OpenInferenceService:
    """Service of the protocol: requests come as bytes, and those that are no message fail with
    INVALID_ARGUMENT."""

    def __init__(
        self, api: OpenInferenceApi, calls: Calls, *, max_streams: int = MAX_STREAMS
    ) -> None:
        self._api = api
        self._calls = calls
        self._streams = _Streams(self.answer_streamed, max_streams)

    def add_to(self, server: grpc.Server) -> None:
        """Adds its methods."""
        methods = {
            name: grpc.unary_unary_rpc_method_handler(partial(self._answer, name), bytes, _written)
            for name in _KINDS
        }
        for name, words in _MISSING.items():
            refuse = partial(_refuse, words)
            methods[name] = grpc.unary_unary_rpc_method_handler(refuse, bytes, _written)
        methods["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
            self._streams.behavior, bytes, _written
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, methods)
        server.add_generic_rpc_handlers((handler,))

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return self._streams.count

    def end(self) -> None:
        """Ends the streams, for which a server that is to end would wait: each once its requests
        in hand are answered."""
        self._streams.end()

    def answer_streamed(self, body: bytes) -> wire.ModelStreamInferResponse:
        """Returns the answer to a request of a stream, which goes on whatever that is. It is the
        last one to its request, as there is one."""
        request, (code, words, response) = self._outcome("ModelInfer", body)
        if code is _OK:
            response.parameters["triton_final_response"].bool_param = True
            return wire.ModelStreamInferResponse(infer_response=response)
        told = wire.ModelInferResponse(id=request.id if request else "")
        return wire.ModelStreamInferResponse(error_message=words or code.name, infer_response=told)

    def _answer(self, name: str, body: bytes, context: grpc.ServicerContext) -> Any:
        _, (code, words, response) = self._outcome(name, body)
        if code is not _OK:
            context.abort(code, words)
        return response

    def _outcome(self, name: str, body: bytes) -> tuple[Any, CallOutcome]:
        kind = _KINDS[name]
        try:
            request = kind.FromString(body)
        except DecodeError:
            code, words = grpc.StatusCode.INVALID_ARGUMENT, f"This is no request of {name}"
            return None, self._calls.undecodable(body, code, words)
        if name in _PROBES:
            return request, CallOutcome(_OK, "", self._api.methods[name](request))
        return request, self._calls.answer(name, request)


class _Streams:
    """Streams of requests, each in a thread of its own beside those of calls, and their end.

    One more than `most` fails with RESOURCE_EXHAUSTED.
    """

    def __init__(self, answer: Callable[[bytes], Any], most: int) -> None:
        self._answer = answer
        self._most = most
        self._lock = threading.Lock()
        self._count = 0
        self._idle: set[Send] = set()
        self._is_ended = False
        behavior = partial(self._run)
        # grpcio calls it with `send`, so that a stream can be ended while it waits for a request;
        # and in these threads: else idle streams would hold those of calls.
        behavior.experimental_non_blocking = True  # type: ignore[attr-defined]
        behavior.experimental_thread_pool = ThreadPoolExecutor(  # type: ignore[attr-defined]
            most + 1,  # one to say no
            thread_name_prefix="grpc-stream",
        )
        self.behavior = behavior

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def end(self) -> None:
        """Ends those that wait for a request at once, and the others after their answer."""
        with self._lock:
            self._is_ended = True
            idle, self._idle = self._idle, set()
        for send in idle:
            send(None)

    def _run(self, bodies: Iterator[bytes], context: grpc.ServicerContext, send: Send) -> None:
        with self._lock:
            is_one_more = self._count >= self._most
            self._count += not is_one_more
        if is_one_more:
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"There are {self._most} streams, and that is the most",
            )
        try:
            if self._answer_all(bodies, send):
                send(None)
        finally:
            with self._lock:
                self._count -= 1

    def _answer_all(self, bodies: Iterator[bytes], send: Send) -> bool:
        """Answers a stream's requests until there is none any more; says whether it is to be ended
        then, and not yet."""
        while self._begin_wait(send):
            body = _next(bodies)
            if not self._end_wait(send):
                return False
            if body is None:
                break
            send(self._answer(body))
        return True

    def _begin_wait(self, send: Send) -> bool:
        """Notes a stream that waits for a request, unless all are to end."""
        with self._lock:
            if not self._is_ended:
                self._idle.add(send)
            return not self._is_ended

    def _end_wait(self, send: Send) -> bool:
        """Says whether a stream is still one that was noted, and not ended meanwhile."""
        with self._lock:
            is_noted = send in self._idle
            self._idle.discard(send)
            return is_noted


def _next(bodies: Iterator[bytes]) -> bytes | None:
    """Returns the next request; None where there is none any more."""
    try:
        return next(bodies, None)
    except grpc.RpcError:  # the client is gone
        return None


def _refuse(words: str, _: bytes, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, words)


def _written(response: Any) -> bytes:
    written: bytes = response.SerializeToString()
    return written
