"""TensorFlow Serving's REST API over its gRPC API: the same bodies, to the byte, and its errors.

A Predict needs the model's signatures. They are asked once per version; nothing is refused because
of what was remembered, but only by what the model server says now.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc

from vitrine_client.errors import DeadlineExceeded, InvalidRequest, Unimplemented
from vitrine_client.tfserving import messages as calls
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.http.routes import Target
from vitrine_serving.gateway.models.signatures import KnownSignatures, Signatures, signature_def_map
from vitrine_serving.rest_json import answers
from vitrine_serving.rest_json.examples import read_examples
from vitrine_serving.rest_json.tensors import PredictBody

T = TypeVar("T")
Metadata = Sequence[tuple[str, str]]
Offload = Callable[..., Awaitable[Any]]

CLASSIFY = "PredictionService/Classify"
REGRESS = "PredictionService/Regress"
METADATA = "PredictionService/GetModelMetadata"

LARGE_BYTES = 65_536
"""Of a body or a message: from here on, it takes milliseconds to read."""


class Servers(Protocol):
    """What is asked of model servers; `ModelServers` is one."""

    async def call(
        self, method: str, request: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Calls `method`, serialised messages in and out. Raises `VitrineError`."""


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks for one request: all its calls share a deadline."""

    servers: Servers
    target: Target
    deadline: float
    metadata: Metadata

    async def call(self, method: str, request: bytes) -> bytes:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded("Deadline Exceeded")
        return await self.servers.call(method, request, timeout_s=left_s, metadata=self.metadata)


class JsonApi:
    """Each method raises `VitrineError` with the text and the status of TensorFlow Serving.

    `timeout_s` is for all that a method has to ask. What has more than `LARGE_BYTES` is read and
    written by `offload`, which is called as `asyncio.to_thread` is.
    """

    def __init__(self, servers: Servers, *, offload: Offload = asyncio.to_thread) -> None:
        self._servers = servers
        self._offload = offload
        self._known = KnownSignatures()

    async def predict(
        self, target: Target, body: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Answers `instances` or `inputs` with all outputs of the signature."""
        asker = self._asker(target, timeout_s, metadata)
        request = await self._work(len(body), PredictBody, body)
        known = self._known.recall(target)
        if known is None:
            now = await self._learn(asker)
        else:
            try:
                version, answer = await self._predict(asker, request, len(body), known)
            except (InvalidRequest, Unimplemented):
                now = await self._learn(asker)
                if now.takes_the_same(known, request.signature_name):
                    raise
            else:
                now = self._known.note_version(target, version) or await self._learn(asker)
                if now.takes_the_same(known, request.signature_name):
                    return answer
        return (await self._predict(asker, request, len(body), now))[1]

    async def classify(
        self, target: Target, body: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Answers `examples` with labels and scores."""
        asker = self._asker(target, timeout_s, metadata)
        request = wire.ClassificationRequest(model_spec=_spec(target))
        message = await self._work(len(body), _examples_message, body, request)
        response = await asker.call(CLASSIFY, message)
        return await self._work(len(response), _classified, response)

    async def regress(
        self, target: Target, body: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Answers `examples` with values."""
        asker = self._asker(target, timeout_s, metadata)
        request = wire.RegressionRequest(model_spec=_spec(target))
        message = await self._work(len(body), _examples_message, body, request)
        response = await asker.call(REGRESS, message)
        return await self._work(len(response), _regressed, response)

    async def metadata(self, target: Target, *, timeout_s: float) -> bytes:
        """Answers what the signatures of a version are."""
        response = await self._metadata(self._asker(target, timeout_s))
        return answers.write_metadata(response.model_spec, signature_def_map(response))

    async def status(self, target: Target, *, timeout_s: float) -> bytes:
        """Answers the states of a model's versions, or of one; a version label changes nothing."""
        spec = _spec(Target(target.model, target.version))
        request = wire.GetModelStatusRequest(model_spec=spec).SerializeToString()
        response = await self._asker(target, timeout_s).call(calls.STATUS, request)
        return answers.write_status(wire.GetModelStatusResponse.FromString(response))

    def _asker(self, target: Target, timeout_s: float, metadata: Metadata = ()) -> _Asker:
        return _Asker(self._servers, target, time.monotonic() + timeout_s, metadata)

    async def _work(self, size: int, function: Callable[..., T], *arguments: Any) -> T:
        try:
            if size <= LARGE_BYTES:
                return function(*arguments)
            made: T = await self._offload(function, *arguments)
            return made
        except ServingError as error:
            unimplemented = error.code is grpc.StatusCode.UNIMPLEMENTED
            kind = Unimplemented if unimplemented else InvalidRequest
            raise kind(str(error)) from error

    async def _predict(
        self, asker: _Asker, request: PredictBody, size: int, signatures: Signatures
    ) -> tuple[int, bytes]:
        """Returns the version that answered, and the answer."""
        message = await self._work(size, _predict_message, asker.target, request, signatures)
        response = await asker.call(calls.PREDICT, message)
        return await self._work(len(response), _predicted, response, request.by_row)

    async def _learn(self, asker: _Asker) -> Signatures:
        return self._known.learn(asker.target, await self._metadata(asker))

    async def _metadata(self, asker: _Asker) -> wire.GetModelMetadataResponse:
        request = wire.GetModelMetadataRequest(
            model_spec=_spec(asker.target), metadata_field=["signature_def"]
        )
        response = await asker.call(METADATA, request.SerializeToString())
        return wire.GetModelMetadataResponse.FromString(response)


def _spec(target: Target, signature_name: str = "") -> wire.ModelSpec:
    return calls.model_spec(*target, signature_name)


def _predict_message(target: Target, request: PredictBody, signatures: Signatures) -> bytes:
    inputs = request.read(signatures.dtypes(request.signature_name))
    message = wire.PredictRequest(
        model_spec=_spec(target, request.signature_name),
        inputs={name: to_tensor(array) for name, array in inputs.items()},
    )
    return message.SerializeToString()


def _predicted(response: bytes, by_row: bool) -> tuple[int, bytes]:
    message = wire.PredictResponse.FromString(response)
    for tensor in message.outputs.values():
        answers.check_writable(tensor.dtype)
    outputs = {name: from_tensor(message.outputs[name]) for name in sorted(message.outputs)}
    version = message.model_spec.version.value
    return version, answers.write_predict(outputs, by_row=by_row)


def _examples_message(body: bytes, request: Any) -> bytes:
    read_examples(body, request)
    message: bytes = request.SerializeToString()
    return message


def _classified(response: bytes) -> bytes:
    message = wire.ClassificationResponse.FromString(response)
    return answers.write_classification(message.result)


def _regressed(response: bytes) -> bytes:
    return answers.write_regression(wire.RegressionResponse.FromString(response).result)
