"""Cases of gRPC itself: methods that there are not, bytes that are no message, and health."""

from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from grpc import StatusCode
from grpc_health.v1 import health_pb2

from tests.contract.case import Case, Check, Fails, FirstOf, Grpc, MetadataOf, found
from tests.contract.messages import packed, predict, predicted, spec
from tests.contract.seen import SEEN
from tests.contract.server import Server

PREDICT = "/tensorflow.serving.PredictionService/Predict"
NO_METHOD, NO_MESSAGE = Fails(StatusCode.UNIMPLEMENTED, ""), Fails(StatusCode.INTERNAL, "")
HEALTH = "/grpc.health.v1.Health/Check"
MANY = packed(np.arange(2_000_000))
"""A tensor of 8 MB: twice what gRPC's servers take unless they are told otherwise."""


class Bytes(Message):
    """A request that is these bytes, whatever they are."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def SerializeToString(self, **_: object) -> bytes:  # noqa: N802 (protobuf's name)
        return self._content


def _no_method(path: str, source: str = SEEN) -> Case:
    return Case(f"gRPC: no method {path}", Grpc(path, Bytes(b"")), NO_METHOD, f"{source}: no words")


def _predict(name: str, content: bytes, answer: Fails) -> Case:
    return Case(f"gRPC: Predict with {name}", Grpc(PREDICT, Bytes(content)), answer, SEEN)


def _many(response: Any) -> None:
    assert np.array_equal(response.outputs["y"].float_val, np.arange(2_000_000))


def _are_none(names: list[str]) -> None:
    assert names == []


CASES = [
    _no_method("/tensorflow.serving.PredictionService/Nope"),
    _no_method("/tensorflow.serving.Nope/Predict"),
    _no_method("/tensorflow.serving.ModelService/Predict"),
    _no_method("/tensorflow.serving.SessionService/SessionRun", "server.cc registers two services"),
    _no_method(HEALTH, f"{SEEN}, --enable_grpc_healthcheck_service being off"),
    _predict("bytes that are no message", b"\xff\xff", NO_MESSAGE),
    _predict("half a message", b"\x0a\x20\x0a\x04half", NO_MESSAGE),
    _predict("invalid UTF-8 in the name", b"\x0a\x04\x0a\x02\xff\xfe", NO_MESSAGE),
    _predict("no bytes", b"", Fails(StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")),
    Case(
        "gRPC: 4 ms for a message of 8 MB",
        Grpc("Predict", predict(spec("echo"), x=MANY), {"timeout": 0.004}),
        Fails(StatusCode.DEADLINE_EXCEEDED, found("")),
        SEEN,
    ),
    Case("gRPC: a message of 8 MB", Grpc("Predict", predict(spec("echo"), x=MANY)), _many, SEEN),
    Case(
        "gRPC: a message that is packed by gzip",
        Grpc(
            "Predict",
            predict(spec("echo"), x=[1.0] * 1000),
            {"compression": grpc.Compression.Gzip},
        ),
        predicted(spec("echo", "serving_default", version=1), y=[1.0] * 1000),
        SEEN,
    ),
    Case(
        "gRPC: no metadata in an answer",
        MetadataOf("Predict", predict(spec(), x=[2.0])),
        _are_none,
        SEEN,
    ),
]


def _with_the_flag(_: Server) -> None:
    """The server that cases change has it, and that is all."""


def _health(service: str, answer: Fails | Check) -> Case:
    return Case(
        f"gRPC: health of {service!r}",
        Grpc(HEALTH, health_pb2.HealthCheckRequest(service=service)),
        answer,
        f"{SEEN}, with --enable_grpc_healthcheck_service",
        _with_the_flag,
    )


def _serving(content: bytes) -> None:
    response = health_pb2.HealthCheckResponse.FromString(content)
    assert response.status == health_pb2.HealthCheckResponse.SERVING


HEALTH_CASES = [
    *(_health(name, _serving) for name in ("", "PredictionService", "ModelService")),
    *(
        _health(name, Fails(StatusCode.NOT_FOUND, "service name unknown"))
        for name in (
            *("nope", "SessionService", "tensorflow.serving.PredictionService"),
            "tensorflow.serving.ModelService",
        )
    ),
    Case(
        "gRPC: health, watched",
        FirstOf("/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest()),
        _serving,
        f"{SEEN}, with --enable_grpc_healthcheck_service",
        _with_the_flag,
    ),
]
