"""gRPC messages of the Open Inference Protocol: the codec of inference requests and responses."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from vitrine_client.errors import InvalidRequest, ModelFault
from vitrine_client.open_inference import datatypes, packing
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import (
    NO_PARAMETERS,
    Parameter,
    Parameters,
    RequestedOutput,
    V2Request,
    V2Response,
    V2Tensor,
    checked_count,
)

SERVICE = "inference.GRPCInferenceService"


def path_of(method: str) -> str:
    """Returns the path by which gRPC calls a method, such as `ModelInfer`."""
    return f"/{SERVICE}/{method}"


def parsed(content: bytes) -> wire.ModelInferRequest:
    """Reads a request. Raises `InvalidRequest` where it is none; Triton says INTERNAL."""
    try:
        return wire.ModelInferRequest.FromString(content)
    except DecodeError as error:
        raise InvalidRequest(f"This is no ModelInferRequest: {error}") from error


def read_request(message: wire.ModelInferRequest) -> V2Request:
    """Returns the request in a message: all inputs raw, or none. Raises `InvalidRequest`."""
    request = V2Request(
        _read_tensors(message.inputs, message.raw_input_contents),
        [RequestedOutput(each.name, _read(each.parameters)) for each in message.outputs],
        message.model_name,
        message.model_version,
        message.id,
        _read(message.parameters),
    )
    seen = set[str]()
    for tensor in request.inputs:
        if tensor.name in seen:
            raise InvalidRequest(f"Input {tensor.name!r} is there twice")
        seen.add(tensor.name)
    return request


def write_request(request: V2Request) -> bytes:
    """Returns the message of a request, serialised; its inputs are raw."""
    message = wire.ModelInferRequest(
        model_name=request.model_name, model_version=request.model_version, id=request.id
    )
    _write(request.parameters, message.parameters)
    for output in request.outputs:
        _write(output.parameters, message.outputs.add(name=output.name).parameters)
    for tensor in request.inputs:
        _write_tensor(tensor, message.inputs)
        message.raw_input_contents.append(packing.packed(tensor))
    return message.SerializeToString()


def read_response(content: bytes) -> V2Response:
    """Reads a response. Raises `ModelFault` where it makes no sense."""
    try:
        return response_of(wire.ModelInferResponse.FromString(content))
    except DecodeError as error:
        raise ModelFault(f"The server's answer cannot be read: {error}") from error


def response_of(message: wire.ModelInferResponse) -> V2Response:
    """Returns the response in a message. Raises `ModelFault` where it makes no sense."""
    try:
        outputs = _read_tensors(message.outputs, message.raw_output_contents)
    except InvalidRequest as error:
        raise ModelFault(f"The server's answer makes no sense: {error}") from error
    return V2Response(
        message.model_name,
        message.model_version,
        outputs,
        message.id,
        _read(message.parameters),
    )


def write_response(response: V2Response) -> wire.ModelInferResponse:
    """Returns the message of a response; its outputs are raw, as Triton's always are and all
    clients read."""
    message = wire.ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version, id=response.id
    )
    _write(response.parameters, message.parameters)
    for tensor in response.outputs:
        _write_tensor(tensor, message.outputs)
        message.raw_output_contents.append(packing.packed(tensor))
    return message


def _read_tensors(messages: Iterable[wire.InferTensor], raw: Any) -> list[V2Tensor]:
    tensors = list(messages)
    if not raw:
        return [_of_contents(each) for each in tensors]
    # MLServer sends empty contents beside raw ones.
    if any(_lists(each.contents) for each in tensors if each.HasField("contents")):
        raise InvalidRequest("Tensors have contents and raw contents; send one of them")
    if len(raw) != len(tensors):
        raise InvalidRequest(
            f"There are {len(raw)} raw contents for {len(tensors)} tensors; send one for each"
        )
    return [
        packing.unpacked(each.name, each.datatype, each.shape, content)._replace(
            parameters=_read(each.parameters)
        )
        for each, content in zip(tensors, raw, strict=True)
    ]


def _of_contents(message: wire.InferTensor) -> V2Tensor:
    kind = datatypes.named(message.datatype)
    shape, name = tuple(message.shape), message.name
    count = checked_count(shape, name)
    others = [field for field in _lists(message.contents) if field != kind.field]
    if others or not kind.field:
        told = f"{others[0]} are not for it" if others else "it has no contents"
        raise InvalidRequest(
            f"{name!r} is {message.datatype}: {told}; send {kind.field or 'raw contents'}"
        )
    values = getattr(message.contents, kind.field)
    if len(values) != count:
        raise InvalidRequest(
            f"{name!r} has {len(values)} values, and its shape {list(shape)} takes {count}"
        )
    if message.datatype == "BYTES":
        array = np.empty(count, object)
        array[:] = list(values)
    else:
        array = _numbers(name, message.datatype, values)
    return V2Tensor(name, message.datatype, array.reshape(shape), _read(message.parameters))


def _numbers(name: str, datatype: str, values: Any) -> Any:
    dtype = datatypes.named(datatype).dtype
    wide = dtype if dtype.kind in "bf" else np.dtype(np.uint64 if dtype.kind == "u" else np.int64)
    array = np.fromiter(values, wide, len(values))
    if dtype.kind in "iu" and len(array):
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise InvalidRequest(
                f"{name!r} has a number beyond {datatype}, which is from {limits.min} to "
                f"{limits.max}"
            )
    return array.astype(dtype, copy=False)


def _lists(contents: wire.InferTensorContents) -> list[str]:
    """Returns the names of the lists that hold something."""
    return [field.name for field, _ in contents.ListFields()]


def _write_tensor(tensor: V2Tensor, into: Any) -> None:
    message = into.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.array.shape)
    _write(tensor.parameters, message.parameters)


def _read(parameters: Mapping[str, wire.InferParameter]) -> Parameters:
    if not parameters:
        return NO_PARAMETERS
    found = dict[str, Parameter]()
    for name, value in parameters.items():
        choice = value.WhichOneof("parameter_choice")
        if choice is None:
            raise InvalidRequest(f"Parameter {name!r} has no value")
        found[name] = getattr(value, choice)
    return found


def _write(parameters: Parameters, into: Any) -> None:
    for name, value in parameters.items():
        if isinstance(value, bool):
            into[name].bool_param = value
        elif isinstance(value, int):
            _write_whole(name, value, into[name])
        elif isinstance(value, float):
            into[name].double_param = value
        else:
            into[name].string_param = value


def _write_whole(name: str, value: int, into: wire.InferParameter) -> None:
    if -(2**63) <= value < 2**63:
        into.int64_param = value
    elif 0 < value < 2**64:
        into.uint64_param = value
    else:
        raise InvalidRequest(f"Parameter {name!r} is beyond 64 bits")
