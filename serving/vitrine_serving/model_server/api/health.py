"""Health checks over gRPC (grpc.health.v1): the server, and its services by TensorFlow Serving's
names for them."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

from vitrine_client.open_inference.grpc_messages import SERVICE

_SERVICES = ("", "PredictionService", "ModelService", SERVICE)
"""Services that are known: TensorFlow Serving's without their package, as its server.cc says
SERVING for these, and the Open Inference Protocol's. The server itself has no name."""

_LONGEST_BYTES = 200
"""Bytes of a service's name; gRPC in C++ reads no longer one."""

_UNREADABLE = "could not parse request"
_SERVING, _UNKNOWN = (
    health_pb2.HealthCheckResponse(status=status)
    for status in (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
    )
)

Send = Callable[[Any], None]
"""Sends an answer of a stream; None ends it."""


class Health:
    """Health servicer whose answers and words are those of gRPC's default one in C++.

    No status changes before `end`, so a watch has one answer, and nothing is kept of it but how it
    is ended. (The servicer of grpcio-health-checking keeps each name that was ever watched.)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[Send] = set()
        self._is_ended = False

    def add_to(self, server: grpc.Server) -> None:
        """Adds its methods; requests come to them as bytes."""
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self.check, bytes, _written),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch, bytes, _written),
        }
        handler = grpc.method_handlers_generic_handler(health.SERVICE_NAME, methods)
        server.add_generic_rpc_handlers((handler,))

    def check(self, body: bytes, context: grpc.ServicerContext) -> Any:
        """Answers a check; of a name that is not known, NOT_FOUND."""
        service = _service(body)
        if service is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, _UNREADABLE)
        if service not in _SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, "service name unknown")
        return _SERVING

    def watch(self, body: bytes, context: grpc.ServicerContext, send: Send) -> None:
        """Answers a watch, which lasts until its client or the server ends."""
        service = _service(body)
        if service is None:
            context.abort(grpc.StatusCode.INTERNAL, _UNREADABLE)
        send(_SERVING if service in _SERVICES else _UNKNOWN)
        with self._lock:
            self._watches.add(send)
        if not context.add_callback(partial(self._end, send)) or self._is_ended:
            self._end(send)

    # Has grpcio call it with `send`; else each watch would hold one of the threads of all calls.
    watch.experimental_non_blocking = True  # type: ignore[attr-defined]

    @property
    def watches(self) -> int:
        """How many watches there are."""
        return len(self._watches)

    def end(self) -> None:
        """Ends all watches, for which a server that is to end would wait."""
        self._is_ended = True
        with self._lock:
            watches = list(self._watches)
        for send in watches:
            self._end(send)

    def _end(self, send: Send) -> None:
        with self._lock:
            if send not in self._watches:
                return
            self._watches.remove(send)
        send(None)


def _service(body: bytes) -> str | None:
    """Returns the name in a request; None for bytes that are none, or a name that is too long."""
    try:
        name: str = health_pb2.HealthCheckRequest.FromString(body).service
    except DecodeError:
        return None
    return name if len(name.encode()) <= _LONGEST_BYTES else None


def _written(response: Any) -> bytes:
    written: bytes = response.SerializeToString()
    return written
