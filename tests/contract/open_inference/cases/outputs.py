"""Rows of the outputs that are asked for, and of classification."""

from tests.contract.open_inference import arithmetic
from tests.contract.open_inference.answers import Tensors, predicted, refused
from tests.contract.open_inference.calls import changed, infer
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

CLASS = {"name": "class_ids"}
PROBABILITIES = {"name": "probabilities"}
FOO = {"name": "foo"}
CLASSES = (
    "each row has its best classes, as in Triton's models that batch; the gateway's have labels, "
    "which are the numbers where nobody gave others"
)


def _best(count: int, form: str) -> Tensors:
    """The best classes of `probabilities`, each in a form."""
    values = arithmetic.softmax(arithmetic.pictures(1), 2)[0]
    told = [form.format(values[each], each) for each in values.argsort()[::-1][:count]]
    return Tensors({"probabilities": ("BYTES", [1, count], told)}, "mlp", "2")


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
        _best(2, "{0:f}:{1}:{1}"),
        CLASSES,
        embedded=_best(2, "{:f}:{}"),
    ),
]
