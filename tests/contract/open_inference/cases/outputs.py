"""Rows of the outputs that are asked for, and of classification."""

from tests.contract.open_inference import arithmetic
from tests.contract.open_inference.answers import Tensors, predicted, refused
from tests.contract.open_inference.calls import changed, infer
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

CLASS = {"name": "class_ids"}
PROBABILITIES = {"name": "probabilities"}
FOO = {"name": "foo"}


def _best(count: int) -> list[str]:
    values = arithmetic.softmax(arithmetic.pictures(1), 2)[0]
    return [f"{values[each]:f}:{each}" for each in values.argsort()[::-1][:count]]


ROWS = [
    Row("B-out1", infer(outputs=[CLASS]), predicted(1, "class_ids")),
    Row("B-outorder", infer(outputs=[CLASS, PROBABILITIES]), predicted()),
    Row("B-outunk", infer(outputs=[FOO]), refused(400, "foo")),
    Row("B-outmix", infer(outputs=[CLASS, FOO]), refused(400, "foo")),
    Row("B-outdup", infer(outputs=[CLASS, CLASS]), predicted(1, "class_ids")),
    Row("B-outempty", infer(outputs=[]), predicted()),
    Row("B-outnull", changed(outputs=None), predicted(), "null is as good as nothing"),
    Row("B-outnoname", infer(outputs=[{}]), refused(400), FAULT),
    Row(
        "B-class",
        infer(outputs=[PROBABILITIES | {"parameters": {"classification": 2}}]),
        Tensors({"probabilities": ("BYTES", [1, 2], _best(2))}, "mlp", "2"),
        "each row has its best classes, as in Triton's models that batch; its others are one row",
    ),
]
