"""Conversion of TensorFlow's tensors to NumPy arrays and back, as they travel over gRPC."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

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

_DTYPES = frozenset(
    number for name, number in types_pb2.DataType.items() if not name.endswith("_REF")
)
"""Dtypes that a tensor in a message can have; references are variables', and Python's TensorFlow
would take them for the dtypes that they refer to."""

_NUMPY: dict[int, Any] = {number: tf.as_dtype(number).as_numpy_dtype for number in _VALUES}
_NUMBERS = {np.dtype(kind).type: number for number, kind in _NUMPY.items()}


def to_array(name: str, tensor: Any) -> Array:
    """Returns the array of a `TensorProto`; raises `ServingError` (INVALID_ARGUMENT)."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    try:
        if tensor.dtype not in _DTYPES or min(shape, default=0) < 0:  # reshape would guess a -1
            raise ValueError(f"dtype {tensor.dtype} and {shape} are no tensor's")
        if tensor.tensor_content and tensor.dtype in _NUMPY:
            return np.frombuffer(tensor.tensor_content, _NUMPY[tensor.dtype]).reshape(shape)
        if 8 * math.prod(shape) > _LARGEST:
            raise ValueError(f"{shape} is no shape of a tensor that fits a message")
        return np.asarray(tf.make_ndarray(tensor))
    except (KeyError, TypeError, ValueError) as error:  # KeyError: a dtype that NumPy has not
        raise ServingError.invalid(f"tensor parsing error: {name}") from error


def fill_tensor(tensor: Any, array: Array, *, as_content: bool = False) -> None:
    """Writes an array into an empty `TensorProto`.

    TensorFlow Serving lists the values (`float_val` and so on), and clients count on that;
    with `as_content` numbers go as bytes, as with its --enable_serialization_as_tensor_content.
    """
    number = _NUMBERS.get(array.dtype.type)
    if number is None:  # float8 and the like
        tensor.CopyFrom(tf.make_tensor_proto(array))
        return
    tensor.dtype = number
    tensor.tensor_shape.SetInParent()  # a scalar has a shape, too
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if as_content and number != types_pb2.DT_STRING:
        tensor.tensor_content = array.tobytes()
        return
    values, kind = _VALUES[number]
    flat = array.ravel()
    getattr(tensor, values).extend((flat.view(kind) if kind else flat).tolist())
