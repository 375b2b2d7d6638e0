"""Cases of names in JSON: with a NUL, given twice, of bytes that are no UTF-8."""

from dataclasses import replace

from tests.contract.case import Fails, found
from tests.contract.cases.rest import JSON, over_rest
from tests.contract.cases.rest_json_reading import WHOLE, half
from tests.contract.seen import NOT_SEEN

TWICE = [
    half("`instances` twice", b'{"instances":[1.0],"instances":[2.0]}', WHOLE),
    half(
        "`instances` twice, once escaped",
        b'{"instances":[1],"\\u0069nstances":[2]}',
        WHOLE,
        NOT_SEEN,
    ),
    half("`inputs` twice", b'{"inputs":{"x":[1.0],"x":[2.0]}}', {"outputs": [3.5]}),
    half("a name twice in a row", b'{"instances":[{"x":1.0,"x":2.0}]}', WHOLE, NOT_SEEN),
    half(
        "signature_name twice",
        b'{"signature_name":"nope","signature_name":"","instances":[1.0]}',
        Fails(400, 'Serving signature name: "nope" not found in signature def'),
    ),
]

NAMES = [
    half("a NUL in a name in a row", rb'{"instances":[{"x\u0000y":1.0}]}', WHOLE),
    half(
        "a name in a row that begins with NUL",
        rb'{"instances":[{"\u0000x":1.0}]}',
        Fails(
            400,
            "Failed to process element: 0 key:  of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: ",
        ),
    ),
    half(
        "a NUL in a name in columns",
        rb'{"inputs":{"x\u0000y":[1.0]}}',
        Fails(400, "Missing named input: x in 'inputs' object."),
    ),
    half(
        "a name twice in a row, the second of a string",
        b'{"instances":[{"x":1.0,"x":"a"}]}',
        Fails(
            400,
            "Failed to process element: 0 key: x of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "a" Type: String is not of expected type: float',
        ),
    ),
    half(
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
CASES = [
    *TWICE,
    *(replace(case, source=f"{NOT_SEEN}; {JSON}, a name is a string of C") for case in NAMES),
]
