"""Cases of values in JSON: how an error shows them, strings, and lists in one another."""

import json
from typing import Any

from tests.contract.case import Case, Fails, Raw, Rest
from tests.contract.cases.rest import ECHO, HALF, JSON, over_rest
from tests.contract.cases.rest_grammar import AT
from tests.contract.seen import NOT_SEEN, SEEN


def _shown(
    name: str,
    body: Any,
    text: str,
    path: str = HALF,
    method: str = "predict",
    when: str = SEEN,
) -> Case:
    """A case of an error that shows a value of the body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Rest("POST", f"{path}:{method}", content)
    source = f"{JSON} JsonValueToDebugString; {when}"
    return Case(f"JSON shown: {name}", call, Fails(400, text), source)


SHOWN = [
    _shown("a body of null", b"null", "JSON Value: null Is not object"),
    _shown("a body of a number", b"1", "JSON Value: 1 Is not object"),
    _shown("a body of a string", b'"x"', 'JSON Value: "x" Is not object'),
    _shown(
        "a body of a list", [[1, 2], {}], "JSON Value: [[1, 2], {}] Is not object", when=NOT_SEEN
    ),
    _shown("a body of none", {}, "Missing 'inputs' or 'instances' key"),
    _shown(
        "`instances` of null",
        {"instances": None},
        "JSON Value: {\n    \"instances\": null\n} Expecting 'instances' to be an list/array",
    ),
    _shown(
        "`instances` of a string",
        {"instances": "abc"},
        'JSON Value: {\n    "instances": "abc"\n} Expecting \'instances\' to be an list/array',
    ),
    _shown(
        "`instances` of none",
        {"instances": []},
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    _shown(
        "both `instances` and `inputs`",
        {"instances": [1.0], "inputs": [1.0]},
        'JSON Value: {\n    "instances": [1.0],\n    "inputs": [1.0]\n} Not formatted correctly'
        " expecting only one of 'inputs' or 'instances' keys to exist ",
    ),
    *(
        _shown(
            f"`instances` to {method} {path}",
            {"instances": [2.0]},
            'JSON Value: {\n    "instances": [2.0]\n} When method is classify, key'
            " 'examples' is expected and was not found",
            path,
            method,
        )
        for method, path in (
            ("classify", HALF),
            ("regress", HALF),
            ("classify", "/v1/models/nope"),
        )
    ),
    _shown(
        "an object in a list",
        {"signature_name": "classify_both", "instances": [{"x": 1.0}]},
        'JSON Value: {\n    "signature_name": "classify_both",\n    "instances": [{\n'
        "            \"x\": 1.0\n        }]\n} When method is classify, key 'examples' is"
        " expected and was not found",
        HALF,
        "classify",
    ),
    _shown(
        "an object",
        {"instances": [[{"a": 1}]]},
        f'{AT}JSON Value: {{\n    "a": 1\n}} Type: Object is not of expected type: float',
    ),
    _shown(
        "a number that is not finite ends it",
        b'{"instances": 1, "inputs": [1.0, NaN, 2.0]}',
        'JSON Value: {\n    "instances": 1,\n    "inputs": [1.0,  Not formatted correctly'
        " expecting only one of 'inputs' or 'instances' keys to exist ",
        when=NOT_SEEN,
    ),
    _shown(
        "256 bytes and what is begun",
        {"instances": "", "inputs": ["x" * 300, 1]},
        'JSON Value: {\n    "instances": "",\n    "inputs": ["' + "x" * 300 + '" Not formatted'
        " correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        when=NOT_SEEN,
    ),
    *(
        _shown(
            f"the number {given}",
            b'{"signature_name":"int64","instances":[%b]}' % given.encode(),
            f"{AT}JSON Value: {text} Type: Number is not of expected type: int64",
            ECHO,
            when=when,
        )
        for when, numbers in (
            (
                SEEN,
                (
                    ("9223372036854775808", "9223372036854775808"),
                    ("99999999999999999999999", "9.999999999999999e22"),
                    ("1.0", "1.0"),
                    ("1e2", "100.0"),
                ),
            ),
            (NOT_SEEN, (("1e21", "1e21"), ("-0.00001", "-0.00001"), ("1e-7", "1e-7"))),
        )
        for given, text in numbers
    ),
]


def _string(name: str, text: bytes, answer: bytes, when: str = SEEN) -> Case:
    body = b'{"signature_name":"string","instances":[%b]}' % text
    shown = b'{\n    "predictions": [%b\n    ]\n}' % answer
    return over_rest(
        f"JSON, a string {name}",
        body,
        Raw(shown.decode(errors="surrogateescape")),
        f"{JSON} AddSingleValueAndAdvance; {when}",
    )


STRINGS = [
    _string("of bytes that are no UTF-8", b'"\xff\xfe"', b'"\xff\xfe"'),
    _string("of other bytes", b'"a\x80\xc3","\xe4"', b'"a\x80\xc3", "\xe4"'),
    _string(
        "of control characters",
        rb'"a\"\\\u0000\u0001\n\t\/' + b'\x7f"',
        rb'"a\"\\\u0000\u0001\n\t/' + b'\x7f"',
    ),
    _string("of others", rb'"\b\f\r\u000b\u001F"', rb'"\b\f\r\u000B\u001F"', NOT_SEEN),
    _string("of escapes", rb'"\u00e4\ud83d\ude00"', '"ä😀"'.encode()),
    _string("of UTF-8", '"ä😀"'.encode(), '"ä😀"'.encode()),
    _string("of the other half of a pair", rb'"\udc00"', b'"\xed\xb0\x80"', NOT_SEEN),
]


def _nested(depth: int, value: str = "1.0") -> str:
    return "[" * depth + value + "]" * depth


DEEP = [
    *(
        over_rest(
            f"JSON, no values of {dtype}",
            {"signature_name": dtype, "instances": [[], []]},
            {"predictions": [[], []]},
            f"{NOT_SEEN}; {JSON} AddValueToTensor: it is called for values alone",
        )
        for dtype in ("bfloat16", "complex64", "complex128")
    ),
    over_rest(
        "JSON, a misfit in 300 lists in one another",
        f'{{"inputs": [{_nested(300)}, 1.0]}}'.encode(),
        Fails(
            400,
            "JSON Value: 1.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 301",
        ),
        f"{NOT_SEEN}; {JSON} FillTensorProto: a shape is checked afterwards",
    ),
    over_rest(
        "JSON, 50 lists in one another",
        f'{{"inputs": {_nested(50)}}}'.encode(),
        {"outputs": json.loads(_nested(50))},
        SEEN,
    ),
    over_rest(
        "JSON, 200 lists in one another, by row",
        f'{{"instances": [{_nested(200)}]}}'.encode(),
        Raw(f'{{\n    "predictions": [{_nested(200)}\n    ]\n}}'),
        SEEN,
    ),
    *(
        over_rest(
            f"JSON, {depth} lists in one another, of {dtype}",
            f'{{"signature_name": "{dtype}", "inputs": {_nested(depth, value)}}}'.encode(),
            {"outputs": json.loads(_nested(depth, value))},
            f"{SEEN}: 254",
        )
        for depth, dtype, value in (
            (65, "float32", "1.5,2.5"),
            (254, "int64", "7"),
            (100, "string", '"a","b"'),
            (254, "float64", ""),
        )
    ),
    *(
        over_rest(
            f"JSON, {depth} lists in one another are no tensor",
            f'{{"inputs": {_nested(depth)}}}'.encode(),
            Fails(400, "tensor parsing error: x"),
            SEEN,
        )
        for depth in (255, 500)
    ),
    over_rest(
        "JSON, no value in nested lists",
        b'{"inputs": [[[]],[[]]]}',
        {"outputs": [[[]], [[]]]},
        SEEN,
    ),
]

CASES = [*SHOWN, *STRINGS, *DEEP]
