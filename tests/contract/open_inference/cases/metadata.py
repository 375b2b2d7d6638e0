"""Rows of metadata: of the server, and of its models and their versions."""

from typing import Any

from tests.contract.open_inference.answers import Says, metadata, refused
from tests.contract.open_inference.calls import Call, Rpc, get, of_model
from tests.contract.open_inference.row import Row
from vitrine_client.open_inference import wire_pb2 as wire

SERVER = Rpc("ServerMetadata", (wire.ServerMetadataRequest(),))


def _server(value: Any) -> None:
    assert value.keys() == {"name", "version", "extensions"}, value
    assert "binary_tensor_data" in value["extensions"], value
    assert "classification" in value["extensions"], value


def _of(name: str, version: str = "") -> Rpc:
    return Rpc("ModelMetadata", (of_model(name, version),))


def _asked(path: str, *named: str) -> Call:
    return get(f"/v2/models/{path}", grpc=_of(*named) if named else None)


ALL = metadata("mlp", ["1", "2"])
ONE = metadata("mlp", ["1"])

ROWS = [
    Row("A-meta", get("/v2", grpc=SERVER), Says(_server)),
    Row("A-origin", get("/v2", origin="https://example.com"), Says(_server)),
    Row("A-mmeta", _asked("mlp", "mlp"), ALL),
    Row("A-mmeta-v", _asked("mlp/versions/1", "mlp", "1"), ONE),
    Row("A-mmeta-b", _asked("mlpb", "mlpb"), metadata("mlpb", ["1"])),
    Row("A-mmeta-nope", _asked("nope", "nope"), refused(404, "nope")),
    Row("A-mmeta-v99", _asked("mlp/versions/99", "mlp", "99"), refused(404, "mlp", "99")),
    Row("A-mmeta-unl", _asked("unloaded", "unloaded"), refused(404, "unloaded")),
    Row("A-mmeta-v01", _asked("mlp/versions/01", "mlp", "01"), ONE),
    Row("A-mmeta-v0", _asked("mlp/versions/0", "mlp", "0"), refused(404)),
    Row("A-mmeta-v-1", _asked("mlp/versions/-1"), refused(404)),
    Row(
        "A-mmeta-vbig",
        _asked("mlp/versions/99999999999999999999", "mlp", "99999999999999999999"),
        refused(400),
    ),
    Row("A-mmeta-pct", _asked("%6dlp"), ALL, "a path is percent-decoded, as HTTP has it"),
    Row("A-mmeta-q", _asked("mlp?x=1"), ALL),
    Row("C-meta", Call(grpc=SERVER), Says(_server)),
    Row("C-mmeta", Call(grpc=_of("mlp")), ALL),
    Row("C-mmeta-v", Call(grpc=_of("mlp", "1")), ONE),
    Row("C-mmeta-b", Call(grpc=_of("mlpb")), metadata("mlpb", ["1"])),
    Row("C-mmeta-nope", Call(grpc=_of("nope")), refused(404, "nope")),
    Row("C-mmeta-v99", Call(grpc=_of("mlp", "99")), refused(404, "mlp", "99")),
]
