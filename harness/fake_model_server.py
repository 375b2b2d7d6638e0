"""Fake model server: gRPC over a real socket, in this process, with answers as told."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import numpy as np

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor

LABELS = tuple(f"class {n}" for n in range(10))
LONGEST_S = 30.0


@dataclass(frozen=True)
class Call:
    """A call as it came: its method's path, its message, its metadata, the seconds it had, and when
    it came, in seconds of `time.monotonic`."""

    method: str
    request: bytes
    metadata: dict[str, str]
    left_s: float
    came_s: float = field(default_factory=time.monotonic)


Answer = Callable[[Call, grpc.ServicerContext], bytes]


def echo(call: Call, context: grpc.ServicerContext) -> bytes:
    """Answers with what was sent."""
    return call.request


def failing(code: grpc.StatusCode, details: str = "") -> Answer:
    """Answers with an error."""

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        context.abort(code, details)
        return b""  # never: that raises

    return answer


_CARD = b'{"about": "a fake", "input_shape": [28, 28]}'
_OLDER = {"labels": LABELS, "card": _CARD}
_BY_KEYS = {"values": [json.dumps(LABELS).encode(), _CARD, b""]}


def classifying(version: int = 3, *, older: bool = False) -> Answer:
    """Answers Predict as a model does whose class is the brightest of the first ten rows; an older
    one describes itself without keys."""

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        request = wire.PredictRequest.FromString(call.request)
        response = wire.PredictResponse()
        response.model_spec.version.value = version
        if request.model_spec.signature_name == "describe":
            if request.model_spec.version.value != version:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such version")
            if older and request.inputs:
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT, "input size does not match signature: 1!=0"
                )
            for name, value in (_OLDER if older else _BY_KEYS).items():
                response.outputs[name].CopyFrom(to_tensor(np.array(value, object)))
        else:
            rows = from_tensor(request.inputs["images"]).sum(axis=2)[:, :10] + 1
            shares = rows / rows.sum(axis=1, keepdims=True)
            response.outputs["probabilities"].CopyFrom(to_tensor(shares))
        return response.SerializeToString()

    return answer


class Gate:
    """Holds calls until it is opened, or their test is over."""

    def __init__(self, answer: Answer = echo) -> None:
        self._answer = answer
        self._open = threading.Event()
        self.gone = threading.Event()
        """Set when a call that is held was cancelled, or ran out of time."""

    def open(self) -> None:
        self._open.set()

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        if not self._open.is_set():
            if not context.add_callback(self._end):
                self.gone.set()  # the call has ended already
            self._open.wait(LONGEST_S)
        return self._answer(call, context)

    def _end(self) -> None:
        if not self._open.is_set():
            self.gone.set()


class FakeModelServer(grpc.GenericRpcHandler):
    """Notes every call, but for checks of whether it is silent, and answers it by `answer`, which
    may be exchanged at any time."""

    def __init__(
        self,
        answer: Answer = echo,
        *,
        port: int | str = 0,
        host: str = "127.0.0.1",
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self._server = grpc.server(
            ThreadPoolExecutor(64),
            handlers=[self],
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
        )
        place = f"{host}:{port}"
        self.port = (
            self._server.add_secure_port(place, credentials)
            if credentials
            else self._server.add_insecure_port(place)
        )
        self.address = f"{host}:{self.port}"

    def __enter__(self) -> "FakeModelServer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends at once, with all calls and connections."""
        stopped = self._server.stop(grace=None)  # at once
        if isinstance(self.answer, Gate):
            self.answer.open()  # whom it answers now is gone
        stopped.wait(LONGEST_S)

    def finish(self, timeout_s: float) -> None:
        """Takes no more calls, and waits for those that it has."""
        self._server.stop(timeout_s).wait(timeout_s)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = dict(details.invocation_metadata)
            call = Call(details.method, request, metadata, context.time_remaining())
            if request or not call.method.endswith("GetModelStatus"):
                self.calls.append(call)
            return self.answer(call, context)

        return grpc.unary_unary_rpc_method_handler(handle)
