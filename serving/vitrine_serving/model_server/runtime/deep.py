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


def make_deep_callable(
    session: Any, feeds: Sequence[str], fetches: Sequence[str], timeout_ms: int
) -> Callable[..., Any]:
    """Returns a function of messages for the tensors `feeds`, to a list of messages of `fetches`.

    The graph gets operations that read and write them. A call is given up after the time-out; 0 is
    none.
    """
    graph, fed, connections = session.graph, [], {}
    with graph.as_default(), tf.device("cpu"):
        for name in feeds:
            message = v1.placeholder(tf.string, [])
            read = tf.io.parse_tensor(message, graph.get_tensor_by_name(name).dtype)
            fed.append(message.name)
            connections[name] = read.name
        fetched = [tf.io.serialize_tensor(graph.get_tensor_by_name(name)).name for name in fetches]
    return make_callable(session, fed, fetched, connections=connections, timeout_ms=timeout_ms)


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
