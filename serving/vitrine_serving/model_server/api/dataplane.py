"""Data plane: TensorFlow Serving's messages in and out, knowing no transport."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.store import profile_files
from vitrine_client.tfserving import management
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.metrics import OTHER, ServingMetrics
from vitrine_serving.model_server.repository.config import (
    check_list,
    check_logging,
    configs_of,
)
from vitrine_serving.model_server.repository.repository import Repository
from vitrine_serving.model_server.runtime import inference
from vitrine_serving.model_server.runtime.servable import Servable

_STATES = get_model_status_pb2.ModelVersionStatus.State


class ModelServerApi:
    """API of the model server, a method for each call; each may raise `ServingError`.

    With `as_content`, Predict answers with packed bytes where TensorFlow Serving lists values.
    """

    def __init__(
        self, repository: Repository, metrics: ServingMetrics, *, as_content: bool = False
    ) -> None:
        self._repository = repository
        self._metrics = metrics
        self._as_content = as_content

    def observe_request(
        self, model: str, call: str, entrypoint: str, status: str, took_s: float
    ) -> None:
        """Counts an answer of a transport in the metrics, by the name of a model that is served; no
        name at all stays one."""
        known = model if not model or self._repository.serves(model) else OTHER
        self._metrics.observe_request(known, call, entrypoint, status, took_s)

    def predict(self, request: Any) -> Any:
        """Answers `PredictionService.Predict`."""
        with self._use(request) as servable:
            return inference.predict(servable, request, as_content=self._as_content)

    def run(
        self, spec: Any, inputs: Mapping[str, Any], *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Answers a Predict on arrays: the signature of a `ModelSpec`, and all its outputs. Those
        of more dimensions than NumPy has are `DeepArray`s, in and out."""
        with self._use_spec(spec) as servable:
            return servable.run(inference.signature_name_of(spec), inputs, timeout_s=timeout_s)

    def classify(self, request: Any) -> Any:
        """Answers `PredictionService.Classify`."""
        with self._use(request) as servable:
            return inference.classify(servable, request)

    def classify_arrays(self, request: Any, *, timeout_s: float | None = None) -> tuple[Any, Any]:
        """Answers a Classify with arrays: the labels, whose bytes need not be UTF-8, and the
        scores, each `[examples, classes]`, None where the signature has none."""
        with self._use(request) as servable:
            return inference.classify_arrays(servable, request, timeout_s)

    def regress(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Answers `PredictionService.Regress`."""
        with self._use(request) as servable:
            return inference.regress(servable, request, timeout_s)

    def multi_inference(self, request: Any) -> Any:
        """Answers `PredictionService.MultiInference`; the first task says which version."""
        if not request.tasks:
            raise ServingError.invalid("ModelSpec has no name specified.")
        with self._use_spec(request.tasks[0].model_spec) as servable:
            return inference.multi_inference(servable, request)

    def signature_inputs(self, spec: Any) -> Mapping[str, Any]:
        """Returns the `TensorInfo` of each input of a signature, by name."""
        with self._use_spec(spec) as servable:
            name = inference.signature_name_of(spec)
            signature = servable.signature_defs.get(name)
        if signature is None:
            raise ServingError.invalid(
                f'Serving signature name: "{name}" not found in signature def'
            )
        return signature.inputs

    def metadata(self, request: Any) -> Any:
        """Answers `PredictionService.GetModelMetadata`: the signatures, and the profile files, for
        which TensorFlow Serving has no field."""
        _check_spec(request)
        if not request.metadata_field:
            raise ServingError.invalid(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for wanted in request.metadata_field:
            if wanted not in _METADATA:
                raise ServingError.invalid(f"Metadata field {wanted} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._use_spec(request.model_spec) as servable:
            inference.fill_spec(response.model_spec, servable)
            for wanted in set(request.metadata_field):
                _METADATA[wanted](servable, response.metadata[wanted])
        return response

    def status(self, request: Any) -> Any:
        """Answers `ModelService.GetModelStatus`. A label in the request changes nothing."""
        _check_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        spec = request.model_spec
        for version in self._repository.versions(spec.name, _version(spec)):
            entry = response.model_version_status.add(
                version=version.number, state=_STATES.Value(version.state)
            )
            entry.status.SetInParent()
            entry.status.error_code = version.error_code
            entry.status.error_message = version.error_message
        return response

    def reload_config(self, request: Any) -> Any:
        """Answers `ModelService.HandleReloadConfigRequest`: the whole set of models is replaced.

        Each metric that is named is answered, as there; those of TensorFlow's that a reload
        increases are none of this server's, so that the increase is 0. Requests are not logged, and
        who wants that is told so once the models are taken, as TensorFlow Serving is built.
        """
        check_list(request.config)
        repository = self._repository
        repository.configure(
            configs_of(request.config, repository.names(), repository.check_labels)
        )
        check_logging(request.config)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()  # OK is said, not left out
        for name in dict.fromkeys(request.metric_names):
            response.metric.add(name=name, int64_value_increase=0)
        return response

    def _use(self, request: Any) -> AbstractContextManager[Servable]:
        _check_spec(request)
        return self._use_spec(request.model_spec)

    def _use_spec(self, spec: Any) -> AbstractContextManager[Servable]:
        if not spec.name:
            raise ServingError.invalid("ModelSpec has no name specified.")
        label = spec.version_label if spec.HasField("version_label") else None
        return self._repository.use(spec.name, _version(spec), label)


def _pack_signatures(servable: Servable, into: Any) -> None:
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, declared in servable.signature_defs.items():
        signatures.signature_def[name].CopyFrom(declared)
    into.Pack(signatures)


def _put_profile_files(servable: Servable, into: Any) -> None:
    try:
        into.value = management.written_profile_files(profile_files.texts(servable.path))
    except ProfileError as error:
        into.value = management.written_profile_files(error)


_METADATA = {"signature_def": _pack_signatures, management.PROFILE_FIELD: _put_profile_files}
"""Fields of metadata, and what puts each into an answer."""


def _check_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise ServingError.invalid("Missing ModelSpec")


def _version(spec: Any) -> int | None:
    return spec.version.value if spec.HasField("version") else None
