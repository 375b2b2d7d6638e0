"""Tensor descriptions in the JSON of TensorFlow Serving's REST API, for drafts of profiles."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2

Json = dict[str, Any]


def signature(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Json:
    """Returns a signature of tensors, or of their specs, by name."""
    return {
        "inputs": {name: _tensor(each) for name, each in inputs.items()},
        "outputs": {name: _tensor(each) for name, each in outputs.items()},
    }


def _tensor(spec: Any) -> Json:
    dtype = types_pb2.DataType.Name(tf.as_dtype(spec.dtype).as_datatype_enum)
    rank = spec.shape.rank
    if rank is None:
        return {"dtype": dtype, "tensor_shape": {"unknown_rank": True}}
    sizes = [-1 if size is None else size for size in spec.shape.as_list()]
    return {"dtype": dtype, "tensor_shape": {"dim": [{"size": size} for size in sizes]}}
