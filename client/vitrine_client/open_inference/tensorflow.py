"""Tensors of the Open Inference Protocol as TensorFlow Serving's messages, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vitrine_client.errors import ModelFault
from vitrine_client.open_inference.messages import V2Tensor
from vitrine_client.tfserving import tensors
from vitrine_client.tfserving import wire_pb2 as wire

Json = dict[str, Any]

PLATFORM = "tensorflow_savedmodel"
"""Platform of models, in Triton's word for it."""

_NAMES = {
    wire.DT_BOOL: "BOOL",
    wire.DT_UINT8: "UINT8",
    wire.DT_UINT16: "UINT16",
    wire.DT_UINT32: "UINT32",
    wire.DT_UINT64: "UINT64",
    wire.DT_INT8: "INT8",
    wire.DT_INT16: "INT16",
    wire.DT_INT32: "INT32",
    wire.DT_INT64: "INT64",
    wire.DT_HALF: "FP16",
    wire.DT_BFLOAT16: "BF16",
    wire.DT_FLOAT: "FP32",
    wire.DT_DOUBLE: "FP64",
    wire.DT_STRING: "BYTES",
}
"""Names of datatypes by TensorFlow's numbers; the protocol has no others."""


def to_tensor(tensor: V2Tensor) -> wire.Tensor:
    """Returns TensorFlow's message for a tensor."""
    message = tensors.to_tensor(tensor.array)
    if tensor.datatype == "BF16":
        message.dtype = wire.DT_BFLOAT16
    return message


def from_tensor(name: str, message: wire.Tensor) -> V2Tensor:
    """Returns the tensor in TensorFlow's message. Raises `ServerError` where that contradicts
    itself, and `ModelFault` for a dtype that the protocol lacks."""
    datatype = _NAMES.get(message.dtype)
    if datatype is None:
        raise ModelFault(
            f"The output {name!r} is {dtype_name(message.dtype)}, which the Open Inference "
            "Protocol has no datatype for; TensorFlow Serving's JSON and gRPC have"
        )
    array = tensors.from_tensor(message)
    if datatype == "BF16":  # they come as the float32 that they are the upper half of
        array = (np.ascontiguousarray(array).view(np.uint32) >> 16).astype(np.uint16)
    return V2Tensor(name, datatype, array)


def from_response(message: wire.PredictResponse) -> list[V2Tensor]:
    """Returns the outputs of a response, in the order of their names, as it has none. Raises as
    `from_tensor` does."""
    return [from_tensor(name, message.outputs[name]) for name in sorted(message.outputs)]


def datatype_of(info: wire.TensorInfo) -> str:
    """Returns the name of a tensor's datatype, or else TensorFlow's."""
    return _NAMES.get(info.dtype) or dtype_name(info.dtype)


def shape_of(info: wire.TensorInfo) -> Sequence[int]:
    """Returns the sizes of a tensor's dimensions, -1 where any is right."""
    return [max(dim.size, -1) for dim in info.tensor_shape.dim]


def dtype_name(number: int) -> str:
    """Returns TensorFlow's name of a dtype."""
    try:
        return wire.DataType.Name(number)
    except ValueError:
        return f"dtype {number}"


def metadata_of(
    name: str, versions: Iterable[int], inputs: Sequence[Json], outputs: Sequence[Json]
) -> Json:
    """Returns the metadata of a model as the protocol's JSON has it."""
    return {
        "name": name,
        "versions": [str(each) for each in versions],
        "platform": PLATFORM,
        "inputs": list(inputs),
        "outputs": list(outputs),
    }
