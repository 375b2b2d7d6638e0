"""Rows of gRPC: the values of each datatype, in contents and as bytes."""

from typing import Any

from tests.contract.open_inference.answers import Tensors, echoed, refused
from tests.contract.open_inference.calls import (
    Call,
    element,
    infer,
    lengths,
    message,
    raw_bytes,
    rpc,
    tensor,
)
from tests.contract.open_inference.cases.numbers import OUT, OUT64, WRAPS, ZEROS
from tests.contract.open_inference.row import Row

NAN = float("nan")


def _model(datatype: str) -> str:
    return f"echo_{datatype.lower()}"


def _contents(datatype: str, value: Any) -> Call:
    return Call(grpc=infer(element(datatype, value), model=_model(datatype)).grpc)


def _raw(datatype: str, content: bytes, count: int = 1) -> Call:
    asked = message({"inputs": [tensor("in", datatype, [count])]}, _model(datatype))
    asked.raw_input_contents.append(content)
    return rpc("ModelInfer", asked)


def _out(datatype: str, value: Any) -> Tensors:
    return echoed(_model(datatype), datatype, value)


FFFE = b"\xff\xfe".decode(errors="surrogateescape")

ROWS = [
    Row("C-i64", _contents("INT64", 2**53 + 1), _out("INT64", 2**53 + 1)),
    Row("C-i64r", _raw("INT64", raw_bytes([-1], "<i8")), _out("INT64", -1)),
    Row("C-u8", _contents("UINT8", 7), _out("UINT8", 7)),
    Row("C-u8o", _contents("UINT8", 256), refused(400, "UINT8", "255"), WRAPS),
    Row("C-bool", _contents("BOOL", True), _out("BOOL", True)),
    Row("C-boolr", _raw("BOOL", b"\x02"), _out("BOOL", True)),
    Row("C-str", _contents("BYTES", "ok"), _out("BYTES", "ok")),
    Row("C-strr", _raw("BYTES", lengths(b"\xff\xfe")), _out("BYTES", FFFE)),
    Row("C-strrbad", _raw("BYTES", b"ok"), refused(400, "'in'")),
    Row("C-strrlen", _raw("BYTES", b"\x64\0\0\0ok"), refused(400, "'in'")),
    Row("C-strrn", _raw("BYTES", lengths(b"ok"), 2), refused(400, "'in'", "2")),
    Row("C-fp16", _raw("FP16", raw_bytes([1.5], "<f2")), _out("FP16", 1.5)),
    Row("C-fp16c", _contents("FP16", 1.5), refused(400, "FP16", "raw")),
    Row("C-bf16", _raw("BF16", b"\xc0\x3f"), _out("BF16", 0x3FC0)),
    Row("C-bf16c", _contents("BF16", 1.5), refused(400, "BF16", "raw")),
    Row("C-nan", _contents("FP32", NAN), _out("FP32", NAN)),
    Row("C-nanr", Call(grpc=infer(ZEROS, model="nan").grpc), Tensors(OUT | OUT64, "nan")),
]
