"""Rows of the binary tensor extension over HTTP, with the same bytes as gRPC's raw contents."""

from typing import Any

from tests.contract.open_inference.answers import Tensors, echoed, predicted, refused
from tests.contract.open_inference.calls import (
    HEADER,
    PIXELS,
    Call,
    Http,
    Tensor,
    binary,
    images,
    infer,
    lengths,
    path_of,
    raw_bytes,
    tensor,
)
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

BOTH = ("class_ids", "probabilities")
ALL: Any = {"parameters": {"binary_data_output": True}}
ONE: Any = {"outputs": [{"name": "class_ids", "parameters": {"binary_data": True}}]}
EMPTY: dict[str, Any] = {"class_ids": ("INT64", [0], []), "probabilities": ("FP32", [0, 10], [])}
NO_LENGTH = "what is no number is refused, and the body is not guessed at"
IMAGES = images(data=None)


def _echo(datatype: str, count: int, content: bytes, **members: Any) -> Call:
    given: Tensor = tensor("in", datatype, [count])
    return binary((given, content), model=f"echo_{datatype.lower()}", **members)


def _raw(model: str) -> Call:
    return Call(Http("POST", path_of(model), PIXELS, {HEADER: "0"}))


def _headed(asked: Call, **headers: str) -> Call:
    """The same with other headers, and without those that are empty."""
    assert asked.http is not None
    named = dict(asked.http.headers) | {
        key.replace("_", "-"): each for key, each in headers.items()
    }
    named = {key: each for key, each in named.items() if each}
    return Call(Http("POST", asked.http.path, asked.http.body, named), asked.grpc)


def _json_with_header(**members: Any) -> Call:
    asked = infer(only_http=True, **members)
    assert asked.http is not None
    assert asked.http.body is not None
    return _headed(asked, **{HEADER: str(len(asked.http.body))})


def _json_and_bytes() -> Call:
    asked = _json_with_header().http
    assert asked is not None
    assert asked.body is not None
    return Call(Http("POST", asked.path, asked.body + b"1234", asked.headers))


TEXT = lengths(b"ok", b"\xff\xfe\x00")
TEXTS = ["ok", b"\xff\xfe\x00".decode(errors="surrogateescape")]
JSON_FP16 = "binary"

ROWS = [
    Row("B-bin", binary(), predicted()),
    Row("B-binct", _headed(binary(), Content_Type="application/json"), predicted()),
    Row("B-binnoct", _headed(binary(), Content_Type=""), predicted()),
    Row("B-binout", binary(**ALL), predicted(binary=BOTH)),
    Row(
        "B-binout1",
        binary(outputs=[{"name": "probabilities"}, *ONE["outputs"]]),
        predicted(binary=("class_ids",)),
    ),
    Row(
        "B-binoutboth",
        binary(
            outputs=[
                {"name": "probabilities", "parameters": {"binary_data": False}},
                {"name": "class_ids"},
            ],
            **ALL,
        ),
        predicted(),
    ),
    Row("B-jsonbinout", infer(**ALL), predicted(binary=BOTH)),
    Row("B-jsonbinouth", _json_with_header(), predicted()),
    Row("B-jsonbin1", infer(**ONE), predicted(1, "class_ids", binary=("class_ids",))),
    Row("B-binnohdr", binary(header=..., only_http=True), refused(400)),
    Row("B-binlenbig", binary(add=10, only_http=True), refused(400)),
    Row("B-binlensmall", binary(add=-10, only_http=True), refused(400, "JSON"), FAULT),
    Row("B-binlenpast", binary(add=5000, only_http=True), refused(400, HEADER)),
    Row("B-binlen-x", binary(header="abc", only_http=True), refused(400, HEADER, "abc")),
    Row("B-binlenneg", binary(header="-5", only_http=True), refused(400, HEADER, "-5")),
    Row("B-binlen12x", binary(header="105x", only_http=True), refused(400, "105x"), NO_LENGTH),
    Row("B-binlenempty", binary(header="", only_http=True), refused(400, HEADER)),
    Row("B-binsmall", binary((IMAGES, PIXELS[:-4])), refused(400, "images", "3132", "3136")),
    Row("B-binbig", binary((IMAGES, PIXELS + b"1234")), refused(400, "images", "3140", "3136")),
    Row("B-bintrail", binary((IMAGES, PIXELS + b"1234"), size=3136, only_http=True), refused(400)),
    Row("B-binshort", binary((IMAGES, PIXELS[:-4]), size=3136, only_http=True), refused(400)),
    Row("B-binnone", binary((IMAGES, b""), size=3136, only_http=True), refused(400)),
    Row("B-binboth", binary((images(), PIXELS), only_http=True), refused(400, "data")),
    Row("B-binszstr", binary(size="3136", only_http=True), refused(400, "binary_data_size"), FAULT),
    Row("B-binszneg", binary(size=-1, only_http=True), refused(400, "binary_data_size"), FAULT),
    Row("B-binszf", binary(size=3136.0, only_http=True), refused(400, "binary_data_size"), FAULT),
    Row(
        "B-binsz0",
        binary((images(data=None, shape=[0, 28, 28]), b"")),
        Tensors(EMPTY, "mlp", "2"),
    ),
    Row(
        "B-binextra",
        _json_and_bytes(),
        refused(400),
    ),
    Row("B-binraw", _raw("mlp"), predicted(binary=BOTH)),
    Row("B-binrawb", _raw("mlpb"), predicted(version="1", model="mlpb", binary=BOTH)),
    Row(
        "B-binbytes",
        _echo("BYTES", 2, TEXT, **ALL),
        echoed("echo_bytes", "BYTES", *TEXTS, binary=("out",)),
    ),
    Row(
        "B-binbytesj",
        _echo("BYTES", 2, TEXT),
        refused(400, "UTF-8"),
        "JSON is UTF-8: other bytes can be had as binary data",
        grpc=echoed("echo_bytes", "BYTES", *TEXTS),
    ),
    Row("B-binbytesn", _echo("BYTES", 2, lengths(b"ok")), refused(400)),
    Row("B-binbytesl", _echo("BYTES", 1, b"\x64\0\0\0ok"), refused(400)),
    Row(
        "B-binbool",
        _echo("BOOL", 3, b"\x00\x01\x02"),
        echoed("echo_bool", "BOOL", False, True, True),
    ),
    Row(
        "B-binfp16",
        _echo("FP16", 2, raw_bytes([1.5, -2], "<f2"), **ALL),
        echoed("echo_fp16", "FP16", 1.5, -2.0, binary=("out",)),
    ),
    Row(
        "B-binfp16j",
        _echo("FP16", 2, raw_bytes([1.5, -2], "<f2")),
        refused(400, "FP16", JSON_FP16),
        grpc=echoed("echo_fp16", "FP16", 1.5, -2.0),
    ),
    Row(
        "B-binbf16",
        _echo("BF16", 2, b"\xc0\x3f\x00\xc0", **ALL),
        echoed("echo_bf16", "BF16", 0x3FC0, 0xC000, binary=("out",)),
    ),
    Row(
        "B-binbf16j",
        _echo("BF16", 2, b"\xc0\x3f\x00\xc0"),
        refused(400, "BF16", JSON_FP16),
        grpc=echoed("echo_bf16", "BF16", 0x3FC0, 0xC000),
    ),
    Row(
        "B-bini64",
        _echo("INT64", 2, raw_bytes([-1, 2**53 + 1], "<i8"), **ALL),
        echoed("echo_int64", "INT64", -1, 2**53 + 1, binary=("out",)),
    ),
]
