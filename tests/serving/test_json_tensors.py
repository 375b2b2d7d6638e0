"""TensorFlow Serving's JSON requests to arrays; its json_tensor_test.cc is the model."""

import math

import grpc
import numpy as np
import pytest

from vitrine_client import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.tensors import PredictBody

NUMPY_NAMES = {"FLOAT": "float32", "DOUBLE": "float64", "STRING": "object"}


def read(body: str | bytes, **dtypes: str) -> dict[str, np.ndarray]:
    numbers = {name: wire.DataType.Value(f"DT_{dtype}") for name, dtype in dtypes.items()}
    return PredictBody(body.encode() if isinstance(body, str) else body).read(numbers)


def refusal(body: str | bytes, **dtypes: str) -> str:
    with pytest.raises(ServingError) as caught:
        read(body, **dtypes)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    return str(caught.value)


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
        ('{"instances": [{"b64": "/w"}]}', {"s": "STRING"}, {"s": [b"\xff"]}),
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
        ('{"inputs": [9007199254740991, 1e300]}', {"x": "DOUBLE"}, {"x": [2**53 - 1, 1e300]}),
        ('\ufeff{"inputs": [1]}', {"x": "FLOAT"}, {"x": [1]}),
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


ROW = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
KEY = "Failed to process element: {} key: {} of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("body", "dtype", "text"),
    [
        ("[1]", "FLOAT", "JSON Value: [\n    1\n] Is not object"),
        ("{}", "FLOAT", "Missing 'inputs' or 'instances' key"),
        (
            '{"instances": 3}',
            "FLOAT",
            "JSON Value: {\n    \"instances\": 3\n} Excepting 'instances' to be an list/array",
        ),
        (
            '{"instances": []}',
            "FLOAT",
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            '{"instances": [], "inputs": {}}',
            "FLOAT",
            'JSON Value: {\n    "instances": [],\n    "inputs": {}\n} Not formatted correctly'
            " expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        (
            '{"signature_name": 5}',
            "FLOAT",
            'JSON Value: {\n    "signature_name": 5\n} not formatted correctly.'
            " 'signature_name' key must be a string value.",
        ),
        (
            '{"instances": [[1, 2], [3]]}',
            "FLOAT",
            ROW.format(1) + "Expecting tensor size: 2 but got: 1",
        ),
        (
            '{"instances": [[1, 2], [[3, 4]]]}',
            "FLOAT",
            ROW.format(1) + "Expecting shape [2] but got: [1,2]",
        ),
        ('{"instances": [1, [1]]}', "FLOAT", ROW.format(1) + "Expecting shape [] but got: [1]"),
        (
            '{"instances": [[[1], [2, 3]]]}',
            "FLOAT",
            ROW.format(0) + "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (
            '{"instances": [[1, [2]]]}',
            "FLOAT",
            ROW.format(0) + "Encountered list at unexpected level: 1 expected < 1",
        ),
        (
            '{"instances": [[[1], 2]]}',
            "FLOAT",
            ROW.format(0)
            + "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (
            '{"instances": [[1, "a"]]}',
            "FLOAT",
            ROW.format(0) + 'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (
            '{"instances": [[1], [true]]}',
            "FLOAT",
            ROW.format(1) + "JSON Value: true Type: True is not of expected type: float",
        ),
        (
            '{"inputs": [null]}',
            "DOUBLE",
            "JSON Value: null Type: Null is not of expected type: double",
        ),
        (
            '{"inputs": [1.0]}',
            "INT32",
            "JSON Value: 1.0 Type: Number is not of expected type: int32",
        ),
        (
            '{"inputs": [2147483648]}',
            "INT32",
            "JSON Value: 2147483648 Type: Number is not of expected type: int32",
        ),
        (
            '{"inputs": [2147483648]}',
            "INT8",
            "JSON Value: 2147483648 Type: Number is not of expected type: int8",
        ),
        (
            '{"inputs": [-1]}',
            "UINT64",
            "JSON Value: -1 Type: Number is not of expected type: uint64",
        ),
        (
            '{"inputs": [-1]}',
            "UINT32",
            "JSON Value: -1 Type: Number is not of expected type: uint32",
        ),
        (
            '{"inputs": [9223372036854775808]}',
            "INT64",
            "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64",
        ),
        ('{"inputs": [1]}', "BOOL", "JSON Value: 1 Type: Number is not of expected type: bool"),
        (
            '{"inputs": [false]}',
            "INT64",
            "JSON Value: false Type: False is not of expected type: int64",
        ),
        ('{"inputs": [1]}', "STRING", "JSON Value: 1 Type: Number is not of expected type: string"),
        (
            '{"inputs": [16777217]}',
            "FLOAT",
            "Cannot convert JSON value: 16777217 to float without loss of precision.",
        ),
        (
            '{"inputs": [0.5, -16777217]}',
            "FLOAT",
            "Cannot convert JSON value: -16777217 to float without loss of precision.",
        ),
        (
            '{"inputs": [1.7976931348623157e308]}',
            "FLOAT",
            "Cannot convert JSON value: 1.7976931348623157e+308 to float"
            " without loss of precision.",
        ),
        (
            '{"inputs": [9007199254740993]}',
            "DOUBLE",
            "Cannot convert JSON value: 9007199254740993 to double without loss of precision.",
        ),
        ('{"inputs": [{"b64": "not base64!"}]}', "STRING", "Unable to base64 decode"),
        ('{"inputs": [{"b64": "é"}]}', "STRING", "Unable to base64 decode"),
        (
            '{"inputs": [{"b64": 5}]}',
            "STRING",
            'JSON Value: {\n    "b64": 5\n} not formatted correctly for base64 data',
        ),
        (
            '{"inputs": {"b64": "YQ=="}}',
            "FLOAT",
            'JSON Value: {\n    "b64": "YQ=="\n} Type: Object is not of expected type: float',
        ),
        ('{"inputs": {"y": 1}}', "FLOAT", "Missing named input: x in 'inputs' object."),
        (
            '{"instances": [{"x": 1}, [1]]}',
            "FLOAT",
            "Expecting object but got list at item 1 of input list",
        ),
        (
            '{"instances": [1, {"x": 1}]}',
            "FLOAT",
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            '{"instances": [{"x": 1}, {"y": 1}]}',
            "FLOAT",
            KEY.format(1, "y") + "JSON object: does not have named input: y",
        ),
        (
            '{"instances": [{"x": 1}, {}]}',
            "FLOAT",
            "Failed to process element: 1 of 'instances' list. JSON object: {}"
            " keys must be equal to: x",
        ),
        (
            '{"instances": [{"x": [1]}, {"x": ["a"]}]}',
            "FLOAT",
            KEY.format(1, "x") + 'JSON Value: "a" Type: String is not of expected type: float',
        ),
    ],
)
def test_misfits(body, dtype, text):
    """The first thing that doesn't fit is named in the words of json_tensor.cc."""
    assert refusal(body, x=dtype) == text


def test_two_inputs_need_names():
    """Without names nobody knows which of two inputs is meant."""
    expecting = "as multiple input tensors required as per tensorinfo_map"
    two = {"x": "FLOAT", "y": "FLOAT"}
    assert refusal('{"instances": [1]}', **two) == (
        f"instances is a plain list, but expecting list of objects {expecting}"
    )
    assert refusal('{"inputs": [1]}', **two) == (
        f"inputs is a plain value/list, but expecting an object {expecting}"
    )


def test_dtypes_without_json():
    """TensorFlow Serving reads no half or complex numbers, and says that it isn't made for it."""
    with pytest.raises(
        ServingError, match=r"^Conversion of JSON Value: 1 to type: half$"
    ) as caught:
        read('{"inputs": [1]}', x="HALF")
    assert caught.value.code == grpc.StatusCode.UNIMPLEMENTED
    row = refusal('{"instances": [1]}', x="COMPLEX64")
    assert row.endswith("UNIMPLEMENTED: Conversion of JSON Value: 1 to type: complex64")
    with pytest.raises(ServingError, match=r"to type: DataType 101$"):  # of a variable's reference
        PredictBody(b'{"inputs": [1]}').read({"x": 101})


def test_deep_lists():
    """More dimensions than NumPy has are refused."""
    for depth in (65, 500):
        lists = "[" * depth + "1" + "]" * depth
        assert refusal(f'{{"inputs": {lists}}}', x="FLOAT") == "Lists are nested more than 64 deep"
    lists = "[" * 64 + "1" + "]" * 64
    assert read(f'{{"inputs": {lists}}}', x="FLOAT")["x"].ndim == 64
