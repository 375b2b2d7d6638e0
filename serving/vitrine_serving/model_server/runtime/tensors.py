"""Conversion of TensorFlow's tensors to NumPy arrays and back, as they travel over gRPC."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import (
    resource_handle_pb2,
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
)

from vitrine_client.tfserving import packed_strings
from vitrine_serving.errors import ServingError

Array = np.ndarray[Any, Any]

_LARGEST = 2**31 - 1  # bytes, of a message and so of a tensor: a shape may promise any number

_STRING_BYTES = 24
"""Bytes of a string in a tensor of TensorFlow's (tstring), those of its text aside."""

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

_NO_ARRAYS = (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT)
"""Dtypes of a tensor in a message that NumPy has not."""

_FIELDS: dict[int, tuple[str, Any]] = {
    **{number: (field, kind or _NUMPY[number]) for number, (field, kind) in _VALUES.items()},
    **{
        number: ("int_val", None)
        for name, number in types_pb2.DataType.items()
        if name.removeprefix("DT_").lower() in ("qint8", "quint8", "qint16", "quint16", "qint32")
    },
}
"""Fields in which elements of each dtype are listed, and what their bits are read as there."""

MESSAGE_DTYPES: dict[int, Any] = {
    number: tf.as_dtype(number).as_numpy_dtype
    for number in _DTYPES - {types_pb2.DT_INVALID, *_NO_ARRAYS}
}
"""NumPy's dtypes of tensors without values: of all that a message can have."""


class HandleArray(np.ndarray[Any, Any]):
    """Array in place of a tensor that none can hold; `kind` is the tensor's dtype in TensorFlow's
    words, `handle` that of a resource."""

    kind = "variant"
    handle: Any = None


def to_array(name: str, tensor: Any) -> Array:
    """Returns the array of a `TensorProto`; raises `ServingError` (INVALID_ARGUMENT).

    As tensor.cc (FromProto): more values than the shape has are cut off, fewer repeat the last.
    """
    try:
        shape, number = _shape_of(tensor.tensor_shape), tensor.dtype
        if number not in _DTYPES:
            raise ValueError(f"dtype {number} is no tensor's")
        count = math.prod(shape)
        content = count and tensor.tensor_content  # a copy each time
        if content and number in _NUMPY and number != types_pb2.DT_STRING:
            return np.frombuffer(content, _NUMPY[number]).reshape(shape)
        if (_STRING_BYTES if number == types_pb2.DT_STRING else 8) * count > _LARGEST:
            raise ValueError(f"{shape} is no shape of a tensor that fits a message")
        if number in _NO_ARRAYS:
            return _handles(tensor, shape)
        values = _packed_values(content, number, count) if content else _values(tensor, count)
        return values.reshape(shape)
    except (KeyError, TypeError, ValueError) as error:  # KeyError: a dtype that NumPy has not
        raise ServingError.invalid(f"tensor parsing error: {name}") from error


def _packed_values(content: bytes, number: int, count: int) -> Array:
    if number == types_pb2.DT_STRING:
        return np.array(packed_strings.unpack(content, count), object)
    return np.frombuffer(content, tf.as_dtype(number).as_numpy_dtype)


def _values(tensor: Any, count: int) -> Array:
    """Returns `count` of the values that a message lists."""
    number = tensor.dtype
    if number == types_pb2.DT_STRING:
        strings = list(tensor.string_val[:count]) or [b""]
        return _repeated(np.array(strings, object)[:count], count)
    dtype = tf.as_dtype(number).as_numpy_dtype
    if number not in _FIELDS:
        found = np.asarray(tf.make_ndarray(_without_shape(tensor))).ravel()[:count]
    else:
        field, kind = _FIELDS[number]
        found = _listed(
            getattr(tensor, field), field, kind or f"i{np.dtype(dtype).itemsize}", count
        )
        found = found.view(dtype)
    return _repeated(found if len(found) else np.zeros(1, dtype), count)


def _repeated(found: Array, count: int) -> Array:
    """Returns `count` values, of which the last is repeated. One value, which is all that a message
    of a few bytes has, takes no memory, however often it is there, until it is run."""
    if len(found) == count:
        return found
    if len(found) == 1:
        return np.broadcast_to(found, count)
    made = np.empty(count, found.dtype)
    made[: len(found)], made[len(found) :] = found, found[-1]
    return made


def _listed(values: Any, field: str, kind: Any, count: int) -> Array:
    """Returns the first `count` numbers of a list, or all; those of a pair are one number."""
    if field in ("half_val", "int_val"):  # wider in the message, and cut to their size
        return np.fromiter(values, np.int32, min(count, len(values))).astype(kind)
    pairs = 2 if "complex" in field else 1
    return np.fromiter(values, kind, min(count, len(values) // pairs) * pairs)


def _without_shape(tensor: Any) -> Any:
    """Returns a tensor of a rarer dtype with as many elements as it lists."""
    copied = tensor_pb2.TensorProto()
    copied.CopyFrom(tensor)
    copied.tensor_shape.ClearField("dim")
    copied.tensor_shape.dim.add(size=max(len(tensor.int_val), len(tensor.float8_val)))
    return copied


def _handles(tensor: Any, shape: tuple[int, ...]) -> Array:
    """Returns an array for a tensor of resources or variants; it takes no memory."""
    made = np.broadcast_to(np.array(None, object), shape).view(HandleArray)
    if tensor.dtype == types_pb2.DT_RESOURCE:
        made.kind, made.handle = "resource", (*tensor.resource_handle_val, _NO_HANDLE)[0]
    return made


_NO_HANDLE = resource_handle_pb2.ResourceHandleProto()


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
    with `as_content` values go as bytes, as with its --enable_serialization_as_tensor_content.
    """
    number = _NUMBERS.get(array.dtype.type)
    if number is None:  # float8 and the like
        tensor.CopyFrom(tf.make_tensor_proto(array))
        return
    values, kind = _VALUES[number]
    body: bytes | None = None
    if as_content:
        values, body = "tensor_content", _content(number, array)
    elif number not in _PACKED:
        tensor.MergeFromString(_head(number, array.shape))
        flat = array.ravel()
        getattr(tensor, values).extend((flat.view(kind) if kind else flat).tolist())
        return
    body = array.tobytes() if body is None else body
    head = _head(number, array.shape)
    tensor.MergeFromString(b"".join((head, _TAGS[values], packed_strings.varint(len(body)), body)))


def _content(number: int, array: Array) -> bytes:
    """Returns the bytes of an array's elements; of strings their lengths come first."""
    if number != types_pb2.DT_STRING:
        return array.tobytes()
    strings = [text if isinstance(text, bytes) else str(text).encode() for text in array.flat]
    return packed_strings.pack(strings)


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
