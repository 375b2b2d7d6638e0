"""Rows of models that fail, that batch, that have several inputs, and that answer as a stream."""

from tests.contract.open_inference.answers import Tensors, predicted, refused
from tests.contract.open_inference.calls import (
    Call,
    binary,
    element,
    images,
    infer,
    raw_bytes,
    tensor,
)
from tests.contract.open_inference.row import Row

SAID = "the model said no"
BLAMED = "TensorFlow says which of its errors are the input's, and they are the client's then"
DECOUPLED = "each model answers once"
BOTH_NEEDED = "a SavedModel has no optional inputs"
ONES = element("FP32", 1.0)


def _batch(count: int, **others: str) -> Call:
    return infer(images(count), model="mlpb", **others)


def _ab(a: list[float], b: list[float], order: str = "ab", json: str = "") -> Call:
    inputs = []
    for name in order:
        values = {"a": a, "b": b}[name]
        if name in json:
            inputs.append((tensor(name, "FP32", [len(values)], values), None))
        else:
            inputs.append((tensor(name, "FP32", [len(values)]), raw_bytes(values)))
    return binary(*inputs, model="opt")


def _sum(*values: float) -> Tensors:
    return Tensors({"sum": ("FP32", [len(values)], list(values))}, "opt")


EMPTY = Tensors(
    {"class_ids": ("INT64", [0, 1], []), "probabilities": ("FP32", [0, 10], [])}, "mlpb", "1"
)
TOO_MANY = refused(400, "9", "8")
MISSING = refused(400, "'b'")

ROWS = [
    Row("B-fail", infer(ONES, model="fail"), refused(400, SAID), BLAMED),
    Row("B-failone", infer(ONES, model="failone"), refused(400, SAID), BLAMED),
    Row("B-b8", _batch(8), predicted(8, version="1", model="mlpb")),
    Row("B-b9", _batch(9), TOO_MANY),
    Row("B-b9id", _batch(9, id="x7"), TOO_MANY),
    Row(
        "B-b0",
        infer(images(shape=[0, 28, 28], data=[]), model="mlpb", only_http=True),
        EMPTY,
        "no rows are answered with no rows, whether a model batches or not",
    ),
    Row("B-bdim", infer(images(shape=[1, 784]), model="mlpb"), refused(400, "images", "28")),
    Row("B-bdim2", infer(images(shape=[1, 14, 56]), model="mlpb"), refused(400, "images", "28")),
    Row("B-bnob", infer(images(shape=[28, 28]), model="mlpb"), refused(400, "images", "28")),
    Row("B-m-ajbb", _ab([1, 2], [10, 20], json="a"), _sum(11.0, 22.0)),
    Row("B-m-abbj", _ab([1, 2], [10, 20], json="b"), _sum(11.0, 22.0)),
    Row("B-m-ba", _ab([1, 2], [10], "ba"), _sum(11.0, 12.0)),
    Row("B-m-opt", infer(tensor("a", "FP32", [2], [1.0, 2.0]), model="opt"), MISSING, BOTH_NEEDED),
    Row(
        "B-m-req",
        infer(tensor("b", "FP32", [2], [1.0, 2.0]), model="opt"),
        refused(400, "'a'"),
        "what is missing is named, and the model is not asked",
    ),
    Row("B-m-shape", _ab([1, 2], [1, 2, 3]), refused(400), BLAMED),
    Row(
        "B-decoup",
        infer(ONES, model="stream"),
        Tensors({"out": ("FP32", [1], [1.0])}, "stream"),
        DECOUPLED,
    ),
    Row("C-fail", Call(grpc=infer(ONES, model="fail").grpc), refused(400, SAID), BLAMED),
    Row("C-failone", Call(grpc=infer(ONES, model="failone").grpc), refused(400, SAID), BLAMED),
    Row("C-b9", Call(grpc=_batch(9).grpc), TOO_MANY),
    Row(
        "C-decoup",
        Call(grpc=infer(ONES, model="stream").grpc),
        Tensors({"out": ("FP32", [1], [1.0])}, "stream"),
        DECOUPLED,
    ),
]
