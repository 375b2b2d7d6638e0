"""Rows of gRPC: what a request says of its model, its inputs and its outputs."""

from typing import Any

from tests.contract.open_inference.answers import Refused, Tensors, predicted, refused
from tests.contract.open_inference.calls import (
    PIXELS,
    Call,
    images,
    infer,
    message,
    rpc,
    tensor,
)
from tests.contract.open_inference.row import Row
from vitrine_client.open_inference import wire_pb2 as wire

SHAPE = refused(400, "images", "28")
FOO = tensor("foo", "FP32", [1], [1.0])
EMPTY: dict[str, Any] = {"class_ids": ("INT64", [0], []), "probabilities": ("FP32", [0, 10], [])}
CLASS = {"name": "class_ids"}
ONCE = "each input has its bytes, and no more are sent than there are inputs"


def _asked(*inputs: dict[str, Any], **others: Any) -> Call:
    return Call(grpc=infer(*inputs, **others).grpc)


def _raw(*contents: bytes, **members: Any) -> Call:
    asked = message({"inputs": [images(data=None, **members)]}, "mlp")
    asked.raw_input_contents.extend(contents)
    return rpc("ModelInfer", asked)


def _more(**contents: list[Any]) -> wire.ModelInferRequest:
    asked = message({"inputs": [images()]}, "mlp")
    for name, values in contents.items():
        getattr(asked.inputs[0].contents, name).extend(values)
    return asked


def _instead(**contents: list[Any]) -> Call:
    asked = message({"inputs": [images(data=None)]}, "mlp")
    for name, values in contents.items():
        getattr(asked.inputs[0].contents, name).extend(values)
    return rpc("ModelInfer", asked)


def _both() -> Call:
    asked = _more()
    asked.raw_input_contents.append(PIXELS)
    return rpc("ModelInfer", asked)


ROWS = [
    Row("C-cont", _asked(), predicted()),
    Row("C-raw", _raw(PIXELS), predicted()),
    Row("C-both", _both(), refused(400, "contents")),
    Row("C-none", _asked(images(data=None)), refused(400, "images")),
    Row("C-rawshort", _raw(PIXELS[:-4]), refused(400, "images", "3132", "3136")),
    Row("C-rawlong", _raw(PIXELS + b"1234"), refused(400, "images", "3140", "3136")),
    Row("C-rawodd", _raw(PIXELS[:-1]), refused(400, "images", "3135", "3136")),
    Row("C-rawmany", _raw(PIXELS, PIXELS), refused(400, "2", "1"), ONCE),
    Row("C-rawempty", _raw(b""), refused(400, "images", "3136")),
    Row("C-contshort", _asked(images(data=[0.5] * 783)), refused(400, "783", "784")),
    Row("C-contlong", _asked(images(data=[0.5] * 785)), refused(400, "785", "784")),
    Row("C-contkind", _instead(fp64_contents=[0.5] * 784), refused(400, "images", "fp64_contents")),
    Row(
        "C-conttwo",
        rpc("ModelInfer", _more(int_contents=[1])),
        refused(400, "images", "int_contents"),
    ),
    Row("C-nope", _asked(model="nope"), refused(404, "nope")),
    Row("C-v1", _asked(version="1"), predicted(version="1")),
    Row("C-v99", _asked(version="99"), refused(404, "mlp", "99")),
    Row("C-vabc", _asked(version="abc"), refused(400, "abc")),
    Row("C-empty", _asked(model=""), refused(404)),
    Row("C-unl", _asked(model="unloaded"), refused(404, "unloaded")),
    Row("C-noin", rpc("ModelInfer", message({}, "mlp")), refused(400, "images")),
    Row("C-unk", _asked(images(name="foo")), refused(400, "foo")),
    Row("C-unkextra", _asked(images(), FOO), refused(400, "foo")),
    Row("C-dup", _asked(images(), images()), refused(400, "images")),
    Row(
        "C-dt",
        _raw(PIXELS * 2, datatype="FP64"),
        refused(400, "FP64", "FP32"),
    ),
    Row("C-dtunk", _raw(PIXELS, datatype="FOO"), refused(400, "FOO")),
    Row("C-dtempty", _raw(PIXELS, datatype=""), refused(400, "datatype")),
    Row("C-dtlow", _raw(PIXELS, datatype="fp32"), refused(400, "fp32")),
    Row("C-rank", _asked(images(shape=[1, 784])), SHAPE),
    Row("C-neg", _asked(images(shape=[-1, 28, 28])), refused(400, "-1")),
    Row("C-noshape", _asked(images(shape=None)), refused(400, "images")),
    Row("C-zero", _raw(b"", shape=[0, 28, 28]), Tensors(EMPTY, "mlp", "2")),
    Row(
        "C-zeroc",
        _asked(images(shape=[0, 28, 28], data=None)),
        Tensors(EMPTY, "mlp", "2"),
        "no values are all that such a tensor has",
    ),
    Row("C-out", _asked(outputs=[CLASS]), predicted(1, "class_ids")),
    Row("C-outunk", _asked(outputs=[{"name": "foo"}]), refused(400, "foo")),
    Row("C-outdup", _asked(outputs=[CLASS, CLASS]), predicted(1, "class_ids")),
    Row("C-id", _asked(id="abc"), predicted(id="abc")),
    Row("G-unk", rpc("Nope", b""), Refused(501, is_silent=True)),
    Row(
        "G-garbage",
        rpc("ModelInfer", b"\xff\xff\xff"),
        refused(400),
        "what cannot be read is the client's fault: INTERNAL would be the server's",
    ),
]
