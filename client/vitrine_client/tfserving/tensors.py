"""Tensors: NumPy arrays to and from TensorFlow's message.

Facts are from tensorflow/core/framework/tensor.proto: `tensor_content` holds the elements as they
lie in memory (little-endian here), strings after their lengths, and a typed list that is shorter
than the shape repeats its last value.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidRequest, ServerError
from vitrine_client.tfserving import packed_strings
from vitrine_client.tfserving import wire_pb2 as wire

_MOST_REPEATED = 1 << 22
"""Values that a message may leave out, as the last one stands for them: 32 MB of doubles. Real
servers write out all that they answer."""

Array = npt.NDArray[Any]

_LISTS = {
    wire.DT_FLOAT: (np.float32, "float_val"),
    wire.DT_DOUBLE: (np.float64, "double_val"),
    wire.DT_INT32: (np.int32, "int_val"),
    wire.DT_UINT8: (np.uint8, "int_val"),
    wire.DT_INT16: (np.int16, "int_val"),
    wire.DT_INT8: (np.int8, "int_val"),
    wire.DT_INT64: (np.int64, "int64_val"),
    wire.DT_BOOL: (np.bool_, "bool_val"),
    wire.DT_UINT16: (np.uint16, "int_val"),
    wire.DT_HALF: (np.float16, "half_val"),
    wire.DT_UINT32: (np.uint32, "uint32_val"),
    wire.DT_UINT64: (np.uint64, "uint64_val"),
    wire.DT_STRING: (np.object_, "string_val"),
}
_DTYPES = {np.dtype(kind): number for number, (kind, _) in _LISTS.items()}


def to_tensor(array: Array) -> wire.Tensor:
    """Returns the message for an array of numbers, booleans, `bytes` or `str`.

    Raises `InvalidRequest` for a dtype that TensorFlow does not have.
    """
    shape = wire.TensorShape(dim=[wire.TensorShape.Dim(size=size) for size in array.shape])
    if array.dtype.kind in "SUO":
        strings = [s.encode() if isinstance(s, str) else s for s in array.ravel().tolist()]
        return wire.Tensor(dtype=wire.DT_STRING, tensor_shape=shape, string_val=strings)
    number = _DTYPES.get(array.dtype)
    if number is None:
        raise InvalidRequest(f"TensorFlow has no dtype {array.dtype}; convert the array first")
    return wire.Tensor(dtype=number, tensor_shape=shape, tensor_content=array.tobytes())


def from_tensor(tensor: wire.Tensor) -> Array:
    """Returns the array in a message; strings come as an object array of `bytes`, and bfloat16,
    which NumPy lacks, as float32.

    Raises `ServerError` where the message contradicts itself.
    """
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    try:
        if any(size < 0 for size in shape):
            raise ValueError("a size is negative")
        if tensor.dtype == wire.DT_BFLOAT16:
            return _brain_floats(tensor, shape)
        dtype, field = _LISTS[tensor.dtype]
        if tensor.tensor_content and tensor.dtype == wire.DT_STRING:
            strings = packed_strings.unpack(tensor.tensor_content, math.prod(shape))
            return np.array(strings, object).reshape(shape)
        if tensor.tensor_content:
            return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
        listed = getattr(tensor, field)
        # Half floats travel as the integers that have their bits.
        half = tensor.dtype == wire.DT_HALF
        values: Array = np.fromiter(listed, np.uint16 if half else dtype, len(listed))
        if half:
            values = values.view(np.float16)
        missing = math.prod(shape) - len(values)
        if missing > _MOST_REPEATED:
            raise ValueError(f"the last of {len(values)} values stands for {missing} more")
        if missing > 0 and len(values):
            values = np.concatenate([values, np.broadcast_to(values[-1:], missing)])
        return values.reshape(shape)
    except (KeyError, MemoryError, OverflowError, ValueError) as error:
        raise ServerError(
            f"A tensor of dtype {tensor.dtype} and shape {shape} makes no sense: {error}"
        ) from error


def _brain_floats(tensor: wire.Tensor, shape: tuple[int, ...]) -> Array:
    """Returns bfloat16 as float32, whose upper half it is."""
    halves = wire.Tensor()
    halves.CopyFrom(tensor)
    halves.dtype = wire.DT_HALF
    bits: Array = np.ascontiguousarray(from_tensor(halves)).view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32).reshape(shape)
