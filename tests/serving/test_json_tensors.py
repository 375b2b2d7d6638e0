"""TensorFlow Serving's JSON requests to arrays; its json_tensor_test.cc is the model."""

import math
import re

import grpc
import numpy as np
import pytest

from tests.serving.json_bodies import read, refusal
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.tensors import PredictBody

NUMPY_NAMES = {"FLOAT": "float32", "DOUBLE": "float64", "STRING": "object"}


@pytest.mark.parametrize(
    ("body", "dtypes", "expected"),
    [
        ('{"instances": [[1, 2], [3, 4]]}', {"x": "FLOAT"}, {"x": [[1, 2], [3, 4]]}),
        ('{"instances": [1, 2.5, 3]}', {"x": "FLOAT"}, {"x": [1, 2.5, 3]}),
        ('{"instances": [{"x": 1}, {"x": 2}]}', {"x": "FLOAT"}, {"x": [1, 2]}),
        (
            '{"instances": [{"x": [1], "s": "é"}]}',
            {"s": "STRING", "x": "INT64"},
            {"s": ["é".encode()], "x": [[1]]},
        ),
        ('{"instances": ["a", "b"]}', {"s": "STRING"}, {"s": [b"a", b"b"]}),
        ('{"instances": [{"b64": "/w=="}, "b"]}', {"s": "STRING"}, {"s": [b"\xff", b"b"]}),
        ('{"instances": [[{"b64": " /w= = "}]]}', {"s": "STRING"}, {"s": [[b"\xff"]]}),
        ('{"inputs": []}', {"x": "HALF"}, {"x": np.empty(0, np.float16)}),
        ('{"instances": [[]]}', {"x": "UINT16"}, {"x": np.empty((1, 0), np.uint16)}),
        ('{"instances": [{"b64": "/w"}]}', {"s": "STRING"}, {"s": [b"\xff"]}),
        ('{"instances": [{"b64": "/w.."}]}', {"s": "STRING"}, {"s": [b"\xff"]}),
        ('{"instances": [{"b64": "YWI. "}]}', {"s": "STRING"}, {"s": [b"ab"]}),
        (r'{"instances": [{"b64": "Y\tW\u000bJj\n"}]}', {"s": "STRING"}, {"s": [b"abc"]}),
        ('{"inputs": {"b64": "/w=="}}', {"s": "STRING"}, {"s": b"\xff"}),
        ('{"inputs": "a"}', {"s": "STRING"}, {"s": b"a"}),
        ('{"inputs": 7}', {"x": "INT32"}, {"x": 7}),
        ('{"inputs": []}', {"x": "FLOAT"}, {"x": []}),
        ('{"inputs": [[], []]}', {"x": "INT64"}, {"x": [[], []]}),
        ('{"instances": [[]]}', {"s": "STRING"}, {"s": [[]]}),
        ('{"inputs": {"x": [1, 2], "more": 3}}', {"x": "FLOAT"}, {"x": [1, 2]}),
        (
            '{"inputs": {"x": [[1]], "y": 2.5}}',
            {"x": "UINT8", "y": "DOUBLE"},
            {"x": [[1]], "y": 2.5},
        ),
        ('{"inputs": [true, false]}', {"x": "BOOL"}, {"x": [True, False]}),
        ('{"inputs": [-2147483648, 2147483647]}', {"x": "INT32"}, {"x": [-(2**31), 2**31 - 1]}),
        ('{"inputs": [9223372036854775807]}', {"x": "INT64"}, {"x": [2**63 - 1]}),
        ('{"inputs": [18446744073709551615]}', {"x": "UINT64"}, {"x": [2**64 - 1]}),
        ('{"inputs": [4294967295]}', {"x": "UINT32"}, {"x": [2**32 - 1]}),
        ('{"inputs": [300, -1]}', {"x": "UINT8"}, {"x": [44, 255]}),
        ('{"inputs": [16777215, 1e20, 0.5]}', {"x": "FLOAT"}, {"x": [2**24 - 1, 1e20, 0.5]}),
        ('{"inputs": [16777217, -3.5e38]}', {"x": "FLOAT"}, {"x": [2**24, -math.inf]}),
        ('{"inputs": [9007199254740991, 1e300]}', {"x": "DOUBLE"}, {"x": [2**53 - 1, 1e300]}),
        ('{"inputs": [9007199254740993]}', {"x": "DOUBLE"}, {"x": [2**53]}),
        ('{"inputs": [0.4689991835947411]}', {"x": "DOUBLE"}, {"x": [0.4689991835947411]}),
        ('\ufeff{"inputs": [1]}', {"x": "FLOAT"}, {"x": [1]}),
        (r'{"instances": [{"x\u0000y": 1}]}', {"x": "FLOAT"}, {"x": [1]}),
        (r'{"instances": [{"x": 1}, {"x\u0000": 2}]}', {"x": "FLOAT"}, {"x": [1, 2]}),
        (r'{"instances": [{"x\u0000y": 1, "x": 2}]}', {"x": "FLOAT"}, {"x": [1]}),
        (
            r'{"instances": [{"x": 1, "y": 2, "x": 3}, {"y": 4, "x": 5}]}',
            {"x": "FLOAT", "y": "INT32"},
            {"x": [1, 5], "y": [2, 4]},
        ),
        (r'{"inputs": {"x\u0000": 1, "x": 2}}', {"x": "FLOAT"}, {"x": 2}),
    ],
)
def test_reading(body, dtypes, expected):
    """By row or by column, named or not, in the dtype of the signature and no other."""
    inputs = read(body, **dtypes)
    assert inputs.keys() == expected.keys()
    for name, values in expected.items():
        want = np.array(values, NUMPY_NAMES.get(dtypes[name], dtypes[name].lower()))
        np.testing.assert_array_equal(inputs[name], want, strict=True)
        assert inputs[name].flags.writeable


def test_not_a_number_and_infinity():
    """JSON has no such tokens; TensorFlow Serving takes them in floats."""
    values = read('{"inputs": [NaN, Infinity, -Infinity, 1]}', x="FLOAT")["x"]
    assert np.isnan(values[0])
    assert values[1:].tolist() == [math.inf, -math.inf, 1]
    assert "not of expected type: int32" in refusal('{"inputs": [NaN]}', x="INT32")


def test_signature_name():
    """It is known before the values are read; a signature may have no inputs."""
    named = PredictBody(b'{"signature_name": "other", "instances": [1]}')
    unnamed = PredictBody(b'{"inputs": [1]}')
    assert (named.signature_name, named.by_row) == ("other", True)
    assert (unnamed.signature_name, unnamed.by_row) == ("", False)
    assert refusal('{"inputs": []}') == "Failed to get input map for signature: DEFAULT"
    body = '{"signature_name": "describe", "inputs": []}'
    assert refusal(body) == "Failed to get input map for signature: describe"


def test_dtypes_without_json():
    """TensorFlow Serving reads no half or complex numbers, and says that it isn't made for it."""
    with pytest.raises(
        ServingError, match=r"^Conversion of JSON Value: 1 to type: half$"
    ) as caught:
        read('{"inputs": [1]}', x="HALF")
    assert caught.value.code == grpc.StatusCode.UNIMPLEMENTED
    row = refusal('{"instances": [1]}', x="COMPLEX64")
    assert row.endswith("UNIMPLEMENTED: Conversion of JSON Value: 1 to type: complex64")


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (wire.DT_QINT8, "qint8"),
        (wire.DT_BFLOAT16, "bfloat16"),
        (101, "float_ref"),
        (107, "string_ref"),
        (120, "resource_ref"),
        (wire.DT_INVALID, "INVALID"),
        (99, "unknown dtype enum (99)"),
        (199, "unknown dtype enum (99)_ref"),
    ],
)
def test_names_of_dtypes(dtype, name):
    """They are those of TensorFlow's types.cc, also of references to variables; no tensor in a
    message is such a one."""
    with pytest.raises(ServingError, match=f"to type: {re.escape(name)}$"):
        PredictBody(b'{"inputs": [1]}').read({"x": dtype})
    with pytest.raises(ServingError, match=r"^tensor parsing error: x$"):
        PredictBody(b'{"inputs": [[]]}').read({"x": dtype})
    shape = PredictBody(b'{"inputs": [[]]}').read_deep({"x": dtype}, {dtype: np.complex64})["x"]
    assert (shape.shape, shape.dtype) == ((1, 0), np.complex64)


def test_deep_lists():
    """More dimensions than NumPy has are read apart, and more than TensorFlow has are refused."""
    for depth in (65, 254):
        body = f'{{"inputs": {"[" * depth + "1,2" + "]" * depth}}}'
        assert refusal(body, x="FLOAT") == "Lists are nested more than 64 deep"
        deep = PredictBody(body.encode()).read_deep({"x": wire.DT_FLOAT})["x"]
        assert (deep.shape, deep.values.tolist()) == ((1,) * (depth - 1) + (2,), [1.0, 2.0])
    for depth in (255, 900):
        lists = "[" * depth + "1" + "]" * depth
        assert refusal(f'{{"inputs": {lists}}}', x="FLOAT") == "tensor parsing error: x"
        ragged = refusal(f'{{"inputs": [{lists}, 1]}}', x="FLOAT")
        assert ragged == (
            "JSON Value: 1 found at incorrect level: 2 in the JSON DOM."
            f" Expected at level: {depth + 1}"
        )
        wrong = refusal(f'{{"inputs": {{"x": {lists}, "y": ["a"]}}}}', x="FLOAT", y="FLOAT")
        assert wrong == 'JSON Value: "a" Type: String is not of expected type: float'
    lists = "[" * 64 + "1" + "]" * 64
    assert read(f'{{"inputs": {lists}}}', x="FLOAT")["x"].ndim == 64
