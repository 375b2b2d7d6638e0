"""Rows of whole requests of JSON: nested data, versions, ids, inputs that are missing."""

from tests.contract.open_inference.answers import predicted, refused
from tests.contract.open_inference.calls import body, changed, images, infer, tensor
from tests.contract.open_inference.row import Row

FAULT = "it is the client's fault, which is 400, and not 500"
FOO = tensor("foo", "FP32", [1], [1.0])
FLAT = images()["data"]
TWO = images(2)["data"]
RAGGED = "lists that differ in length are more likely a mistake than meant"


def _nested(values: list[float], *sizes: int) -> list:
    for size in sizes:
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


ROWS = [
    Row("B-flat", infer(images(2)), predicted(2)),
    Row("B-nested", infer(images(2, data=_nested(TWO, 28, 28))), predicted(2)),
    Row("B-nested-part", infer(images(2, data=_nested(TWO, 784))), predicted(2)),
    Row("B-nested-odd", infer(images(2, data=_nested(TWO, 56, 2))), predicted(2)),
    Row(
        "B-nested-rag",
        changed(inputs=[images(data=[FLAT[:700], FLAT[700:]])]),
        refused(400, "ragged"),
        RAGGED,
    ),
    Row("B-version", infer(version="1"), predicted(version="1")),
    Row("B-nope", infer(model="nope"), refused(404, "nope")),
    Row("B-v99", infer(version="99"), refused(404, "mlp", "99")),
    Row("B-vabc", body({"inputs": [images()]}, "mlp", "abc"), refused(404)),
    Row("B-unl", infer(model="unloaded"), refused(404, "unloaded")),
    Row("B-id", infer(id="abc"), predicted(id="abc")),
    Row("B-id-num", changed(id=5), refused(400, "id"), FAULT),
    Row("B-id-empty", infer(id=""), predicted()),
    Row("B-id-null", changed(id=None), predicted(), "null is as good as nothing"),
    Row("B-id-long", infer(id="x" * 5000), predicted(id="x" * 5000)),
    Row("B-noinputs", changed(inputs=[]), refused(400, "images")),
    Row("B-nokey", body({}), refused(400, "inputs"), FAULT),
    Row("B-inputs-null", body({"inputs": None}), refused(400, "inputs"), FAULT),
    Row("B-inputs-obj", body({"inputs": images()}), refused(400, "inputs"), FAULT),
    Row("B-unk", infer(images(name="foo")), refused(400, "foo")),
    Row("B-unk-extra", infer(images(), FOO), refused(400, "foo")),
    Row("B-dup", infer(images(), images()), refused(400, "images")),
    Row(
        "B-dup-diff",
        infer(images(), images(data=[0.5] * 784)),
        refused(400, "images"),
    ),
    Row(
        "B-keys",
        body({"inputs": [images(foo=1)], "model_name": "other", "bar": {"a": [1]}}),
        predicted(),
    ),
]
