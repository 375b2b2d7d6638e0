"""What the model server answers, as TensorFlow Serving's messages; knows no transport."""

from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from vitrine_serving.model_server.errors import ServingError
from vitrine_serving.model_server.repository import Repository
from vitrine_serving.model_server.servable import Servable

DEFAULT_SIGNATURE = "serving_default"
_STATES = get_model_status_pb2.ModelVersionStatus.State
_UNKNOWN_ERROR = 2  # gRPC's code for an error of no other kind


class ModelServerApi:
    """One method a call; each raises `ServingError`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def servable(self, spec: Any) -> Servable:
        """Returns the loaded version that a `ModelSpec` asks for."""
        if not spec.name:
            raise ServingError.invalid("Missing ModelSpec")
        if spec.WhichOneof("version_choice") == "version_label":
            raise ServingError.invalid(f"Unrecognized servable version label: {spec.version_label}")
        return self._repository.servable(spec.name, _version(spec))

    def predict(self, request: Any) -> Any:
        """Answers `PredictionService.Predict`."""
        servable = self.servable(request.model_spec)
        signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        inputs = {name: _to_array(name, tensor) for name, tensor in request.inputs.items()}
        outputs = servable.run(signature_name, inputs)
        unknown = set(request.output_filter) - set(outputs)
        if unknown:
            raise ServingError.invalid(
                f"output tensor alias not found in signature: {min(unknown)}"
            )
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, servable, signature_name)
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response

    def metadata(self, request: Any) -> Any:
        """Answers `PredictionService.GetModelMetadata`."""
        for wanted in request.metadata_field:
            if wanted != "signature_def":
                raise ServingError.invalid(f"Metadata field {wanted} is not supported")
        if not request.metadata_field:
            raise ServingError.invalid(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        servable = self.servable(request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, declared in servable.signature_defs.items():
            signatures.signature_def[name].CopyFrom(declared)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _fill_spec(response.model_spec, servable, "")
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(self, request: Any) -> Any:
        """Answers `ModelService.GetModelStatus`."""
        response = get_model_status_pb2.GetModelStatusResponse()
        spec = request.model_spec
        for version in self._repository.versions(spec.name, _version(spec)):
            entry = response.model_version_status.add(
                version=version.number, state=_STATES.Value(version.state)
            )
            entry.status.error_code = _UNKNOWN_ERROR if version.error else 0
            entry.status.error_message = version.error
        return response


def _version(spec: Any) -> int | None:
    return spec.version.value if spec.HasField("version") else None


def _fill_spec(spec: Any, servable: Servable, signature_name: str) -> None:
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature_name


def _to_array(name: str, tensor: Any) -> Any:
    try:
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise ServingError.invalid(f"tensor parsing error: {name}") from error
