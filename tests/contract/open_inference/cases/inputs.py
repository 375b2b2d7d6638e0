"""Rows of an input: its name, datatype, shape and data."""

from typing import Any

from tests.contract.open_inference.answers import Tensors, refused
from tests.contract.open_inference.calls import changed, images, infer
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

SHAPE = refused(400, "images", "28")
EMPTY = Tensors(
    {"class_ids": ("INT64", [0], []), "probabilities": ("FP32", [0, 10], [])}, "mlp", "2"
)


def _input(**members: Any) -> Any:
    return changed(inputs=[images(**members)])


ROWS = [
    Row("B-nodt", _input(datatype=None), refused(400, "datatype"), FAULT),
    Row("B-fp64", infer(images(datatype="FP64")), refused(400, "FP64", "FP32")),
    Row(
        "B-int",
        infer(images(datatype="INT32", data=[1] * 784)),
        refused(400, "INT32", "FP32"),
    ),
    Row("B-fp32l", infer(images(datatype="fp32")), refused(400, "fp32")),
    Row("B-dtunk", infer(images(datatype="FOO")), refused(400, "FOO")),
    Row(
        "B-dtnull", changed(inputs=[images() | {"datatype": None}]), refused(400, "datatype"), FAULT
    ),
    Row("B-noshape", infer(images(shape=None)), refused(400), FAULT),
    Row("B-noname", infer(images(name=None)), refused(400), FAULT),
    Row("B-nodata", infer(images(data=None)), refused(400, "images")),
    Row("B-datanull", changed(inputs=[images() | {"data": None}]), refused(400, "data"), FAULT),
    Row("B-dataobj", _input(data={"a": 1}), refused(400, "data"), FAULT),
    Row("B-datascalar", _input(data=0.5), refused(400, "data"), FAULT),
    Row("B-dataempty", infer(images(data=[])), refused(400, "images", "784"), FAULT),
    Row("B-few", infer(images(data=[0.5] * 783)), refused(400, "783", "784"), FAULT),
    Row("B-many", infer(images(data=[0.5] * 785)), refused(400, "785", "784"), FAULT),
    Row("B-rank", infer(images(shape=[1, 784])), SHAPE),
    Row("B-dim", infer(images(shape=[1, 784, 1])), SHAPE),
    Row("B-rank1", infer(images(shape=[784])), SHAPE),
    Row("B-2828", infer(images(shape=[28, 28])), SHAPE),
    Row("B-neg", infer(images(shape=[-1, 28, 28])), refused(400, "-1"), FAULT),
    Row("B-neg2", infer(images(shape=[-1, -28, 28])), refused(400, "-1"), FAULT),
    Row("B-zero", changed(inputs=[images(shape=[0, 28, 28], data=[])]), EMPTY),
    Row("B-shape0", infer(images(shape=[], data=[0.5])), SHAPE),
    Row("B-shapef", _input(shape=[1.0, 28, 28]), refused(400, "shape"), FAULT),
    Row("B-shapes", _input(shape=["1", 28, 28]), refused(400, "shape"), FAULT),
    Row("B-shapebig", infer(images(shape=[2**40, 2**40, 2**40])), refused(400, "images")),
    Row("B-shapehuge", _input(shape=[2**70, 28, 28]), refused(400), FAULT),
]
