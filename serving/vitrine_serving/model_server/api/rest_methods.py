"""What the methods of the REST API answer, as the bytes of a body; knows no HTTP."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    regression_pb2,
)

from vitrine_serving.rest_json import answers
from vitrine_serving.rest_json.examples import read_examples
from vitrine_serving.rest_json.tensors import PredictBody


class Api(Protocol):
    """What is served: `ModelServerApi`, or a stand-in. Every method raises `ServingError`."""

    def signature_inputs(self, spec: Any) -> Mapping[str, Any]:
        """Returns `TensorInfo` by name for the signature of a `ModelSpec`."""

    def run(
        self,
        spec: Any,
        inputs: Mapping[str, npt.NDArray[Any]],
        *,
        timeout_s: float | None = None,
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Returns all outputs of the signature of a `ModelSpec`."""

    def classify(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Answers a `ClassificationRequest`."""

    def regress(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Answers a `RegressionRequest`."""

    def metadata(self, request: Any) -> Any:
        """Answers a `GetModelMetadataRequest`."""

    def status(self, request: Any) -> Any:
        """Answers a `GetModelStatusRequest`."""


def predict(api: Api, spec: Any, body: bytes, timeout_s: float | None) -> bytes:
    """Answers `:predict`; the model has `timeout_s` to answer."""

    request = PredictBody(body)
    spec.signature_name = request.signature_name
    infos = api.signature_inputs(spec)
    inputs = request.read({alias: info.dtype for alias, info in infos.items()})
    outputs = api.run(spec, inputs, timeout_s=timeout_s)
    return answers.write_predict(outputs, by_row=request.by_row)


def classify(api: Api, spec: Any, body: bytes, timeout_s: float | None) -> bytes:
    """Answers `:classify`."""
    request = classification_pb2.ClassificationRequest(model_spec=spec)
    read_examples(body, request)
    return answers.write_classification(api.classify(request, timeout_s=timeout_s).result)


def regress(api: Api, spec: Any, body: bytes, timeout_s: float | None) -> bytes:
    """Answers `:regress`."""
    request = regression_pb2.RegressionRequest(model_spec=spec)
    read_examples(body, request)
    return answers.write_regression(api.regress(request, timeout_s=timeout_s).result)


def status(api: Api, spec: Any) -> bytes:
    """Answers the status of a model's versions: 200 whatever their states."""
    response = api.status(get_model_status_pb2.GetModelStatusRequest(model_spec=spec))
    return answers.write_status(response)


def metadata(api: Api, spec: Any) -> bytes:
    """Answers the signatures of a model, under `signature_def` twice as TF Serving does."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec, metadata_field=["signature_def"]
    )
    response = api.metadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return answers.write_metadata(response.model_spec, signatures)
