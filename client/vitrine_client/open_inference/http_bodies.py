"""HTTP bodies of the Open Inference Protocol: JSON, followed by the binary data of tensors.

JSON is parsed and written elsewhere, as client and gateway do that in their own ways: here it is
objects. https://github.com/kserve/open-inference-protocol, and Triton's binary tensor data
extension, as tests/contract/open_inference has it seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vitrine_client.errors import InvalidRequest, ModelFault
from vitrine_client.open_inference import json_values, packing
from vitrine_client.open_inference.messages import (
    NO_PARAMETERS,
    Parameter,
    Parameters,
    RequestedOutput,
    V2Request,
    V2Response,
    V2Tensor,
)

Json = dict[str, Any]

HEADER = "inference-header-content-length"
"""HTTP header with the length of the JSON in bytes, where binary data follows it."""

_SIZE = "binary_data_size"


def json_length(header: str | None, body_bytes: int) -> int:
    """Returns the length of the JSON in a body: all of it without the header. Raises
    `InvalidRequest` where the header names none."""
    if header is None:
        return body_bytes
    text = header.strip()
    digits = text.lstrip("0") or "0"
    is_number = text.isascii() and text.isdigit() and len(digits) < 20
    if not is_number or int(digits) > body_bytes:
        raise InvalidRequest(
            f"Inference-Header-Content-Length is the length of the JSON, from 0 to the body's "
            f"{body_bytes}; it says {text[:40]!r}"
        )
    return int(digits)


def read_request(content: Any, binary: bytes | memoryview) -> V2Request:
    """Returns the request of parsed JSON and the binary data after it. Unknown members are left
    out, as official clients send some. Raises `InvalidRequest`."""
    members = _object(content, "The request")
    inputs, rest = dict[str, V2Tensor](), memoryview(binary)
    for each in _objects(members, "inputs"):
        tensor, rest = _read_tensor(each, rest)
        if tensor.name in inputs:
            raise InvalidRequest(f"Input {tensor.name!r} is there twice")
        inputs[tensor.name] = tensor
    if rest:
        raise InvalidRequest(f"{len(rest)} bytes of binary data follow the last input's")
    outputs = [] if members.get("outputs") is None else _objects(members, "outputs")
    return V2Request(
        [*inputs.values()],
        [RequestedOutput(_text(each, "name"), _parameters(each)) for each in outputs],
        _text(members, "model_name", ""),
        id=_text(members, "id", ""),
        parameters=_parameters(members),
    )


def write_request(request: V2Request, *, is_binary: bool) -> tuple[Json, list[bytes]]:
    """Returns the JSON of a request, and the binary data to follow it. Arrays are in it as they
    are, for the encoder."""
    content: Json = {"inputs": []}
    if request.id:
        content["id"] = request.id
    if request.parameters:
        content["parameters"] = dict(request.parameters)
    if request.outputs:
        content["outputs"] = [
            {"name": each.name} | _with(each.parameters) for each in request.outputs
        ]
    parts = [_write_tensor(content["inputs"], each, is_binary) for each in request.inputs]
    return content, [part for part in parts if part]


def read_response(content: Any, binary: bytes | memoryview) -> V2Response:
    """Returns the response of parsed JSON and the binary data after it. Raises `ModelFault` where
    it makes no sense."""
    try:
        members = _object(content, "The response")
        outputs, rest = list[V2Tensor](), memoryview(binary)
        for each in _objects(members, "outputs"):
            tensor, rest = _read_tensor(each, rest)
            outputs.append(tensor)
        return V2Response(
            _text(members, "model_name", ""),
            _text(members, "model_version", ""),
            outputs,
            _text(members, "id", ""),
            _parameters(members),
        )
    except InvalidRequest as error:
        raise ModelFault(f"The server's answer makes no sense: {error}") from error


def write_response(response: V2Response, asked: V2Request) -> tuple[Json, list[bytes]]:
    """Returns the JSON of a response to a request, and the binary data to follow it.

    An output is binary where it was asked for so; where none was named, all are with the request's
    `binary_data_output`. Raises `InvalidRequest` for one that JSON cannot hold.
    """
    content: Json = {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "outputs": [],
    }
    if response.id:
        content["id"] = response.id
    if response.parameters:
        content["parameters"] = dict(response.parameters)
    is_binary = _binary_of(asked)
    parts = [
        _write_tensor(content["outputs"], each, bool(is_binary(each.name)))
        for each in response.outputs
    ]
    return content, [part for part in parts if part]


def are_binary(outputs: Iterable[V2Tensor], asked: V2Request) -> bool:
    """Says whether all outputs of a response are numbers that a request wants as binary data, and
    have no parameters."""
    is_binary = _binary_of(asked)
    for each in outputs:
        if each.datatype == "BYTES" or each.parameters or not is_binary(each.name):
            return False
    return True


def _binary_of(asked: V2Request) -> Callable[[str], bool | None]:
    """Returns what says of an output, by its name, whether it is wanted as binary data."""
    if asked.outputs:
        wanted = {each.name: each.parameters.get("binary_data") is True for each in asked.outputs}
        return wanted.get
    all_binary = asked.raw is not None or asked.parameters.get("binary_data_output") is True
    return lambda _: all_binary


def _read_tensor(members: Json, rest: memoryview) -> tuple[V2Tensor, memoryview]:
    """Returns a tensor, and the binary data after its own."""
    name, datatype = _text(members, "name"), _text(members, "datatype")
    shape = members.get("shape")
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise InvalidRequest(f"`shape` of {name!r} is a list of whole numbers")
    parameters = _parameters(members)
    size = parameters.get(_SIZE)
    if size is None:
        if "data" not in members:
            raise InvalidRequest(f"{name!r} has neither `data` nor `binary_data_size`")
        data = members["data"]
        return json_values.tensor_of(name, datatype, shape, data, parameters), rest
    if "data" in members:
        raise InvalidRequest(f"{name!r} has `data` and `binary_data_size`; send one of them")
    if type(size) is not int or size < 0:
        raise InvalidRequest(f"`binary_data_size` of {name!r} is a number of bytes, not {size!r}")
    if size > len(rest):
        raise InvalidRequest(
            f"{name!r} has {size} bytes of binary data by its `binary_data_size`, and {len(rest)} "
            "are there; is Inference-Header-Content-Length the length of the JSON?"
        )
    tensor = packing.unpacked(name, datatype, shape, rest[:size])
    return tensor._replace(parameters=parameters), rest[size:]


def _write_tensor(into: list[Json], tensor: V2Tensor, is_binary: bool) -> bytes:
    """Appends a tensor; returns its binary data."""
    members: Json = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.array.shape),
    }
    content = b""
    parameters = dict(tensor.parameters)
    if is_binary:
        content = packing.packed(tensor)
        parameters[_SIZE] = len(content)
    else:
        members["data"] = json_values.values_of(tensor)
    into.append(members | _with(parameters))
    return content


def _with(parameters: Parameters) -> Json:
    return {"parameters": dict(parameters)} if parameters else {}


def _object(content: Any, told: str) -> Json:
    if not isinstance(content, dict):
        raise InvalidRequest(f"{told} is a JSON object with `inputs` or `outputs`")
    return content


def _objects(members: Json, name: str) -> Sequence[Json]:
    found = members.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InvalidRequest(f"`{name}` is a list of objects, one for each tensor")
    return found


def _text(members: Json, name: str, default: str | None = None) -> str:
    found = members.get(name, default)
    if found is None:
        found = default
    if not isinstance(found, str):
        raise InvalidRequest(
            f"`{name}` is a string" + ("" if found is None else f", not {found!r}")
        )
    return found


def _parameters(members: Json) -> Parameters:
    found = members.get("parameters")
    if found is None:
        return NO_PARAMETERS
    if not isinstance(found, dict):
        raise InvalidRequest("`parameters` is an object")
    for name, value in found.items():
        if not isinstance(value, Parameter):
            raise InvalidRequest(f"Parameter {name!r} is true, false, a number or a string")
    checked: Mapping[str, Parameter] = found
    return checked
