"""Calls with tensors of more dimensions than NumPy has: they go in and out as messages."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2

from vitrine_serving.model_server.runtime.tensors import fill_tensor, to_array
from vitrine_serving.rest_json.deep import MAX_NUMPY_RANK, DeepArray

Array = np.ndarray[Any, Any]

v1 = tf.compat.v1


def make_deep_callable(
    session: Any, feeds: list[str], fetches: list[str], timeout_ms: int
) -> Callable[..., Any]:
    """Returns a function of messages for the tensors `feeds`, to a list of messages of `fetches`.

    The graph gets operations that read and write them. A call is given up after the time-out; 0 is
    none.
    """
    options = config_pb2.CallableOptions()
    options.run_options.timeout_in_ms = timeout_ms
    graph = session.graph
    with graph.as_default(), tf.device("cpu"):
        for name in feeds:
            message = v1.placeholder(tf.string, [])
            read = tf.io.parse_tensor(message, graph.get_tensor_by_name(name).dtype)
            options.feed.append(message.name)
            options.tensor_connection.add(from_tensor=read.name, to_tensor=name)
        for name in fetches:
            options.fetch.append(tf.io.serialize_tensor(graph.get_tensor_by_name(name)).name)
    run: Callable[..., Any] = session._make_callable_from_options(options)
    return run


def to_message(array: Array | DeepArray) -> Array:
    """Returns an array as a serialised `TensorProto`, in an array: NumPy cuts zeros off bytes that
    are no objects."""
    tensor = tensor_pb2.TensorProto()
    if isinstance(array, DeepArray):
        fill_tensor(tensor, array.values)
        tensor.tensor_shape.Clear()
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
    else:
        fill_tensor(tensor, array)
    return np.array(tensor.SerializeToString(), object)


def from_message(name: str, message: bytes) -> Array | DeepArray:
    """Returns the array of a serialised `TensorProto`."""
    tensor = tensor_pb2.TensorProto.FromString(message)
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if len(shape) <= MAX_NUMPY_RANK:
        return to_array(name, tensor)
    tensor.tensor_shape.Clear()
    tensor.tensor_shape.dim.add(size=int(np.prod(shape, dtype=np.int64)))
    return DeepArray(to_array(name, tensor), shape)


def is_deep(inputs: Mapping[str, Any]) -> bool:
    """Says whether one of the arrays has too many dimensions for NumPy."""
    return any(isinstance(array, DeepArray) for array in inputs.values())
