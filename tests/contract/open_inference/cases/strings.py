"""Rows of strings in JSON, and of datatypes that JSON has no form for."""

from typing import Any

from tests.contract.open_inference.answers import Tensors, echoed, refused
from tests.contract.open_inference.arithmetic import TEXTS
from tests.contract.open_inference.calls import Call, body, element, infer, tensor
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

BASE64 = "base64 is a way to send bytes in JSON, as MLServer has it"
NOT_UTF8 = "JSON is UTF-8: other bytes can be had as binary data"


def _model(datatype: str = "BYTES") -> str:
    return f"echo_{datatype.lower()}"


def _echo(id: str, value: str, **members: Any) -> Row:  # noqa: A002
    call = infer(element("BYTES", value, **members), model=_model())
    return Row(id, call, echoed(_model(), "BYTES", value))


def _literal(text: str | bytes, datatype: str = "BYTES") -> Call:
    content = text if isinstance(text, bytes) else text.encode()
    start = f'{{"inputs":[{{"name":"in","shape":[1],"datatype":"{datatype}","data":['.encode()
    return body(start + content + b"]}]}", _model(datatype))


def _not(id: str, text: str | bytes, *words: str) -> Row:  # noqa: A002
    return Row(id, _literal(text), refused(400, *words), FAULT)


ROWS = [
    _echo("B-str", "hello"),
    _echo("B-stru", "café ☃"),
    _echo("B-stresc", 'café "q" \\ \n \x00 x'),
    _not("B-strsur", '"\\ud800"'),
    Row("B-strbad", _literal(b'"\xff\xfe"'), refused(400), NOT_UTF8),
    Row("B-strb64", _literal('{"b64":"aGk="}'), echoed(_model(), "BYTES", "hi"), BASE64),
    _not("B-strnum", "5", "BYTES"),
    _not("B-strnull", "null", "BYTES"),
    _echo("B-strempty", ""),
    Row(
        "B-strct",
        body(
            {"inputs": [element("BYTES", "aGk=", parameters={"content_type": "base64"})]},
            _model(),
        ),
        echoed(_model(), "BYTES", "hi"),
        BASE64,
    ),
    Row(
        "B-strnest",
        infer(tensor("in", "BYTES", [2], [["a"], ["b"]]), model=_model()),
        echoed(_model(), "BYTES", "a", "b"),
    ),
    Row("B-stringdt", infer(element("STRING", "a"), model=_model()), refused(400, "STRING")),
    Row("B-fp16", infer(element("FP16", 1.5), model="echo_fp16"), refused(400, "FP16")),
    Row("B-bf16", infer(element("BF16", 1.5), model="echo_bf16"), refused(400, "BF16")),
    Row(
        "B-fp16bin",
        infer(element("FP16", 1.5), model="echo_fp16", parameters={"binary_data_output": True}),
        refused(400, "FP16"),
    ),
    Row(
        "B-rawout",
        infer(element("FP32", *[0.0] * 4), model="rawbytes"),
        refused(400, "UTF-8", "binary"),
        NOT_UTF8,
        grpc=Tensors(
            {"out": ("BYTES", [4], [each.decode(errors="surrogateescape") for each in TEXTS])},
            "rawbytes",
        ),
    ),
]
