"""Calls with tensors of more dimensions than NumPy has: they go in and out as messages."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.callables import make_callable
from vitrine_serving.model_server.runtime.tensors import HandleArray, fill_tensor, to_array
from vitrine_serving.rest_json.deep import MAX_NUMPY_RANK, MAX_RANK, DeepArray

Array = np.ndarray[Any, Any]

v1 = tf.compat.v1


class DeepCallables:
    """Functions of messages in a session. Its graph gets an operation for each tensor that is fed,
    and one for each that is fetched, however they are put together: none is ever taken out."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._reads: dict[str, tuple[str, str]] = {}
        self._writes: dict[str, str] = {}

    def make(
        self, feeds: Sequence[str], fetches: Sequence[str], timeout_ms: int
    ) -> Callable[..., Any]:
        """Returns a function of messages for the tensors `feeds`, to a list of messages of
        `fetches`. A call is given up after the time-out; 0 is none."""
        with self._session.graph.as_default(), tf.device("cpu"):
            read = {name: self._read(name) for name in feeds}
            fetched = [self._write(name) for name in fetches]
        fed = [message for message, _ in read.values()]
        connections = {name: values for name, (_, values) in read.items()}
        return make_callable(
            self._session, fed, fetched, connections=connections, timeout_ms=timeout_ms
        )

    def _read(self, name: str) -> tuple[str, str]:
        """Returns the names of a message that is fed, and of the tensor that is read of it."""
        if name not in self._reads:
            dtype = self._session.graph.get_tensor_by_name(name).dtype
            message = v1.placeholder(tf.string, [])
            self._reads[name] = message.name, tf.io.parse_tensor(message, dtype).name
        return self._reads[name]

    def _write(self, name: str) -> str:
        """Returns the name of the message of a tensor."""
        if name not in self._writes:
            tensor = self._session.graph.get_tensor_by_name(name)
            self._writes[name] = tf.io.serialize_tensor(tensor).name
        return self._writes[name]


def to_message(array: Array | DeepArray) -> Array:
    """Returns an array as a serialised `TensorProto`, in an array: NumPy cuts zeros off bytes that
    are no objects."""
    tensor = tensor_pb2.TensorProto()
    fill(tensor, array)
    return np.array(tensor.SerializeToString(), object)


def fill(tensor: Any, array: Array | DeepArray, *, as_content: bool = False) -> None:
    """Writes an array of any number of dimensions into an empty `TensorProto`, as `fill_tensor`."""
    if not isinstance(array, DeepArray):
        fill_tensor(tensor, array, as_content=as_content)
        return
    fill_tensor(tensor, array.values, as_content=as_content)
    tensor.tensor_shape.Clear()
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)


def from_message(name: str, message: bytes) -> Array | DeepArray:
    """Returns the array of a serialised `TensorProto`."""
    return read(name, tensor_pb2.TensorProto.FromString(message))


def read(name: str, tensor: Any) -> Array | DeepArray:
    """Returns the array of a `TensorProto` of any number of dimensions that TensorFlow has. Raises
    `ServingError` as `to_array` does."""
    try:
        return to_array(name, tensor)
    except ServingError:  # of all calls but a few there is no more to look at
        if len(tensor.tensor_shape.dim) <= MAX_NUMPY_RANK:
            raise
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if len(shape) > MAX_RANK or min(shape) < 0:
        raise ServingError.invalid(f"tensor parsing error: {name}")
    count = math.prod(shape)
    flat = tensor_pb2.TensorProto()
    flat.CopyFrom(tensor)
    flat.tensor_shape.Clear()
    flat.tensor_shape.dim.add(size=min(count, _MOST))
    values = to_array(name, flat)
    return values if isinstance(values, HandleArray) else DeepArray(values, shape)


_MOST = 2**63 - 1
"""Size of a dimension; one of so many values is refused."""
