"""What does not fit a signature, in the words of TensorFlow Serving's json_tensor.cc."""

import pytest

from tests.serving.json_bodies import refusal

ROW = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
KEY = "Failed to process element: {} key: {} of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("body", "dtype", "text"),
    [
        ("[1]", "FLOAT", "JSON Value: [1] Is not object"),
        ("{}", "FLOAT", "Missing 'inputs' or 'instances' key"),
        (
            '{"instances": 3}',
            "FLOAT",
            "JSON Value: {\n    \"instances\": 3\n} Expecting 'instances' to be an list/array",
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
            '{"inputs": [99999999999999999999999]}',
            "INT64",
            "JSON Value: 9.999999999999999e22 Type: Number is not of expected type: int64",
        ),
        (
            '{"inputs": [0.23796462709189137]}',
            "INT64",
            "JSON Value: 0.23796462709189138 Type: Number is not of expected type: int64",
        ),
        ('{"inputs": [{"b64": "not base64!"}]}', "STRING", "Unable to base64 decode"),
        ('{"inputs": [{"b64": "é"}]}', "STRING", "Unable to base64 decode"),
        *[
            (f'{{"inputs": [{{"b64": "{text}"}}]}}', "STRING", "Unable to base64 decode")
            for text in (
                *(
                    "YQ=",
                    "/w.",
                    "YWJj=",
                    "YWJj==",
                    "YWJj====",
                    "Y",
                    "Y===",
                    "=",
                    "YQ==YQ==",
                    "YQ=Q",
                ),
                *("YWJj=YWJj", "Y.Q=", "YWJj\\u00a0", "YWJj\\u2028", "YWJj\\u001c"),
            )
        ],
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
            '{"instances": [{"x": 1, "x": "a"}]}',
            "FLOAT",
            KEY.format(0, "x") + 'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (
            '{"instances": [{"x": 1}, {"x": [1], "x": 1}]}',
            "FLOAT",
            KEY.format(1, "x") + "Expecting shape [] but got: [1]",
        ),
        (
            r'{"instances": [{"x": 1, "x\u0000": [1, 2]}]}',
            "FLOAT",
            KEY.format(0, "x") + "Expecting tensor size: 1 but got: 2",
        ),
        (
            r'{"instances": [{"x": 1}, {"y\u0000x": 1}]}',
            "FLOAT",
            KEY.format(1, "y") + "JSON object: does not have named input: y",
        ),
        (
            '{"instances": [{"x": 1}, {"x\\u0000": 0.23796462709189137, "x": "a"}]}',
            "FLOAT",
            KEY.format(1, "x") + 'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (r'{"inputs": {"x\u0000": 1}}', "FLOAT", "Missing named input: x in 'inputs' object."),
        (
            '{"instances": [{"b64": "YQ==", "b64": "YQ=="}]}',
            "STRING",
            KEY.format(0, "b64") + "JSON object: does not have named input: b64",
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
