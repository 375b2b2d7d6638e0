"""Open Inference Protocol: the operations of the model server, which know no transport."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import grpc
import numpy as np
import tensorflow as tf

from vitrine_client.open_inference import grpc_messages, model_config, validation
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.classification import classified
from vitrine_client.open_inference.messages import V2Request, V2Response, V2Tensor
from vitrine_client.open_inference.specs import DEFAULT_SIGNATURE, SignatureSpec, VersionSpecs
from vitrine_client.open_inference.tensorflow import PLATFORM
from vitrine_serving import __version__
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.open_inference_statistics import VersionStatistics
from vitrine_serving.model_server.repository.lifecycle import ServableStatus
from vitrine_serving.model_server.repository.repository import Repository
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.rest_json.deep import DeepArray

Method = Callable[[Any], Any]
"""Method of the protocol: takes its message, and returns another."""

NAME = "vitrine"
EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
"""Extensions of the protocol that this server has, by Triton's names."""

DEFAULT_MAX_BATCH_SIZE = 1000
"""Rows of a batch that a configuration tells where nothing bounds them: TensorFlow Serving's
default with batching."""

_LARGEST_VERSION = 2**63 - 1
_BRAIN_FLOAT = tf.bfloat16.as_numpy_dtype
_STATES = {"AVAILABLE": "READY", "UNLOADING": "UNLOADING", "END": "UNAVAILABLE"}
"""States of the protocol's index, by those of versions; the others are LOADING."""


class _Known(NamedTuple):
    """Specs and counts of a version, kept as long as it is loaded."""

    specs: VersionSpecs
    statistics: VersionStatistics


class OpenInferenceApi:
    """API of the protocol; each method takes a message, and raises `ServingError` or
    `InvalidRequest`. Clients know versions by their numbers alone; without one the newest answers.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known = WeakKeyDictionary[Servable, _Known]()
        self.methods: dict[str, Method] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ServerMetadata": self.server_metadata,
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
            "ModelConfig": self.config,
            "ModelStatistics": self.statistics,
            "ModelInfer": self.infer,
            "RepositoryIndex": self.index,
            "RepositoryModelLoad": self.refuse_load,
            "RepositoryModelUnload": self.refuse_load,
        }

    def server_live(self, _: wire.ServerLiveRequest) -> wire.ServerLiveResponse:
        """Answers that the process runs."""
        return wire.ServerLiveResponse(live=True)

    def server_ready(self, _: wire.ServerReadyRequest) -> wire.ServerReadyResponse:
        """Answers whether each model has an AVAILABLE version. Triton says no whenever any version
        loads or has failed, so that each new version takes it out of its load balancer."""
        names = self._repository.names()
        return wire.ServerReadyResponse(ready=all(map(self._available, names)))

    def server_metadata(self, _: wire.ServerMetadataRequest) -> wire.ServerMetadataResponse:
        """Answers with the name, the version and the extensions of this server."""
        return wire.ServerMetadataResponse(name=NAME, version=__version__, extensions=EXTENSIONS)

    def model_ready(self, request: wire.ModelRequest) -> wire.ModelReadyResponse:
        """Answers whether a version is AVAILABLE, or any where none is named; not for one that
        nobody knows."""
        number = _number(request.version)
        available = self._available(request.name)
        is_ready = bool(available) if number is None else number in available
        return wire.ModelReadyResponse(ready=is_ready)

    def model_metadata(self, request: wire.ModelRequest) -> wire.ModelMetadataResponse:
        """Answers with the tensors of a version's default signature, and the AVAILABLE versions, or
        the one that is named."""
        with self._use(request.name, request.version) as servable:
            signature = self._of(servable).specs.signature(DEFAULT_SIGNATURE)
            numbers = [servable.version]
        return wire.ModelMetadataResponse(
            name=request.name,
            versions=map(str, numbers if request.version else self._available(request.name)),
            platform=PLATFORM,
            inputs=[spec.metadata for spec in signature.inputs.values()],
            outputs=[spec.metadata for spec in signature.outputs.values()],
        )

    def config(self, request: wire.ModelRequest) -> wire.ModelConfigResponse:
        """Answers with the configuration of a version, as Triton has it."""
        with self._use(request.name, request.version) as servable:
            signature = self._of(servable).specs.signature(DEFAULT_SIGNATURE)
            most = servable.max_batch_size or DEFAULT_MAX_BATCH_SIZE
        return wire.ModelConfigResponse(
            config=wire.ModelConfig(**model_config.config_of(request.name, signature, most))
        )

    def statistics(self, request: wire.ModelRequest) -> wire.ModelStatisticsResponse:
        """Answers with the counts of the AVAILABLE versions of a model, of one, or of all; they
        begin when a version is loaded."""
        names = [request.name] if request.name else sorted(self._repository.names())
        response = wire.ModelStatisticsResponse()
        for name in names:
            if request.name:
                with self._use(name, request.version) as servable:
                    numbers = [servable.version] if request.version else self._available(name)
            else:
                numbers = self._available(name)
            for number in numbers:
                self._add_statistics(name, number, response)
        return response

    def _add_statistics(
        self, name: str, number: int, response: wire.ModelStatisticsResponse
    ) -> None:
        try:
            with self._repository.use(name, number) as servable:
                counted = self._of(servable).statistics
        except ServingError:  # unloaded meanwhile
            return
        response.model_stats.append(counted.message(name, number))

    def index(self, request: wire.RepositoryIndexRequest) -> wire.RepositoryIndexResponse:
        """Answers with the versions of all models and their states, or those that are READY."""
        response = wire.RepositoryIndexResponse()
        for name in sorted(self._repository.names()):
            statuses = self._statuses(name)
            if not statuses and not request.ready:
                response.models.add(name=name)
            for status in statuses:
                state = _STATES.get(status.state, "LOADING")
                if state == "READY" or not request.ready:
                    reason = status.error_message or "unloaded" if state == "UNAVAILABLE" else ""
                    response.models.add(
                        name=name, version=str(status.number), state=state, reason=reason
                    )
        return response

    def refuse_load(self, request: wire.RepositoryModelRequest) -> wire.RepositoryModelResponse:
        """Refuses to load and unload: what is served is what lies on the disk."""
        name = request.model_name or request.repository_name  # KServe's number for the model's name
        raise ServingError.invalid(
            f"No request loads or unloads models here: put versions of {name or 'a model'} into "
            "its directory, or take them out of it; models are those of --model_config_file, or "
            "of HandleReloadConfigRequest"
        )

    def infer(self, message: wire.ModelInferRequest) -> wire.ModelInferResponse:
        """Answers a request of inference."""
        began_ns = time.monotonic_ns()
        with self._use(message.model_name, message.model_version) as servable:
            known = self._of(servable)
            try:
                request = grpc_messages.read_request(message)
                name = validation.signature_name(request.parameters) or DEFAULT_SIGNATURE
                signature = known.specs.signature(name)
                run_ns, outputs = _run(servable, name, request, signature)
                response = V2Response(servable.name, str(servable.version), outputs, request.id)
                written = grpc_messages.write_response(response)
            except BaseException:
                known.statistics.failed(time.monotonic_ns() - began_ns)
                raise
        counts_rows = signature.is_batching and request.inputs
        rows = request.inputs[0].array.shape[0] if counts_rows else 1
        known.statistics.succeeded(rows, time.monotonic_ns() - began_ns, run_ns)
        return written

    def _of(self, servable: Servable) -> _Known:
        known = self._known.get(servable)
        if known is None:
            specs = VersionSpecs.of_signatures(servable.version, servable.signature_defs)
            known = self._known.setdefault(servable, _Known(specs, VersionStatistics()))
        return known

    def _use(self, name: str, version: str) -> AbstractContextManager[Servable]:
        return self._repository.use(name, _number(version))

    def _available(self, name: str) -> list[int]:
        """Returns the AVAILABLE versions of a model that is served, from the oldest on."""
        return [each.number for each in self._statuses(name) if each.state == "AVAILABLE"]

    def _statuses(self, name: str) -> list[ServableStatus]:
        """Returns those of a model's versions, from the oldest on; of one that is not known,
        none."""
        try:
            return self._repository.versions(name)[::-1]
        except ServingError:
            return []


def _number(version: str) -> int | None:
    """Returns the number of a version, None where none is named. Raises `ServingError`."""
    if not version:
        return None
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 40 else -1
    if not 0 <= number <= _LARGEST_VERSION:
        raise ServingError.invalid(
            f"{version[:40]!r} is no version of a model; versions are numbers, such as 1"
        )
    return number


def _run(
    servable: Servable, signature_name: str, request: V2Request, signature: SignatureSpec
) -> tuple[int, list[V2Tensor]]:
    """Returns the outputs that a request asks for, in the order of their names, and how long the
    run took in nanoseconds."""
    validation.check_inputs(request.inputs, signature, servable.name)
    wanted = validation.wanted_outputs(request.outputs, signature, servable.name)
    counts = {each.name: each.classification for each in request.outputs}
    inputs = {tensor.name: _array(tensor) for tensor in request.inputs}
    started_ns = time.monotonic_ns()
    arrays = servable.run(signature_name, inputs, wanted)
    run_ns = time.monotonic_ns() - started_ns
    outputs = [_tensor(name, signature, arrays[name]) for name in wanted or signature.outputs]
    return run_ns, [
        classified(each, count, (), is_batching=signature.is_batching)
        if (count := counts.get(each.name))
        else each
        for each in outputs
    ]


def _array(tensor: V2Tensor) -> Any:
    """Returns the array that a session takes for a tensor."""
    return tensor.array.view(_BRAIN_FLOAT) if tensor.datatype == "BF16" else tensor.array


def _tensor(name: str, signature: SignatureSpec, array: Any) -> V2Tensor:
    """Returns the tensor of an array that a session answered. Raises `ServingError` for one of more
    dimensions than can be packed."""
    if isinstance(array, DeepArray):
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Output {name!r} has {array.ndim} dimensions, which TensorFlow Serving's JSON and "
            "gRPC can answer, and this protocol not here",
        )
    datatype = signature.outputs[name].datatype
    return V2Tensor(name, datatype, array.view(np.uint16) if datatype == "BF16" else array)
