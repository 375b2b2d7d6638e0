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
    """TensorFlow reads what we write, and we read what both write; packed strings TensorFlow reads
    in C++ alone."""
    array = example(name, shape)
    tensor = tensor_pb2.TensorProto()
    fill_tensor(tensor, array, as_content=as_content)
    is_opaque = name == "string" and tensor.tensor_content
    for read in (*([] if is_opaque else [tf.make_ndarray(tensor)]), to_array("x", tensor)):
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
        _tensor(types_pb2.DT_FLOAT, [2**40], float_val=[1]),
        _tensor(types_pb2.DT_FLOAT, [2**62, 2**62], float_val=[1]),
        _tensor(types_pb2.DT_INVALID, [1], float_val=[1]),
        _tensor(types_pb2.DT_RESOURCE, [-1]),
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


@pytest.mark.parametrize(
    ("dtype", "listed"),
    [
        (types_pb2.DT_STRING, {}),
        (types_pb2.DT_STRING, {"string_val": [b"a"]}),
        (types_pb2.DT_FLOAT, {"float_val": [7]}),
        (types_pb2.DT_HALF, {"half_val": [7]}),
        (types_pb2.DT_QINT8, {"int_val": [7]}),
    ],
)
def test_one_value_takes_no_memory_however_large_the_shape(dtype, listed):
    """Anybody can send a message of a few bytes; making so many strings held up everybody else."""
    made = to_array("x", _tensor(dtype, [2**21, 32], **listed))
    assert made.shape == (2**21, 32)
    assert made.strides == (0, 0)


def test_a_string_counts_as_long_as_it_is_in_a_tensor():
    """24 bytes each, its text aside."""
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        to_array("x", _tensor(types_pb2.DT_STRING, [2**27], string_val=[b"a"]))


def test_values_beyond_the_shape_are_cut_off():
    """Of every dtype, as tensor.cc does: a number of them repeats the last where they are fewer,
    and a number too large for its dtype keeps its low bits."""
    for name, field, values in (
        ("float32", "float_val", [1.5, 2.5, 3.5]),
        ("int8", "int_val", [1, 258, 3]),
        ("bool", "bool_val", [True, False, True]),
        ("complex64", "scomplex_val", [1.0, 2.0, 3.0, 4.0, 5.0]),
        ("string", "string_val", [b"a", b"b", b"c"]),
        ("qint8", "int_val", [1, 2, 3]),
        ("bfloat16", "half_val", [16256, 16384, 16384 + 65536]),
    ):
        dtype = tf.as_dtype(name)
        made = _tensor(dtype.as_datatype_enum, [2], **{field: values})
        wanted = {
            "int8": [1, 2],
            "complex64": [1 + 2j, 3 + 4j],
            "qint8": [(1,), (2,)],
            "bfloat16": [1, 2],
        }.get(name, values[:2])
        assert to_array("x", made).tolist() == wanted, name
        made.tensor_shape.dim[0].size = 4
        assert to_array("x", made).tolist()[-1] == to_array("x", made).tolist()[-2], name


@pytest.mark.parametrize(
    ("content", "strings"),
    [
        (b"\x01\x00\x02axy", [b"a", b"", b"xy"]),
        (b"\x81\x01\x00\x00" + b"x" * 129, [b"x" * 129, b"", b""]),
        (b"\x01\x00\x02axyz", None),
        (b"\x01\x00\x02ax", None),
        (b"\x01\x00", None),
        (b"\xff" * 9, None),
    ],
)
def test_packed_strings_are_read(content, strings):
    """Their lengths, and then their bytes, as `tensor_content` has them in TensorFlow Serving."""
    made = _tensor(types_pb2.DT_STRING, [3], tensor_content=content)
    if strings is None:
        with pytest.raises(ServingError, match="tensor parsing error: x"):
            to_array("x", made)
    else:
        assert to_array("x", made).tolist() == strings
        written = tensor_pb2.TensorProto()
        fill_tensor(written, np.array(strings, object), as_content=True)
        assert written.tensor_content == content


def test_content_of_no_values_is_passed_over():
    """An empty batch is one, whatever else the message has."""
    made = _tensor(types_pb2.DT_FLOAT, [0, 3], tensor_content=b"rubbish", float_val=[1.0])
    assert to_array("x", made).shape == (0, 3)
