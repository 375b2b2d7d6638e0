"""Tensors as they travel over gRPC, both ways."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from tests.contract.models import DTYPES
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.tensors import _parsed, fill_tensor, to_array


def example(name: str, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    if name == "string":
        return np.array([b"\xff\x00", b"", b"text"] * count, object)[:count].reshape(shape)
    return np.arange(count).astype(tf.as_dtype(name).as_numpy_dtype).reshape(shape)


@pytest.mark.parametrize("as_content", [False, True])
@pytest.mark.parametrize("shape", [(), (0, 3), (4,), (2, 3)])
@pytest.mark.parametrize("name", DTYPES)
def test_there_and_back(name, shape, as_content):
    """TensorFlow reads what we write, and we read what both write."""
    array = example(name, shape)
    tensor = tensor_pb2.TensorProto()
    fill_tensor(tensor, array, as_content=as_content)
    for read in (tf.make_ndarray(tensor), to_array("x", tensor)):
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(to_array("x", tf.make_tensor_proto(array)), array)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (50,), (5000,)])
@pytest.mark.parametrize("name", ["float", "double", "bool", "int64"])
def test_the_message_is_that_of_a_list(name, shape):
    """Values that are written at once are the same bytes as those listed one by one."""
    array, written = example(name, shape), tensor_pb2.TensorProto()
    fill_tensor(written, array)
    listed = _tensor(written.dtype, list(shape))
    listed.tensor_shape.SetInParent()
    getattr(listed, f"{name}_val").extend(array.ravel().tolist())
    assert written.SerializeToString() == listed.SerializeToString()


def test_bits_of_a_nan_stay():
    """A number of Python's would make a signalling one quiet."""
    array = np.array([0x7F800001, 0xFFC12345], np.uint32).view(np.float32)
    tensor = tensor_pb2.TensorProto()
    fill_tensor(tensor, array)
    assert tensor.SerializeToString().endswith(array.tobytes())


def test_long_shapes_are_not_kept():
    """Whoever names dimensions at length, or has thousands of them, takes no memory of ours."""
    before = _parsed.cache_info().currsize
    tensor = _tensor(types_pb2.DT_FLOAT, [1] * 32, float_val=[1.0])
    tensor.tensor_shape.dim[0].name = "x" * 1000
    assert to_array("x", tensor).shape == (1,) * 32
    assert _parsed.cache_info().currsize == before


def test_values_are_listed_unless_asked_otherwise():
    """Clients read `float_val` and `int64_val` off TensorFlow Serving's answers."""
    tensor = tensor_pb2.TensorProto()
    fill_tensor(tensor, np.array([0.5, 2], np.float32))
    assert list(tensor.float_val) == [0.5, 2]
    assert not tensor.tensor_content
    packed = tensor_pb2.TensorProto()
    fill_tensor(packed, np.array([0.5, 2], np.float32), as_content=True)
    assert packed.tensor_content
    assert not packed.float_val


def _tensor(dtype: int, shape: list[int], **values: object) -> tensor_pb2.TensorProto:
    tensor = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


@pytest.mark.parametrize(
    "tensor",
    [
        _tensor(types_pb2.DT_FLOAT, [2], tensor_content=b"1234567"),
        _tensor(types_pb2.DT_FLOAT, [3], tensor_content=b"12345678"),
        _tensor(types_pb2.DT_FLOAT, [-1], float_val=[1]),
        _tensor(types_pb2.DT_FLOAT, [-1], tensor_content=b"12345678"),
        _tensor(types_pb2.DT_FLOAT, [2, -1], tensor_content=b"12345678"),
        _tensor(types_pb2.DT_FLOAT, [-1, 0]),
        _tensor(types_pb2.DT_FLOAT, [-(2**63)], tensor_content=b"1234"),
        _tensor(types_pb2.DT_FLOAT_REF, [1], float_val=[1]),
        _tensor(types_pb2.DT_FLOAT_REF, [1], tensor_content=b"1234"),
        _tensor(types_pb2.DT_FLOAT, [2], float_val=[1, 2, 3]),
        _tensor(types_pb2.DT_FLOAT, [2**40], float_val=[1]),
        _tensor(types_pb2.DT_FLOAT, [2**62, 2**62], float_val=[1]),
        _tensor(types_pb2.DT_INVALID, [1], float_val=[1]),
        _tensor(types_pb2.DT_RESOURCE, [1]),
        _tensor(99, [1]),
    ],
)
def test_contradictions_are_refused(tensor):
    """Bytes that do not fill the shape, shapes that no message could fill, and unknown dtypes."""
    with pytest.raises(ServingError, match="tensor parsing error: images"):
        to_array("images", tensor)


def test_one_value_fills_the_shape():
    """`tensor.proto`: a list that is too short repeats its last value."""
    tensor = _tensor(types_pb2.DT_FLOAT, [2, 2], float_val=[7])
    assert to_array("x", tensor).tolist() == [[7, 7], [7, 7]]
