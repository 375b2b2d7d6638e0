"""Calls of the Open Inference Protocol: one over HTTP, one over gRPC, or the same over both.

`infer` takes a request as the protocol's JSON has it, and makes the message of gRPC from it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import Message

from tests.contract.open_inference import arithmetic
from vitrine_client.open_inference import wire_pb2 as wire

Tensor = dict[str, Any]

HEADER = "Inference-Header-Content-Length"

FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **{"UINT64": "uint64_contents", "INT64": "int64_contents"},
    **{"FP64": "fp64_contents", "BYTES": "bytes_contents"},
}
"""The list of gRPC's contents for a datatype; `fp32_contents` for the others."""


@dataclass(frozen=True)
class Http:
    """A request over HTTP; `sent` are the bytes of one that is written by hand."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: bytes | None = None


@dataclass(frozen=True)
class Rpc:
    """A call of gRPC: a method of the protocol, or a whole path; a stream sends `requests`."""

    method: str
    requests: Sequence[Message | bytes]
    options: Mapping[str, Any] = field(default_factory=dict)
    answer: type[Message] | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it sends and gets any number of messages."""
        return self.method == "ModelStreamInfer"


@dataclass(frozen=True)
class Call:
    """What a row asks, over either transport or both."""

    http: Http | None = None
    grpc: Rpc | None = None


def get(path: str, method: str = "GET", *, grpc: Rpc | None = None, **headers: str) -> Call:
    """A request without a body."""
    return Call(
        Http(method, path, None, {_name(key): value for key, value in headers.items()}), grpc
    )


def post(path: str, body: Any = None, *, grpc: Rpc | None = None) -> Call:
    """A request with JSON, or none where it is None."""
    return Call(Http("POST", path, written(body), {}), grpc)


def rpc(method: str, request: Message | bytes, **options: Any) -> Call:
    """A call of a method."""
    return Call(grpc=Rpc(method, (request,), options))


def of_model(name: str, version: str = "") -> wire.ModelRequest:
    """The request of most methods."""
    return wire.ModelRequest(name=name, version=version)


def written(body: Any) -> bytes | None:
    """Returns JSON without spaces, with NaN and Infinity as Python writes them; bytes and None as
    they are."""
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def tensor(name: str, datatype: str, shape: Any, data: Any = None, **others: Any) -> Tensor:
    """A tensor as JSON has it; without what is None."""
    made = {"name": name, "datatype": datatype, "shape": shape, "data": data, **others}
    return {key: value for key, value in made.items() if value is not None}


def images(count: int = 1, **others: Any) -> Tensor:
    """The input of `mlp`: pictures, flat; `others` replace its members, and None takes one out."""
    flat = [float(f"{each:.3f}") for each in arithmetic.pictures(count).ravel().tolist()]
    made = {"name": "images", "shape": [count, 28, 28], "datatype": "FP32", "data": flat} | others
    return {key: value for key, value in made.items() if value is not None}


def element(datatype: str, *data: Any, **others: Any) -> Tensor:
    """The input of an echo: its elements."""
    return tensor("in", datatype, [len(data)], list(data), **others)


def path_of(model: str, version: str = "") -> str:
    """Where a model is asked for inference."""
    return f"/v2/models/{model}{f'/versions/{version}' if version else ''}/infer"


def infer(
    *inputs: Tensor,
    model: str = "mlp",
    version: str = "",
    headers: Mapping[str, str] | None = None,
    only_http: bool = False,
    **members: Any,
) -> Call:
    """The same inference over both transports, its tensors as values; `members` are those of the
    request's JSON, such as `id`."""
    request = {"inputs": list(inputs or [images()]), **members}
    return Call(
        Http("POST", path_of(model, version), written(request), headers or {}),
        None if only_http else Rpc("ModelInfer", (message(request, model, version),)),
    )


def body(content: Any, model: str = "mlp", version: str = "", **headers: str) -> Call:
    """An inference over HTTP whose body is anything."""
    named = {_name(key): value for key, value in headers.items()}
    return Call(Http("POST", path_of(model, version), written(content), named))


def changed(base: Mapping[str, Any] | None = None, **members: Any) -> Call:
    """A request of JSON over HTTP alone, with `members` that no message of gRPC can have."""
    return body({"inputs": [images()]} | dict(base or {}) | members)


def raw_bytes(values: Any, dtype: str = "<f4") -> bytes:
    """Numbers as the binary tensor extension has them."""
    return np.asarray(values, dtype).tobytes()


def lengths(*values: bytes) -> bytes:
    """Elements of BYTES as the binary tensor extension has them."""
    return b"".join(len(each).to_bytes(4, "little") + each for each in values)


PIXELS = raw_bytes(arithmetic.pictures(1))


def binary(
    *inputs: tuple[Tensor, bytes | None],
    model: str = "mlp",
    header: Any = None,
    size: Any = ...,
    add: int = 0,
    headers: Mapping[str, str] | None = None,
    only_http: bool = False,
    **members: Any,
) -> Call:
    """The same inference over both transports, its tensors as bytes; None for one whose values are
    in JSON. `header` is what the header says instead of the JSON's length, or that and `add`;
    `size` is said instead of the bytes' number."""
    inputs = inputs or ((images(data=None), PIXELS),)
    listed, parts = [], []
    for each, content in inputs:
        if content is None:
            listed.append(each)
            continue
        told = len(content) if size is ... else size
        listed.append(each | {"parameters": {"binary_data_size": told}})
        parts.append(content)
    head = written({"inputs": listed, **members}) or b""
    said = str(len(head) + add) if header is None else header
    named = {"Content-Type": "application/octet-stream"} | ({} if said is ... else {HEADER: said})
    asked = Http("POST", path_of(model), head + b"".join(parts), named | dict(headers or {}))
    if only_http or len(parts) != len(inputs):
        return Call(asked)
    made = message({"inputs": [each for each, _ in inputs], **members}, model)
    made.raw_input_contents.extend(parts)
    return Call(asked, Rpc("ModelInfer", (made,)))


def message(request: Mapping[str, Any], model: str, version: str = "") -> wire.ModelInferRequest:
    """Returns the message that says what a request of JSON does."""
    made = wire.ModelInferRequest(model_name=model, model_version=version, id=request.get("id", ""))
    parameters(made.parameters, request.get("parameters"))
    for each in request.get("inputs") or []:
        added = made.inputs.add(
            name=each.get("name", ""),
            datatype=each.get("datatype", ""),
            shape=each.get("shape", []),
        )
        parameters(added.parameters, each.get("parameters"))
        if values := _flat(each.get("data")):
            other = "bytes_contents" if isinstance(values[0], str) else "fp32_contents"
            name = FIELDS.get(added.datatype, other)
            getattr(added.contents, name).extend(map(_element, values))
    for each in request.get("outputs") or []:
        parameters(made.outputs.add(name=each.get("name", "")).parameters, each.get("parameters"))
    return made


def parameters(into: Any, values: Mapping[str, Any] | None) -> None:
    """Writes parameters of JSON into a message's."""
    for name, value in (values or {}).items():
        kind = {bool: "bool_param", int: "int64_param", float: "double_param"}.get(type(value))
        setattr(into[name], kind or "string_param", value)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [] if data is None else [data]
    return [value for each in data for value in _flat(each)]


def _element(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _name(key: str) -> str:
    """`content_type` as a header is written."""
    return key.replace("_", "-").title()
