"""Rows of numbers and truth values in JSON, and of what comes back."""

from typing import Any

from tests.contract.open_inference.answers import Tensors, echoed, refused
from tests.contract.open_inference.arithmetic import NUMBERS
from tests.contract.open_inference.calls import Call, body, element, infer
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

NAN, INF = float("nan"), float("inf")
LITERAL = "JSON has no such literal: null is what all clients read, and binary data keeps it"
NULL = "null is how NaN is answered, and is read as such"
WRAPS = "Triton wraps it silently; what does not fit is refused here"


def _model(datatype: str) -> str:
    return f"echo_{datatype.lower()}"


def _echo(id: str, datatype: str, value: Any, *answer: Any, why: str = "", **others: Any) -> Row:  # noqa: A002
    """A row of a value that comes back, as `answer` where that is given."""
    call = infer(element(datatype, value), model=_model(datatype))
    return Row(id, call, echoed(_model(datatype), datatype, *(answer or (value,)), **others), why)


def _literal(datatype: str, text: str) -> Call:
    content = '{"inputs":[{"name":"in","shape":[1],"datatype":"%s","data":[%s]}]}'
    return body((content % (datatype, text)).encode(), _model(datatype))


def _not(id: str, datatype: str, text: str, why: str = FAULT, words: str = "in") -> Row:  # noqa: A002
    """A row of a value that is refused, as JSON has it."""
    return Row(id, _literal(datatype, text), refused(400, words), why)


FP32 = [NAN, INF, -INF, 0.10000000149011612, 1.401298464324817e-45, 1.0, 123456792.0]
LEFT = [None, None, None]
ZEROS = element("FP32", *[0.0] * 7)
OUT = {"out": ("FP32", [7], FP32)}
OUT64 = {"out64": ("FP64", [7], list(NUMBERS))}
AS_JSON = {"out": [*LEFT, *FP32[3:]], "out64": [*LEFT, *NUMBERS[3:]]}

ROWS = [
    _echo("B-nanlit", "FP32", NAN, why=LITERAL, in_json={"out": [None]}),
    _echo("B-inflit", "FP32", INF, why=LITERAL, in_json={"out": [None]}),
    _echo("B-ninflit", "FP32", -INF, why=LITERAL, in_json={"out": [None]}),
    _not("B-inflit2", "FP32", "inf", words="JSON"),
    _not("B-nanstr", "FP32", '"NaN"'),
    Row("B-nullnum", _literal("FP32", "null"), echoed("echo_fp32", "FP32", None), NULL),
    Row("B-1e39", _literal("FP32", "1e39"), echoed("echo_fp32", "FP32", None), LITERAL),
    _not("B-1e400", "FP64", "1e400", words="JSON"),
    _echo("B-intfp", "FP32", 3, 3.0),
    _not("B-strfp", "FP32", '"1.5"'),
    _not("B-boolfp", "FP32", "true"),
    _echo("B-fp01", "FP32", 0.1, 0.10000000149011612),
    _echo("B-fp64v", "FP64", 0.1),
    _echo("B-fp32p", "FP32", 16777217, 16777216.0),
    _echo("B-fpm0", "FP32", -0.0),
    _echo("B-i53", "INT64", 2**53 + 1),
    _echo("B-i63", "INT64", 2**63 - 1),
    _echo("B-i63m", "INT64", -(2**63)),
    _not("B-i63o", "INT64", str(2**63)),
    _not("B-istr", "INT64", '"5"'),
    _not("B-ibool", "INT64", "true"),
    _not("B-i1e3", "INT64", "1e3"),
    _echo("B-u64", "UINT64", 2**64 - 1),
    _not("B-u64o", "UINT64", str(2**64)),
    _not("B-u64n", "UINT64", "-1"),
    Row(
        "B-u8o",
        infer(element("UINT8", 256), model="echo_uint8"),
        refused(400, "UINT8", "255"),
        WRAPS,
    ),
    _not("B-u8n", "UINT8", "-1"),
    Row("B-i8o", infer(element("INT8", 128), model="echo_int8"), refused(400), WRAPS),
    _not("B-i32o", "INT32", str(2**31), WRAPS),
    _echo("B-bool", "BOOL", True),
    _not("B-bool0", "BOOL", "0"),
    _not("B-bool1", "BOOL", "1"),
    _not("B-bool2", "BOOL", "2"),
    _not("B-boolstr", "BOOL", '"true"'),
    _not("B-boolf", "BOOL", "1.0"),
    _not("B-boolnull", "BOOL", "null"),
    Row(
        "B-nanout",
        infer(ZEROS, model="nan"),
        Tensors(OUT | OUT64, "nan", in_json=AS_JSON),
        LITERAL,
    ),
    Row(
        "B-nanout32",
        infer(ZEROS, model="nan", outputs=[{"name": "out"}]),
        Tensors(OUT, "nan", in_json=AS_JSON),
        LITERAL,
    ),
]
