"""Inference: the four calls that run a model, from TensorFlow Serving's requests to its responses.

Each takes a loaded version and an official message, and raises `ServingError` with the codes and
words of predict_util.cc and multi_inference.cc.
"""

from collections.abc import Mapping
from typing import Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime import deep
from vitrine_serving.model_server.runtime.examples import (
    CLASSIFICATION,
    REGRESSION,
    Head,
    classified,
    examples_of,
)
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.model_server.runtime.signature import Array


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
    outputs = servable.run(signature_name, request.inputs, request.output_filter, read=deep.read)
    response = predict_pb2.PredictResponse()
    fill_spec(response.model_spec, servable, signature_name)
    for name, array in outputs.items():
        deep.fill(response.outputs[name], array, as_content=as_content)
    return response


def classify(servable: Servable, request: Any) -> Any:
    """Answers a `ClassificationRequest`."""
    response = classification_pb2.ClassificationResponse()
    return _run_head(CLASSIFICATION, servable, request, response, "Classify", None)


def classify_arrays(servable: Servable, request: Any, timeout_s: float | None = None) -> Any:
    """Answers a `ClassificationRequest` with labels and scores, as `classified` does."""
    _, found, count = _run(CLASSIFICATION, servable, request, "Classify", timeout_s)
    return classified(found, count)


def regress(servable: Servable, request: Any, timeout_s: float | None = None) -> Any:
    """Answers a `RegressionRequest`."""
    response = regression_pb2.RegressionResponse()
    return _run_head(REGRESSION, servable, request, response, "Regress", timeout_s)


def _run_head(
    head: Head,
    servable: Servable,
    request: Any,
    response: Any,
    call: str,
    timeout_s: float | None,
) -> Any:
    name, found, count = _run(head, servable, request, call, timeout_s)
    head.fill(found, count, response.result)
    fill_spec(response.model_spec, servable, name)
    return response


def _run(
    head: Head, servable: Servable, request: Any, call: str, timeout_s: float | None
) -> tuple[str, Mapping[str, Array], int]:
    """Runs the signature that a request asks for, which is to be such a head; returns its name, its
    outputs and the number of examples."""
    name = signature_name_of(request.model_spec)
    signature = servable.signature_defs.get(name)
    if signature is None:
        raise ServingError.invalid(f"No signature was found with the name: {name}")
    head.check(signature, by_method=servable.checks_methods)
    examples = examples_of(request.input)
    found = servable.run(
        name, {"inputs": examples}, head.outputs(signature), call=call, timeout_s=timeout_s
    )
    return name, found, len(examples)


def multi_inference(servable: Servable, request: Any) -> Any:
    """Answers a `MultiInferenceRequest`: several signatures of a model in one run, on the same
    examples, which each input tensor is fed. The run is not observed and its examples are, as
    TensorFlow Serving has it."""
    heads = _heads(servable, request)
    examples = examples_of(request.input)
    wanted = {name: head.outputs(servable.signature_defs[name]) for name, head in heads.items()}
    found = servable.run_together(wanted, examples)
    servable.count_examples(request.tasks[0].model_spec.name, len(examples))
    response = inference_pb2.MultiInferenceResponse()
    for name, head in heads.items():
        result = response.results.add()
        head.fill(found[name], len(examples), getattr(result, f"{head.kind}_result"))
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
