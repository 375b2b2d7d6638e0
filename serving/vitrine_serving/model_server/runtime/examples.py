"""Classification and regression: signatures that take serialised `tf.Example`s.

Checks and words are those of TensorFlow Serving's classifier.cc and regressor.cc.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import input_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.signature import Array

CLASSIFY = tf.saved_model.CLASSIFY_METHOD_NAME
REGRESS = tf.saved_model.REGRESS_METHOD_NAME


def examples_in(request_input: Any) -> int:
    """Returns how many examples an `Input` holds."""
    kind = request_input.WhichOneof("kind")
    return len(getattr(request_input, kind).examples) if kind else 0


def examples_of(request_input: Any) -> Array:
    """The examples, serialised, as `[n]` strings. A context goes before each (input.proto)."""
    if not examples_in(request_input):
        raise ServingError.invalid("Input is empty.")
    listed = getattr(request_input, request_input.WhichOneof("kind"))
    context = (
        listed.context.SerializeToString()
        if isinstance(listed, input_pb2.ExampleListWithContext)
        else b""
    )
    return np.array([context + example.SerializeToString() for example in listed.examples], object)


def _check_classification(signature: Any) -> None:
    if len(signature.inputs) != 1:
        raise ServingError.invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise ServingError.invalid(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    if "inputs" not in signature.inputs:
        raise ServingError.invalid(f"No classification inputs found in SignatureDef: {signature}")
    if not {"classes", "scores"} & set(signature.outputs):
        raise ServingError.invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {signature}'
        )


def _check_regression(signature: Any) -> None:
    if len(signature.inputs) != 1:
        raise ServingError.invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise ServingError.invalid("Expected one output Tensor.")
    for kind, names in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if kind not in names:
            raise ServingError.invalid(f"No regression {kind} found in SignatureDef: {signature}")


def _classification_outputs(signature: Any) -> list[str]:
    return [alias for alias in ("classes", "scores") if alias in signature.outputs]


def classified(found: Mapping[str, Array], count: int) -> tuple[Array | None, Array | None]:
    """Returns labels and scores, `[examples, classes]`, None where a signature has none. Raises
    `ServingError` where they are not of `count` examples."""
    for alias, kind, dtype in (
        ("classes", object, "DT_STRING"),
        ("scores", np.float32, "DT_FLOAT"),
    ):
        if alias in found:
            _check_column(found[alias], alias, kind, dtype, count)
    if len({array.shape[1] for array in found.values()}) > 1:
        raise ServingError.invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{found['classes'].shape[1]} vs. {found['scores'].shape[1]}"
        )
    return found.get("classes"), found.get("scores")


def _fill_classification(found: Mapping[str, Array], count: int, result: Any) -> None:
    arrays = classified(found, count)
    labels, scores = (None if array is None else array.tolist() for array in arrays)
    for row, given in enumerate(labels or scores or ()):
        classes = result.classifications.add().classes
        for place in range(len(given)):
            added = classes.add()
            if labels is not None:
                added.label = labels[row][place].decode(errors="replace")
            if scores is not None:
                added.score = scores[row][place]


def _check_column(array: Array, alias: str, kind: Any, dtype: str, rows: int) -> None:
    if array.ndim != 2:
        raise ServingError.invalid(
            f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}"
        )
    if array.dtype != kind:
        raise ServingError.invalid(f"Expected {alias} Tensor of {dtype}. Got: {_name(array)}")
    if array.shape[0] != rows:
        raise ServingError.invalid(
            f"Expected {alias} output batch size of {rows}. Got: {array.shape[0]}"
        )


def _regression_outputs(_: Any) -> list[str]:
    return ["outputs"]


def _fill_regression(found: Mapping[str, Array], count: int, result: Any) -> None:
    values = found["outputs"]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise ServingError.invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{_shape(values)}"
        )
    if len(values) != count:
        raise ServingError.invalid(
            f"Input batch size did not match output batch size: {count} vs. {len(values)}"
        )
    if values.dtype != np.float32:
        raise ServingError.invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_name(values)}")
    for value in values.ravel().tolist():
        result.regressions.add(value=value)


def _name(array: Array) -> str:
    return types_pb2.DataType.Name(tf.as_dtype(array.dtype).as_datatype_enum)


def _shape(array: Array) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


@dataclass(frozen=True)
class Head:
    """Head of a model that takes examples: `method` is the name that its signature declares.

    `check_tensors(signature)` raises `ServingError` where its inputs and outputs are not those of
    such a head; `outputs(signature)` are those to ask for, and `fill(found, count, result)` writes
    the result for so many examples, or raises one, too.
    """

    kind: str
    method: str
    check_tensors: Callable[[Any], None]
    outputs: Callable[[Any], list[str]]
    fill: Callable[[Mapping[str, Array], int, Any], None]

    def check(self, signature: Any, *, by_method: bool) -> None:
        """Raises `ServingError` where a signature is no such head: by its inputs and outputs, and
        with `by_method`, which is --enable_signature_method_name_check, first by its method."""
        if by_method and signature.method_name != self.method:
            raise ServingError.invalid(
                f"Expected {self.kind} signature method_name to be {self.method}. "
                f"Was: {signature.method_name}"
            )
        self.check_tensors(signature)


CLASSIFICATION = Head(
    "classification",
    CLASSIFY,
    _check_classification,
    _classification_outputs,
    _fill_classification,
)
REGRESSION = Head("regression", REGRESS, _check_regression, _regression_outputs, _fill_regression)
