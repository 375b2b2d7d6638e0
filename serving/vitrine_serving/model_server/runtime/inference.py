"""Inference: the four calls that run a model, from TensorFlow Serving's requests to its responses.

Each takes a loaded version and an official message, and raises `ServingError` with the codes and
words of predict_util.cc and multi_inference.cc.
"""

from typing import Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.examples import (
    CLASSIFICATION,
    REGRESSION,
    Head,
    RunOptions,
    examples_of,
    run_classification,
)
from vitrine_serving.model_server.runtime.servable import UNOBSERVED, Servable
from vitrine_serving.model_server.runtime.tensors import fill_tensor, to_array


def signature_name_of(spec: Any) -> str:
    """Returns the signature that a `ModelSpec` asks for, or the default one."""
    return spec.signature_name or "serving_default"


def fill_spec(spec: Any, servable: Servable, signature_name: str = "") -> None:
    """Says in a response's `ModelSpec` which version answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature_name


def predict(servable: Servable, request: Any, *, as_content: bool = False) -> Any:
    """Answers a `PredictRequest`."""
    signature_name = signature_name_of(request.model_spec)
    outputs = servable.run(signature_name, request.inputs, request.output_filter, read=to_array)
    response = predict_pb2.PredictResponse()
    fill_spec(response.model_spec, servable, signature_name)
    for name, array in outputs.items():
        fill_tensor(response.outputs[name], array, as_content=as_content)
    return response


def classify(servable: Servable, request: Any, timeout_s: float | None = None) -> Any:
    """Answers a `ClassificationRequest`."""
    response = classification_pb2.ClassificationResponse()
    options = RunOptions(call="Classify", timeout_s=timeout_s)
    return _run_head(CLASSIFICATION, servable, request, response, options)


def classify_arrays(servable: Servable, request: Any, timeout_s: float | None = None) -> Any:
    """Answers a `ClassificationRequest` with labels and scores, as `run_classification` does."""
    name = _checked_signature(CLASSIFICATION, servable, request)
    options = RunOptions(call="Classify", timeout_s=timeout_s)
    return run_classification(servable, name, examples_of(request.input), options)


def regress(servable: Servable, request: Any, timeout_s: float | None = None) -> Any:
    """Answers a `RegressionRequest`."""
    response = regression_pb2.RegressionResponse()
    options = RunOptions(call="Regress", timeout_s=timeout_s)
    return _run_head(REGRESSION, servable, request, response, options)


def _run_head(
    head: Head, servable: Servable, request: Any, response: Any, options: RunOptions
) -> Any:
    name = _checked_signature(head, servable, request)
    head.fill(servable, name, examples_of(request.input), response.result, options)
    fill_spec(response.model_spec, servable, name)
    return response


def _checked_signature(head: Head, servable: Servable, request: Any) -> str:
    """Returns the name of the signature that a request asks for, and that is such a head."""
    name = signature_name_of(request.model_spec)
    signature = servable.signature_defs.get(name)
    if signature is None:
        raise ServingError.invalid(f"No signature was found with the name: {name}")
    head.check(signature, by_method=servable.checks_methods)
    return name


def multi_inference(servable: Servable, request: Any) -> Any:
    """Answers a `MultiInferenceRequest`: several signatures of a model, on the same examples, which
    each input tensor is fed. Its runs are not observed, as TensorFlow Serving's are not."""
    heads = _heads(servable, request)
    examples = examples_of(request.input)
    response = inference_pb2.MultiInferenceResponse()
    for name, head in heads.items():
        result = response.results.add()
        filled = getattr(result, f"{head.kind}_result")
        head.fill(servable, name, examples, filled, RunOptions(call=UNOBSERVED, timeout_s=None))
        fill_spec(result.model_spec, servable, name)
    return response


def _heads(servable: Servable, request: Any) -> dict[str, Head]:
    """The head of each signature that is asked for; every task is checked before any runs."""
    heads: dict[str, Head] = {}
    model = ""
    for task in request.tasks:
        spec = task.model_spec
        if not spec.name:
            raise ServingError.invalid("Found ModelSpec with an empty model name.")
        if model not in ("", spec.name):
            raise ServingError.invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        name = signature_name_of(spec)
        if name in heads:
            raise ServingError.invalid(f"Duplicate evaluation of signature: {name}")
        signature = servable.signature_defs.get(name)
        if signature is None:
            raise ServingError.invalid(f"Requested signature not found in model graph: {name}")
        head = _HEADS.get(task.method_name)
        if head is None:
            raise ServingError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"Unsupported signature method_name: {task.method_name}",
            )
        head.check(signature, by_method=servable.checks_methods)
        heads[name], model = head, spec.name
    return heads


_HEADS = {head.method: head for head in (CLASSIFICATION, REGRESSION)}
