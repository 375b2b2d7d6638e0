"""Requests of the Open Inference Protocol as they should be: what is mutated."""

import base64

import numpy as np

from harness.paths import PICTURE
from tests.contract.open_inference import arithmetic, calls
from tests.contract.open_inference.calls import Call, Http, Rpc
from vitrine_client.open_inference import wire_pb2 as wire

_NUMBERS = {
    "BOOL": (True, False),
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": (-(2 ** (bits - 1)), 7) for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("FP16", "BF16", "FP32", "FP64"), (1.5, -0.25)),
}
_DTYPES = {"BOOL": "u1", "BF16": "<u2", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
MANY = 60
"""Pictures whose JSON is read in a process of its own, and whose bytes are read in a thread."""

_ONLY_RAW = ("FP16", "BF16")
_OUTPUTS = [
    {"name": "probabilities", "parameters": {"classification": 3}},
    {"name": "class_ids", "parameters": {"binary_data": True}},
]


def http_requests() -> list[Http]:
    """Returns requests over HTTP, each of which is answered with 200."""
    asked = [each.http for each in _calls() if each.http]
    path, pixels = calls.path_of("echo_fp32"), calls.raw_bytes([1, 2, 3])
    many = calls.images(MANY)
    large = calls.infer(many).http, calls.binary((_without_data(many), _pixels(MANY))).http
    return [
        *asked,
        *(each for each in large if each),
        Http("POST", path, pixels, {calls.HEADER: "0"}),
        *(Http("GET", f"/v2{path}") for path in ("", "/health/live", "/health/ready")),
        *(Http("GET", f"/v2/models/mlp{path}") for path in ("", "/ready", "/config", "/stats")),
        Http("GET", "/v2/models/mlp/versions/1"),
        Http("POST", "/v2/repository/index", b'{"ready": true}'),
    ]


def rpcs() -> list[Rpc]:
    """Returns calls of gRPC, each of which is answered with OK."""
    return [
        *inferences(),
        *(Rpc(f"Model{name}", (calls.of_model("mlp", "1"),)) for name in _OF_MODEL),
        Rpc("ServerMetadata", (wire.ServerMetadataRequest(),)),
        Rpc("RepositoryIndex", (wire.RepositoryIndexRequest(ready=True),)),
        Rpc("/grpc.health.v1.Health/Check", (b"",)),
    ]


def inferences() -> list[Rpc]:
    """Returns calls of ModelInfer alone."""
    return [each.grpc for each in _calls() if isinstance(each.grpc, Rpc)]


_OF_MODEL = ("Ready", "Metadata", "Config", "Statistics")


def _calls() -> list[Call]:
    text = base64.b64encode(PICTURE).decode()
    two = (calls.tensor("a", "FP32", [2], [1.0, 2.0]), calls.tensor("b", "FP32", [2], [0.5, 0.5]))
    in_text = calls.tensor("image_bytes", "BYTES", [1], [text])
    return [
        *(
            calls.infer(calls.element(kind, *values), model=f"echo_{name}")
            for name, kind in arithmetic.DATATYPES.items()
            if kind not in _ONLY_RAW and (values := _NUMBERS.get(kind, ("é", "")))
        ),
        *(
            calls.binary(
                (calls.tensor("in", kind, [2]), _raw(kind)),
                model=f"echo_{name}",
                parameters={"binary_data_output": True},
            )
            for name, kind in arithmetic.DATATYPES.items()
        ),
        calls.infer(),
        calls.infer(calls.images(2), version="1", id="7", outputs=_OUTPUTS),
        calls.infer(*two, model="opt", parameters={"binary_data_output": True, "priority": 1}),
        calls.infer(calls.element("FP32", float("nan"), 1.5), model="echo_fp32"),
        calls.infer(
            calls.element("BYTES", "AAEC", parameters={"content_type": "base64"}),
            model="echo_bytes",
            parameters={"timeout": 5_000_000, "binary_data_output": True},
        ),
        calls.binary(parameters={"binary_data_output": True}, id="é"),
        calls.binary(outputs=_OUTPUTS),
        calls.binary(
            *((calls.tensor(name, "FP32", [2]), calls.raw_bytes([1, 2])) for name in "ab"),
            model="opt",
        ),
        calls.infer(calls.images(3), model="clothes"),
        calls.binary(model="clothes"),
        calls.infer(
            in_text | {"parameters": {"content_type": "base64"}}, model="clothes", only_http=True
        ),
        calls.binary(
            (calls.tensor("image_bytes", "BYTES", [2]), calls.lengths(PICTURE, PICTURE)),
            model="clothes",
        ),
    ]


def _without_data(tensor: calls.Tensor) -> calls.Tensor:
    return {key: value for key, value in tensor.items() if key != "data"}


def _pixels(count: int) -> bytes:
    return calls.raw_bytes(arithmetic.pictures(count))


def _raw(datatype: str) -> bytes:
    if datatype == "BYTES":
        return calls.lengths("é".encode(), b"\xff\x00")
    kind = _DTYPES.get(datatype, datatype.lower())
    values = (0, 0x3F80) if datatype == "BF16" else _NUMBERS[datatype]
    return calls.raw_bytes(values, np.dtype(kind).newbyteorder("<").str)
