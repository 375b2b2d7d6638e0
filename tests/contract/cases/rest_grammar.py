"""Cases of JSON values that do not fit the signature."""

from tests.contract.case import Fails, found
from tests.contract.cases.rest import INPUTS, INSTANCES, JSON, columns, over_rest, rows
from tests.contract.seen import SEEN

AT = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
NO_B64 = (
    "Failed to process element: 0 key: b64 of 'instances' list. Error: INVALID_ARGUMENT: "
    "JSON object: does not have named input: b64"
)
SECOND = AT.replace("0", "1", 1)
ONLY_A = """of 'instances' list. JSON object: {\n    "a": 1.0\n} keys must be equal to: a,b"""
NULL = Fails(400, "JSON Value: null Type: Null is not of expected type: float")


def _missing(name: str) -> str:
    return f"Missing named input: {name} in 'inputs' object."


CASES = [
    over_rest(
        "a plain list for two inputs",
        rows("pair", 1.0),
        Fails(
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        INSTANCES,
    ),
    over_rest(
        "a plain column for two inputs",
        columns("pair", [1.0]),
        Fails(
            400,
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        INPUTS,
    ),
    over_rest(
        "a column too few",
        columns("pair", {"a": [1.0]}),
        Fails(400, "Missing named input: b in 'inputs' object."),
        INPUTS,
    ),
    over_rest(
        "a row without a name",
        rows("pair", {"a": 1.0}),
        Fails(
            400,
            found(
                r"^Failed to process element: 0 of 'instances' list\. JSON object: \{.*\} "
                r"keys must be equal to: a,b$"
            ),
        ),
        INSTANCES,
    ),
    over_rest(
        "a row with an unknown name",
        rows("float32", {"x": 1.0}, {"z": 1.0}),
        Fails(
            400,
            "Failed to process element: 1 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: z",
        ),
        f"{INSTANCES}, AddInstanceItem",
    ),
    *(
        over_rest(
            f"a row {name}",
            {"instances": [row]},
            Fails(
                400,
                "Failed to process element: 0 key: y of 'instances' list. Error: "
                "INVALID_ARGUMENT: JSON object: does not have named input: y",
            ),
            SEEN,
        )
        for name, row in (
            ("with a name too many", {"x": 1.0, "y": 2.0}),
            ("with another name alone", {"y": 1.0}),
        )
    ),
    over_rest(
        "a row of no name",
        {"instances": [{}]},
        Fails(
            400,
            "Failed to process element: 0 of 'instances' list. JSON object: {} keys must be equal "
            "to: x",
        ),
        SEEN,
    ),
    over_rest(
        "a second row without a name",
        rows("pair", {"a": 1.0, "b": 1}, {"a": 1.0}),
        Fails(400, f"Failed to process element: 1 {ONLY_A}"),
        SEEN,
    ),
    over_rest("a column of null", {"inputs": None}, NULL, SEEN),
    over_rest("columns of no name", {"inputs": {}}, Fails(400, _missing("x")), SEEN),
    *(
        over_rest(f"an input that has a default, {name}", body, Fails(400, text), SEEN)
        for name, body, text in (
            ("by column", columns("defaulted", {"a": [1.0]}), _missing("b")),
            ("by row", rows("defaulted", {"a": 1.0}), f"Failed to process element: 0 {ONLY_A}"),
            (
                "in a plain list",
                rows("defaulted", 1.0),
                "instances is a plain list, but expecting list of objects as multiple input "
                "tensors required as per tensorinfo_map",
            ),
        )
    ),
    over_rest(
        "a value among named rows",
        rows("float32", {"x": 1.0}, 1.0),
        Fails(400, "Expecting object but got list at item 1 of input list"),
        INSTANCES,
    ),
    over_rest(
        "a named row among values",
        rows("float32", 1.0, {"x": 1.0}),
        Fails(400, "Expecting value/list but got object at item 1 of input list"),
        INSTANCES,
    ),
    over_rest(
        "rows of different lengths",
        rows("matrix", [1.0, 2.0], [1.0]),
        Fails(
            400,
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 2 but got: 1",
        ),
        f"{JSON} AddInstanceItem",
    ),
    over_rest(
        "rows of different shapes and one length",
        rows("float32", [[1.0], [2.0]], [[1.0, 2.0]]),
        Fails(
            400,
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting shape [2,1] but got: [1,2]",
        ),
        f"{JSON} AddInstanceItem",
    ),
    over_rest(
        "a ragged row",
        {"instances": [[[1.0], [1.0, 2.0]]]},
        Fails(400, f"{AT}Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        SEEN,
    ),
    over_rest(
        "a list in a row after a number",
        {"instances": [1.0, [2.0]]},
        Fails(400, f"{SECOND}Expecting shape [] but got: [1]"),
        SEEN,
    ),
    over_rest(
        "a number in a row after a list",
        {"instances": [[1.0], 2.0]},
        Fails(400, f"{SECOND}Expecting shape [1] but got: []"),
        SEEN,
    ),
    over_rest(
        "a ragged list",
        columns("float32", [[1.0, 2.0], [1.0]]),
        Fails(400, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        f"{JSON} FillTensorProto",
    ),
    over_rest(
        "a list among values",
        columns("float32", [1.0, [2.0]]),
        Fails(400, "Encountered list at unexpected level: 1 expected < 1"),
        f"{JSON} FillTensorProto",
    ),
    over_rest(
        "a value among lists",
        columns("int32", [[1], 2]),
        Fails(
            400, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"
        ),
        f"{JSON} FillTensorProto",
    ),
    over_rest(
        "text for a float",
        {"instances": ["x"]},
        Fails(400, f'{AT}JSON Value: "x" Type: String is not of expected type: float'),
        f"{JSON} AddValueToTensor; http_rest_api_handler_test.cc PredictErrors",
    ),
    over_rest(
        "null",
        {"instances": [None]},
        Fails(400, f"{AT}JSON Value: null Type: Null is not of expected type: float"),
        f"{JSON} AddValueToTensor",
    ),
    over_rest(
        "a decimal for an int32",
        columns("int32", [1.5]),
        Fails(400, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        f"{JSON} AddValueToTensor",
    ),
    over_rest(
        "a number that no int32 holds",
        columns("int32", [2**31]),
        Fails(400, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        f"{JSON} AddValueToTensor",
    ),
    over_rest(
        "a negative number for an uint64",
        columns("uint64", [-1]),
        Fails(400, "JSON Value: -1 Type: Number is not of expected type: uint64"),
        f"{JSON} AddValueToTensor",
    ),
    over_rest(
        "a number for a string",
        columns("string", [1]),
        Fails(400, "JSON Value: 1 Type: Number is not of expected type: string"),
        f"{JSON} AddValueToTensor",
    ),
    over_rest(
        "a number for a bool",
        columns("bool", [1]),
        Fails(400, "JSON Value: 1 Type: Number is not of expected type: bool"),
        f"{JSON} AddValueToTensor",
    ),
    over_rest(
        "a whole number that no float32 holds",
        {"inputs": [2**24 + 1]},
        {"outputs": [16777216.0]},
        f"{SEEN}: rounded; the check was removed before 2.5.0",
    ),
    over_rest(
        "a decimal that no float32 holds",
        {"inputs": [1e39]},
        {"outputs": [float("inf")]},
        f"{SEEN}: as a whole number",
    ),
    over_rest(
        "bytes for a float",
        {"inputs": [{"b64": "AA=="}]},
        Fails(400, found(r"^JSON Value: \{.*\} Type: Object is not of expected type: float$")),
        f"{JSON} FillTensorProto",
    ),
    over_rest(
        "a dtype that JSON has not",
        columns("complex64", [1.5]),
        Fails(501, "Conversion of JSON Value: 1.5 to type: complex64"),
        f"{JSON} AddValueToTensor: UNIMPLEMENTED; api_rest.md, JSON mapping",
    ),
    over_rest(
        "a dtype that JSON has not, in rows",
        rows("uint16", 1),
        Fails(
            400,
            "Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: "
            "Conversion of JSON Value: 1 to type: uint16",
        ),
        f"{JSON} FillTensorMapFromInstancesList; api_rest.md, JSON mapping",
    ),
    over_rest(
        "no values of a dtype that JSON has not",
        {"signature_name": "float16", "inputs": []},
        {"outputs": []},
        f"not seen; {JSON} AddValueToTensor: it is called for values alone",
    ),
    over_rest(
        "an object in a column",
        {"inputs": [{"a": 1}]},
        Fails(400, 'JSON Value: {\n    "a": 1\n} Type: Object is not of expected type: float'),
        SEEN,
    ),
    *(
        over_rest(f"base64 {name}", rows("bytes", given), Fails(400, text), SEEN)
        for name, given, text in (
            ("with another member", {"b64": "YQ==", "a": 1}, NO_B64),
            ("of a number", {"b64": 1}, NO_B64),
            ("of - and _", {"b64": "-_-_"}, f"{AT}Unable to base64 decode"),
            ("of a length that cannot be", {"b64": "YWJjZ"}, f"{AT}Unable to base64 decode"),
        )
    ),
    over_rest(
        "base64 with a pad too few",
        rows("bytes", {"b64": "YQ="}),
        Fails(400, f"{AT}Unable to base64 decode"),
        "not seen; escaping.cc Base64UnescapeInternal",
    ),
    over_rest(
        "base64 with points as pads",
        rows("bytes", {"b64": "YQ.."}),
        {"predictions": [{"b64": "YQ=="}]},
        "not seen; escaping.cc Base64UnescapeInternal",
    ),
    over_rest(
        "bytes that are no base64",
        rows("bytes", {"b64": "!"}),
        Fails(400, f"{AT}Unable to base64 decode"),
        f"{JSON} JsonDecodeBase64Object",
    ),
]
