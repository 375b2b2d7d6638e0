"""Conversion of TensorFlow's tensors to NumPy arrays and back, as they travel over gRPC."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2

from vitrine_serving.errors import ServingError

Array = np.ndarray[Any, Any]

_LARGEST = 2**31 - 1  # bytes, of a message and so of a tensor: a shape may promise any number

_VALUES: dict[int, tuple[str, Any]] = {
    types_pb2.DT_FLOAT: ("float_val", None),
    types_pb2.DT_DOUBLE: ("double_val", None),
    types_pb2.DT_BOOL: ("bool_val", None),
    types_pb2.DT_STRING: ("string_val", None),
    types_pb2.DT_INT64: ("int64_val", None),
    types_pb2.DT_UINT32: ("uint32_val", None),
    types_pb2.DT_UINT64: ("uint64_val", None),
    types_pb2.DT_INT8: ("int_val", None),
    types_pb2.DT_INT16: ("int_val", None),
    types_pb2.DT_INT32: ("int_val", None),
    types_pb2.DT_UINT8: ("int_val", None),
    types_pb2.DT_UINT16: ("int_val", None),
    types_pb2.DT_HALF: ("half_val", np.uint16),
    types_pb2.DT_BFLOAT16: ("half_val", np.uint16),
    types_pb2.DT_COMPLEX64: ("scomplex_val", np.float32),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", np.float64),
}
"""Fields in which `tensor.proto` lists the elements of each dtype, and their dtype there."""

_PACKED = (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_BOOL)
"""Dtypes whose elements lie in a message as they lie in an array: 640 floats, written at once, take
a tenth of the time that they take as numbers of Python's."""

_MOST_SHAPES, _MOST_KEY_BYTES = 1024, 64
"""Shapes that are kept, and the longest that is: clients choose them, and may name dimensions."""

_DTYPES = frozenset(
    number for name, number in types_pb2.DataType.items() if not name.endswith("_REF")
)
"""Dtypes that a tensor in a message can have; references are variables', and Python's TensorFlow
would take them for the dtypes that they refer to."""

_NUMPY: dict[int, Any] = {number: tf.as_dtype(number).as_numpy_dtype for number in _VALUES}
_NUMBERS = {np.dtype(kind).type: number for number, kind in _NUMPY.items()}


def to_array(name: str, tensor: Any) -> Array:
    """Returns the array of a `TensorProto`; raises `ServingError` (INVALID_ARGUMENT)."""
    try:
        shape, number = _shape_of(tensor.tensor_shape), tensor.dtype
        if number not in _DTYPES:
            raise ValueError(f"dtype {number} is no tensor's")
        content = tensor.tensor_content  # a copy each time
        if content and number in _NUMPY:
            return np.frombuffer(content, _NUMPY[number]).reshape(shape)
        if 8 * math.prod(shape) > _LARGEST:
            raise ValueError(f"{shape} is no shape of a tensor that fits a message")
        return np.asarray(tf.make_ndarray(tensor))
    except (KeyError, TypeError, ValueError) as error:  # KeyError: a dtype that NumPy has not
        raise ServingError.invalid(f"tensor parsing error: {name}") from error


def _shape_of(tensor_shape: Any) -> tuple[int, ...]:
    """Returns the shape in a `TensorShapeProto`. Those that come again, nearly all, are known by
    their bytes: reading each dimension takes four times as long."""
    key = tensor_shape.SerializeToString()
    return _parsed(key) if len(key) <= _MOST_KEY_BYTES else _parsed.__wrapped__(key)


@lru_cache(_MOST_SHAPES)
def _parsed(shape: bytes) -> tuple[int, ...]:
    sizes = tuple(dim.size for dim in tensor_shape_pb2.TensorShapeProto.FromString(shape).dim)
    if min(sizes, default=0) < 0:  # reshape would guess a -1
        raise ValueError(f"{sizes} is no shape of a tensor")
    return sizes


def fill_tensor(tensor: Any, array: Array, *, as_content: bool = False) -> None:
    """Writes an array into an empty `TensorProto`.

    TensorFlow Serving lists the values (`float_val` and so on), and clients count on that;
    with `as_content` numbers go as bytes, as with its --enable_serialization_as_tensor_content.
    """
    number = _NUMBERS.get(array.dtype.type)
    if number is None:  # float8 and the like
        tensor.CopyFrom(tf.make_tensor_proto(array))
        return
    values, kind = _VALUES[number]
    if as_content and number != types_pb2.DT_STRING:
        values = "tensor_content"
    elif number not in _PACKED:
        tensor.MergeFromString(_head(number, array.shape))
        flat = array.ravel()
        getattr(tensor, values).extend((flat.view(kind) if kind else flat).tolist())
        return
    body = array.tobytes()
    head = _head(number, array.shape)
    tensor.MergeFromString(b"".join((head, _TAGS[values], _varint(len(body)), body)))


_TAGS = {
    field.name: bytes([field.number << 3 | 2])  # wire type LEN: packed elements, or bytes
    for field in tensor_pb2.TensorProto.DESCRIPTOR.fields
    if field.number < 16
}


@lru_cache(_MOST_SHAPES)
def _head(number: int, shape: tuple[int, ...]) -> bytes:
    """Returns the dtype and the shape of a `TensorProto`, serialised."""
    tensor = tensor_pb2.TensorProto(dtype=number)
    tensor.tensor_shape.SetInParent()  # a scalar has a shape, too
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor.SerializeToString()


def _varint(number: int) -> bytes:
    """Returns a length as messages have it: https://protobuf.dev/programming-guides/encoding."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))
