"""Rows of health: is the server live, is it ready, is a model?"""

from typing import Any

import grpc

from tests.contract.open_inference.answers import Says, anything, equal, refused
from tests.contract.open_inference.calls import Call, Http, Rpc, get, of_model, rpc
from tests.contract.open_inference.row import Row
from vitrine_client.open_inference import wire_pb2 as wire

LIVE = Rpc("ServerLive", (wire.ServerLiveRequest(),))
READY = Rpc("ServerReady", (wire.ServerReadyRequest(),))
BODY = "KServe's client reads JSON in the body; all others look at the status"
UNKNOWN = "what is not there is not found, as MLServer and KServe say; clients take any such as no"


def is_ready(name: str, version: str = "") -> Rpc:
    return Rpc("ModelReady", (of_model(name, version),))


def _ready(path: str, name: str, version: str = "") -> Call:
    return get(f"/v2/models/{path}/ready", grpc=is_ready(name, version))


def check(service: str) -> Call:
    """A call of gRPC's own health checking, whose message is a string in field 1."""
    named = service.encode()
    content = b"\n" + bytes([len(named)]) + named if named else b""
    return rpc("/grpc.health.v1.Health/Check", content)


def _serving(value: Any) -> None:
    assert value == b"\x08\x01", value


def _is_not(value: Any) -> None:
    assert not value.get("ready"), value


MLP = equal({"name": "mlp", "ready": True})
YES = equal({"ready": True})
NO = Says(_is_not)

ROWS = [
    Row("A-live", get("/v2/health/live", grpc=LIVE), equal({"live": True}), BODY),
    Row("A-ready", get("/v2/health/ready", grpc=READY), YES, BODY),
    Row("A-mready", _ready("mlp", "mlp"), MLP, BODY, grpc=YES),
    Row("A-mready-v", _ready("mlp/versions/1", "mlp", "1"), MLP, BODY, grpc=YES),
    Row("A-mready-nope", _ready("nope", "nope"), refused(404, "nope"), UNKNOWN, grpc=NO),
    Row("A-mready-v99", _ready("mlp/versions/99", "mlp", "99"), refused(404), UNKNOWN, grpc=NO),
    Row("A-mready-vabc", get("/v2/models/mlp/versions/abc/ready"), refused(404)),
    Row(
        *("A-mready-unl", _ready("unloaded", "unloaded"), refused(404, "unloaded"), UNKNOWN),
        grpc=NO,
    ),
    Row(
        "A-head-live",
        get("/v2/health/live", "HEAD"),
        Says(anything),
        "HEAD goes wherever GET does",
    ),
    Row("A-post-live", get("/v2/health/live", "POST"), refused(405)),
    Row(
        "B-http10",
        Call(Http("GET", "", sent=b"GET /v2/health/live HTTP/1.0\r\n\r\n")),
        equal({"live": True}),
        BODY,
    ),
    Row("C-live", Call(grpc=LIVE), equal({"live": True})),
    Row("C-ready", Call(grpc=READY), YES),
    Row("C-mready", Call(grpc=is_ready("mlp")), YES),
    Row("C-mready-v", Call(grpc=is_ready("mlp", "1")), YES),
    Row("C-mready-nope", Call(grpc=is_ready("nope")), NO),
    Row("C-mready-v99", Call(grpc=is_ready("mlp", "99")), NO),
    Row("C-mready-vabc", Call(grpc=is_ready("mlp", "abc")), refused(400, "abc")),
    Row("C-mready-empty", Call(grpc=is_ready("")), NO),
    Row("C-mready-unl", Call(grpc=is_ready("unloaded")), NO),
    Row("G-health", check(""), Says(_serving)),
    Row("G-health-m", check("mlp"), Says(_serving), embedded=refused(404)),
    Row("G-health-s", check("inference.GRPCInferenceService"), Says(_serving)),
    Row(
        "G-gzip",
        rpc("ServerReady", wire.ServerReadyRequest(), compression=grpc.Compression.Gzip),
        YES,
    ),
]
