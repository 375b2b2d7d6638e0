"""Cases of JSON text: how RapidJSON reads a body, and how an error shows it."""

import json
from dataclasses import replace
from typing import Any

from tests.contract.case import Answer, Case, Fails, Raw, Rest, found
from tests.contract.cases.rest import ECHO, HALF, JSON, over_rest
from tests.contract.cases.rest_grammar import AT
from tests.contract.seen import NOT_SEEN, SEEN

WHOLE = {"predictions": [3.5]}
INF, NAN = float("inf"), float("nan")


def _half(name: str, body: bytes, answer: Answer, when: str = SEEN) -> Case:
    return over_rest(f"JSON, {name}", body, answer, f"{JSON} ParseJson; {when}", HALF)


def _broken(name: str, body: bytes, reason: str, when: str = SEEN) -> Case:
    return _half(name, body, Fails(400, f"JSON Parse error: {reason}"), when)


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


READ = [
    _half("text after it", b'{"instances":[1.0]} x', WHOLE),
    _half("another one after it", b'{"instances":[1.0]}{"instances":[2.0]}', WHOLE),
    _half("a bracket after it", b'{"instances":[1.0]}]}', WHOLE),
    _half("NUL after it", b'{"instances":[1.0]}\0{', WHOLE),
    _half("bytes after it that are no UTF-8", b'{"instances":[1.0]}\xff', WHOLE),
    _half("a line end after it", b'{"instances":[1.0]}\n', WHOLE),
    _half("a byte order mark before it", b'\xef\xbb\xbf{"instances":[1.0]}', WHOLE),
    _half("an unknown member", b'{"instances":[1.0],"more":{"a":[null]}}', WHOLE),
    _half("an empty signature_name", b'{"signature_name":"","instances":[1.0]}', WHOLE),
    _half("`instances` twice", b'{"instances":[1.0],"instances":[2.0]}', WHOLE),
    _half(
        "`instances` twice, once escaped",
        b'{"instances":[1],"\\u0069nstances":[2]}',
        WHOLE,
        NOT_SEEN,
    ),
    _half("`inputs` twice", b'{"inputs":{"x":[1.0],"x":[2.0]}}', {"outputs": [3.5]}),
    _half("a name twice in a row", b'{"instances":[{"x":1.0,"x":2.0}]}', WHOLE, NOT_SEEN),
    _half(
        "signature_name twice",
        b'{"signature_name":"nope","signature_name":"","instances":[1.0]}',
        Fails(400, 'Serving signature name: "nope" not found in signature def'),
    ),
]

REFUSED = [
    _broken("spaces", b"   ", "The document is empty. at offset: 3"),
    _broken("NUL", b'\0{"instances":[1.0]}', "The document is empty. at offset: 0"),
    _broken(
        "a comma at the end of a list", b'{"instances":[1.0,]}', "Invalid value. at offset: 18"
    ),
    _broken(
        "single quotes", b"{'instances':[1.0]}", "Missing a name for object member. at offset: 1"
    ),
    _broken(
        "a control character in a string",
        b'{"instances":["a\x01"]}',
        "Invalid escape character in string. at offset: 16",
    ),
    _broken("nan in small letters", b'{"instances":[nan]}', "Invalid value. at offset: 15"),
    _broken("a plus", b'{"instances":[+1]}', "Invalid value. at offset: 14"),
    _broken("a point first", b'{"instances":[.5]}', "Invalid value. at offset: 14"),
    _broken(
        "a number that no double holds",
        b'{"instances":[1e400]}',
        "Number too big to be stored in double. at offset: 14",
    ),
    _broken(
        "one that is not used",
        b'{"instances":[1.0],"a":1e999}',
        "Number too big to be stored in double. at offset: 23",
    ),
    *(
        _broken(name, body, reason, NOT_SEEN)
        for name, body, reason in (
            ("the end of none", b" }", "The document is empty. at offset: 1"),
            (
                "a comma at the end of an object",
                b'{"instances":[1.0],}',
                "Missing a name for object member. at offset: 19",
            ),
            (
                "no comma in a list",
                b'{"instances":[1.0 2.0]}',
                "Missing a comma or ']' after an array element. at offset: 18",
            ),
            (
                "no comma in an object",
                b'{"instances":[1.0] "a":1}',
                "Missing a comma or '}' after an object member. at offset: 19",
            ),
            (
                "no colon",
                b'{"instances" [1.0]}',
                "Missing a colon after a name of object member. at offset: 13",
            ),
            (
                "no end of a list",
                b'{"instances":[1.0',
                "Missing a comma or ']' after an array element. at offset: 17",
            ),
            ("NUL in a list", b'{"instances":[\0 1.0]}', "Invalid value. at offset: 14"),
            (
                "no end of a string",
                b'{"instances":["a',
                "Missing a closing quotation mark in string. at offset: 16",
            ),
            (
                "an unknown escape",
                b'{"instances":["\\x"]}',
                "Invalid escape character in string. at offset: 15",
            ),
            (
                "an escape that is no number",
                b'{"instances":["\\u00g0"]}',
                "Incorrect hex digit after \\u escape in string. at offset: 15",
            ),
            (
                "half a surrogate pair",
                b'{"instances":["\\ud800"]}',
                "The surrogate pair in string is invalid. at offset: 15",
            ),
            (
                "a comment",
                b'{"instances":[1.0/**/]}',
                "Missing a comma or ']' after an array element. at offset: 17",
            ),
            ("half of Infinity", b'{"instances":[Infin]}', "Invalid value. at offset: 19"),
            ("a point last", b'{"instances":[1.]}', "Miss fraction part in number. at offset: 16"),
            (
                "an exponent of none",
                b'{"instances":[1e]}',
                "Miss exponent in number. at offset: 16",
            ),
            (
                "another number that no double holds",
                b'{"instances":[1.0,-2e309]}',
                "Number too big to be stored in double. at offset: 18",
            ),
        )
    ),
]

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


NAMES = [
    _half("a NUL in a name in a row", rb'{"instances":[{"x\u0000y":1.0}]}', WHOLE),
    _half(
        "a name in a row that begins with NUL",
        rb'{"instances":[{"\u0000x":1.0}]}',
        Fails(
            400,
            "Failed to process element: 0 key:  of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: ",
        ),
    ),
    _half(
        "a NUL in a name in columns",
        rb'{"inputs":{"x\u0000y":[1.0]}}',
        Fails(400, "Missing named input: x in 'inputs' object."),
    ),
    _half(
        "a name twice in a row, the second of a string",
        b'{"instances":[{"x":1.0,"x":"a"}]}',
        Fails(
            400,
            "Failed to process element: 0 key: x of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "a" Type: String is not of expected type: float',
        ),
    ),
    _half(
        "a name twice in a row, the second of another size",
        b'{"instances":[{"x":1.0,"x":[1.0,2.0]}]}',
        Fails(
            400,
            "Failed to process element: 0 key: x of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 1 but got: 2",
        ),
    ),
    *(
        over_rest(
            f"JSON, a signature's name that is no UTF-8, of {path}",
            b'{"signature_name":"a\xff","instances":[1.0]}',
            Fails(status, words),
            f"{JSON} FillSignature",
            f"/v1/models/{path}",
        )
        for path, status, words in (
            ("half_plus_two", 400, found("Serving signature name: .a.* not found in sig")),
            ("nope", 404, "Servable not found for request: Latest(nope)"),
        )
    ),
]
NAMES = [replace(case, source=f"{NOT_SEEN}; {JSON}, a name is a string of C") for case in NAMES]

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

CASES = [*READ, *REFUSED, *SHOWN, *STRINGS, *NAMES, *DEEP]
