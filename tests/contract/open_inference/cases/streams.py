"""Rows of gRPC's stream of inferences, and of reflection."""

from collections.abc import Callable
from typing import Any

from tests.contract.open_inference.answers import Refused, Says
from tests.contract.open_inference.calls import Call, Rpc, element, images, message
from tests.contract.open_inference.cases.models import DECOUPLED
from tests.contract.open_inference.row import Row
from vitrine_client.open_inference import wire_pb2 as wire

FINAL = {"triton_final_response": {"bool_param": True}}
REFLECTED = "reflection tells tools such as grpcurl what the service has"


def _asked(model: str, id: str, **members: Any) -> wire.ModelInferRequest:  # noqa: A002
    inputs = [images() if model == "mlp" else element("FP32", 1.0)]
    return message({"inputs": inputs, "id": id, **members}, model)


def _stream(*requests: wire.ModelInferRequest) -> Call:
    return Call(grpc=Rpc("ModelStreamInfer", requests))


def _answers(*wanted: Callable[[Any], None]) -> Says:
    def check(value: Any) -> None:
        assert len(value) == len(wanted), value
        for one, each in zip(wanted, value, strict=True):
            one(each)

    return Says(check)


def _final(model: str, id: str) -> Callable[[Any], None]:  # noqa: A002
    def check(value: Any) -> None:
        answer = value["infer_response"]
        assert "error_message" not in value, value
        assert (answer["model_name"], answer["id"]) == (model, id), value
        assert answer["parameters"] == FINAL, value
        assert answer["outputs"], value

    return check


def _fault(words: str, id: str) -> Callable[[Any], None]:  # noqa: A002
    def check(value: Any) -> None:
        assert words in value["error_message"], value
        assert value["infer_response"]["id"] == id, value

    return check


LIST = bytes((0x3A, 0))  # `list_services`, an empty string


def _lists(value: Any) -> None:
    assert all(b"inference.GRPCInferenceService" in each for each in value), value
    assert value


EMPTY_FINAL = {"triton_enable_empty_final_response": True}

ROWS = [
    Row("S-one", _stream(_asked("mlp", "s1")), _answers(_final("mlp", "s1"))),
    Row(
        "S-bad",
        _stream(_asked("nope", "s1"), _asked("mlp", "s2")),
        _answers(_fault("nope", "s1"), _final("mlp", "s2")),
    ),
    Row("S-dec", _stream(_asked("stream", "s3")), _answers(_final("stream", "s3")), DECOUPLED),
    Row(
        "S-decf",
        _stream(_asked("stream", "s4", parameters=EMPTY_FINAL)),
        _answers(_final("stream", "s4")),
        DECOUPLED,
    ),
    Row("S-none", _stream(), _answers()),
    Row(
        "G-refl-v1",
        Call(grpc=Rpc("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", (LIST,))),
        Says(_lists),
        REFLECTED,
        embedded=Refused(501, is_silent=True),
    ),
    Row(
        "G-refl-v1alpha",
        Call(grpc=Rpc("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", (LIST,))),
        Says(_lists),
        REFLECTED,
        embedded=Refused(501, is_silent=True),
    ),
]
