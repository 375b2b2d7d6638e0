"""Official request and response messages, in few words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.contract.models import CLASSIFY, REGRESS

LISTS = {
    **dict.fromkeys(("float16", "bfloat16"), "half_val"),
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int_val"),
    "float32": "float_val",
    "float64": "double_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "string": "string_val",
}
"""Which field of `tensor.proto` lists the values of a dtype."""


def spec(
    name: str = "half_plus_two",
    signature: str = "",
    *,
    version: int | None = None,
    label: str = "",
) -> model_pb2.ModelSpec:
    """Returns whom a request is for."""
    made = model_pb2.ModelSpec(name=name, signature_name=signature)
    if version is not None:
        made.version.value = version
    if label:
        made.version_label = label
    return made


def _empty(dtype: str, shape: Sequence[int]) -> tensor_pb2.TensorProto:
    made = tensor_pb2.TensorProto(dtype=tf.as_dtype(dtype).as_datatype_enum)
    made.tensor_shape.SetInParent()
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


def listed(values: Any, dtype: str = "float32", shape: Sequence[int] | None = None) -> Any:
    """Returns a tensor with a typed list, which is how TensorFlow Serving answers; `shape` is
    that of `values` if it is not given."""
    if dtype == "string":
        array = np.array(values, object)
        flat = array.ravel().tolist()
    else:
        array = np.array(values, tf.as_dtype(dtype).as_numpy_dtype)
        flat = array.ravel()
        if dtype in ("float16", "bfloat16"):
            flat = flat.view(np.uint16)
        elif dtype.startswith("complex"):
            flat = np.stack([flat.real, flat.imag], axis=1).ravel()
        flat = flat.tolist()
    made = _empty(dtype, array.shape if shape is None else shape)
    getattr(made, LISTS[dtype]).extend(flat)
    return made


def packed(values: Any, dtype: str = "float32", shape: Sequence[int] | None = None) -> Any:
    """Returns a tensor with its bytes in `tensor_content`."""
    array = np.array(values, tf.as_dtype(dtype).as_numpy_dtype)
    made = _empty(dtype, array.shape if shape is None else shape)
    made.tensor_content = array.tobytes()
    return made


def of_no_dtype() -> tensor_pb2.TensorProto:
    """Returns a tensor that does not say what it is of."""
    return tensor_pb2.TensorProto(dtype=types_pb2.DT_INVALID, float_val=[1.0])


def predict(
    model: model_pb2.ModelSpec | None, outputs: Iterable[str] = (), **inputs: Any
) -> predict_pb2.PredictRequest:
    """Returns a request; inputs that are no tensors are listed float32."""
    made = predict_pb2.PredictRequest(model_spec=model, output_filter=outputs)
    for name, tensor in inputs.items():
        if not isinstance(tensor, tensor_pb2.TensorProto):
            tensor = listed(tensor)
        made.inputs[name].CopyFrom(tensor)
    return made


def predicted(model: model_pb2.ModelSpec, **outputs: Any) -> predict_pb2.PredictResponse:
    """Returns a response; outputs that are no tensors are listed float32."""
    made = predict_pb2.PredictResponse(model_spec=model)
    for name, tensor in outputs.items():
        if not isinstance(tensor, tensor_pb2.TensorProto):
            tensor = listed(tensor)
        made.outputs[name].CopyFrom(tensor)
    return made


def example(**features: float | str | Sequence[Any]) -> example_pb2.Example:
    """Returns an Example; floats, integers and strings become features of their kind."""
    made = example_pb2.Example()
    for name, value in features.items():
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        feature = made.features.feature[name]
        if isinstance(values[0], float):
            feature.float_list.value.extend(values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.bytes_list.value.extend(value.encode() for value in values)
    return made


def examples(
    *rows: example_pb2.Example, context: example_pb2.Example | None = None
) -> input_pb2.Input:
    """Returns the input of Classify, Regress and MultiInference."""
    made = input_pb2.Input()
    if context is None:
        made.example_list.examples.extend(rows)
    else:
        made.example_list_with_context.examples.extend(rows)
        made.example_list_with_context.context.CopyFrom(context)
    return made


TWO = examples(example(x=2.0))
"""What TensorFlow Serving's own tests send: x is 2, of which half plus three makes 4."""


def classify(
    model: model_pb2.ModelSpec | None, given: input_pb2.Input = TWO
) -> classification_pb2.ClassificationRequest:
    """Returns a request to classify."""
    return classification_pb2.ClassificationRequest(model_spec=model, input=given)


def regress(
    model: model_pb2.ModelSpec | None, given: input_pb2.Input = TWO
) -> regression_pb2.RegressionRequest:
    """Returns a request to regress."""
    return regression_pb2.RegressionRequest(model_spec=model, input=given)


def classes(*rows: Sequence[tuple[str, float]]) -> classification_pb2.ClassificationResult:
    """Returns a result of labels and scores, row by row."""
    made = classification_pb2.ClassificationResult()
    for row in rows:
        added = made.classifications.add()
        for label, score in row:
            added.classes.add(label=label, score=score)
    return made


def values(*rows: float) -> regression_pb2.RegressionResult:
    """Returns a result of values."""
    made = regression_pb2.RegressionResult()
    for row in rows:
        made.regressions.add(value=row)
    return made


def task(signature: str, method: str | None = None, *, name: str = "half_plus_two") -> Any:
    """Returns a task of MultiInference; its method is that which its signature's name says."""
    fitting = CLASSIFY if signature.startswith("classify") else REGRESS
    return inference_pb2.InferenceTask(
        model_spec=spec(name, signature), method_name=fitting if method is None else method
    )


def infer(*tasks: Any, given: input_pb2.Input = TWO) -> inference_pb2.MultiInferenceRequest:
    """Returns a request of several tasks on one input."""
    return inference_pb2.MultiInferenceRequest(tasks=tasks, input=given)


def states(status: Any) -> Mapping[int, str]:
    """Returns version and state of a GetModelStatusResponse, in its order."""
    return {one.version: type(one).State.Name(one.state) for one in status.model_version_status}
