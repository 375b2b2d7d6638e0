"""Rows of parameters: of the request and of inputs."""

from typing import Any

from tests.contract.open_inference.answers import Tensors, predicted, refused
from tests.contract.open_inference.calls import Call, body, element, infer, message, rpc
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

INPUT = element("FP32", *[0.0] * 5)
SEEN = Tensors({"out": ("BYTES", [5], ["{}", "", "0", "0", "0"])}, "params")
UNSEEN = "a SavedModel does not see parameters; they are taken, and do nothing"
RESERVED = "no name is reserved here, and what is not known is taken"


def _with(**parameters: Any) -> Call:
    return infer(INPUT, model="params", parameters=parameters)


def _json(parameters: Any) -> Call:
    return body({"inputs": [INPUT], "parameters": parameters}, "params")


def _message(**parameters: Any) -> Call:
    return rpc("ModelInfer", message({"inputs": [INPUT], "parameters": parameters}, "params"))


def _odd(field: str, value: Any) -> Call:
    asked = message({"inputs": [INPUT]}, "params")
    if field:
        setattr(asked.parameters["u"], field, value)
    else:
        asked.parameters["e"].SetInParent()
    return rpc("ModelInfer", asked)


ROWS = [
    Row("B-par", _with(s="x", i=1, b=True), SEEN, UNSEEN),
    Row("B-parnull", _json({"n": None}), refused(400, "'n'")),
    Row("B-parobj", _json({"o": {}}), refused(400, "'o'")),
    Row("B-parlist", _json({"l": [1]}), refused(400, "'l'")),
    Row("B-parres", _with(triton_foo=1), SEEN, RESERVED),
    Row("B-parprio", _with(priority=1), SEEN),
    Row("B-partime", _with(timeout=1000000), SEEN, UNSEEN),
    Row("B-parseq", _with(sequence_id=7, sequence_start=True), SEEN, UNSEEN),
    Row("B-parhdr", _json({"headers": {"a": "b"}}), refused(400, "'headers'")),
    Row("B-parct", _with(content_type="np"), SEEN, UNSEEN),
    Row("B-parstr", _json("x"), refused(400, "parameters"), FAULT),
    Row("B-parin", infer(INPUT | {"parameters": {"a": 1}}, model="params"), SEEN),
    Row(
        "B-parbin",
        infer(parameters={"binary_data_output": True}),
        predicted(binary=("class_ids", "probabilities")),
    ),
    Row(
        "B-hdrs",
        infer(
            INPUT,
            model="params",
            headers={
                "X-Request-Id": "7",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            },
        ),
        SEEN,
    ),
    Row("C-par", _message(s="x", i=1, b=True), SEEN, UNSEEN),
    Row("C-parf", _odd("uint64_param", 2**64 - 1), SEEN, "each kind of the message's is taken"),
    Row("C-parempty", _odd("", None), refused(400, "'e'")),
    Row("C-parres", _message(triton_foo=1), SEEN, RESERVED),
]
