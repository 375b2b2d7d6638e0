"""TensorFlow Serving's JSON: adapter to the data plane with the same bodies, to the byte, and its
errors.

A Predict needs the model's signatures. They are asked once per version; nothing is refused because
of what was remembered, but only by what the model server says now.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import grpc

from vitrine_client.errors import InvalidRequest, Unimplemented
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, from_tensor, to_tensor
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.http import queries
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.dataplane import (
    CLASSIFY,
    LARGE_BYTES,
    REGRESS,
    DataPlane,
    Offload,
    left_s,
)
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.inference.requests import (
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
    WireCall,
)
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import (
    METADATA,
    KnownSignatures,
    Signatures,
    signature_def_map,
)
from vitrine_serving.rest_json import answers
from vitrine_serving.rest_json.examples import read_examples
from vitrine_serving.rest_json.tensors import PredictBody

T = TypeVar("T")
_NO_INPUTS: Mapping[str, Array] = {}


class JsonAnswer(NamedTuple):
    """JSON answer, the response it was made of, and the seconds that decoding took before."""

    body: bytes
    response: InferenceResponse
    decode_s: float


@dataclass(slots=True, eq=False)
class _Query:
    """Query of one request: all its calls share a deadline, and decoding is added up."""

    model: ModelRef
    caller: Caller
    deadline: float
    decode_s: float = 0.0


class JsonApi:
    """TensorFlow Serving's REST methods; each raises `VitrineError` with its text and status.

    `timeout_s` is for all calls of a method. What has more than `LARGE_BYTES` is read and written
    by `offload`, which is called as `asyncio.to_thread` is.
    """

    def __init__(self, plane: DataPlane, *, offload: Offload = asyncio.to_thread) -> None:
        self._plane = plane
        self._offload = offload
        self._known = KnownSignatures()

    async def answer(self, request: Request, model: ModelRef, verb: str) -> Answer:
        """Answers `predict`, `classify` or `regress`, and leaves the outcome in the request."""
        if verb == "predict" and queries.box(request.query):
            raise InvalidRequest(
                "`box` is for a picture; leave it out for JSON, or send the picture as it is"
            )
        began = time.monotonic()
        infer = {"predict": self.predict, "classify": self.classify, "regress": self.regress}[verb]
        caller = Caller(request.id, request.traceparent)
        made = await infer(model, request.body, timeout_s=request.left_s(), caller=caller)
        response = made.response
        took = response.queue_s, response.call_s, began, made.decode_s
        request.outcome = Outcome((), model.model, response.version, None, *took)
        return Answer(200, made.body)

    async def about(
        self, request: Request, model: ModelRef, question: Callable[..., Awaitable[bytes]]
    ) -> Answer:
        """Answers `status` or `metadata`."""
        return Answer(200, await question(model, timeout_s=request.left_s()))

    async def predict(
        self, model: ModelRef, body: bytes, *, timeout_s: float, caller: Caller
    ) -> JsonAnswer:
        """Answers `instances` or `inputs` with all outputs of the signature."""
        query = _Query(model, caller, time.monotonic() + timeout_s)
        request = await self._decode(query, len(body), PredictBody, body)
        known = self._known.recall(model)
        if known is None:
            now = await self._learn(query)
        else:
            try:
                answer = await self._predict(query, request, len(body), known)
            except (InvalidRequest, Unimplemented):
                now = await self._learn(query)
                if now.takes_the_same(known, request.signature_name):
                    raise
            else:
                version = answer.response.version
                now = self._known.note_version(model, version) or await self._learn(query)
                if now.takes_the_same(known, request.signature_name):
                    return answer
        return await self._predict(query, request, len(body), now)

    async def classify(
        self, model: ModelRef, body: bytes, *, timeout_s: float, caller: Caller
    ) -> JsonAnswer:
        """Answers `examples` with labels and scores."""
        query = _Query(model, caller, time.monotonic() + timeout_s)
        request = wire.ClassificationRequest(model_spec=_spec(model))
        return await self._examples(
            query, CLASSIFY, body, request, lambda told: answers.write_classification(told.result)
        )

    async def regress(
        self, model: ModelRef, body: bytes, *, timeout_s: float, caller: Caller
    ) -> JsonAnswer:
        """Answers `examples` with values."""
        query = _Query(model, caller, time.monotonic() + timeout_s)
        request = wire.RegressionRequest(model_spec=_spec(model))
        return await self._examples(
            query, REGRESS, body, request, lambda told: answers.write_regression(told.result)
        )

    async def metadata(self, model: ModelRef, *, timeout_s: float) -> bytes:
        """Answers the signatures of a version."""
        response = await self._metadata(model, timeout_s)
        return answers.write_metadata(response.model_spec, signature_def_map(response))

    async def status(self, model: ModelRef, *, timeout_s: float) -> bytes:
        """Answers the states of a model's versions, or of one; a version label changes nothing."""
        spec = _spec(ModelRef(model.model, model.version))
        request = wire.GetModelStatusRequest(model_spec=spec).SerializeToString()
        response = await self._plane.call(messages.STATUS, request, timeout_s=timeout_s)
        return answers.write_status(wire.GetModelStatusResponse.FromString(response))

    async def _decode(
        self, query: _Query, size: int, function: Callable[..., T], *arguments: Any
    ) -> T:
        started = time.monotonic()
        try:
            if size <= LARGE_BYTES:
                return function(*arguments)
            made: T = await self._offload(function, *arguments)
            return made
        except ServingError as error:
            raise _in_status(error) from error
        finally:
            query.decode_s += time.monotonic() - started

    async def _predict(
        self, query: _Query, request: PredictBody, size: int, signatures: Signatures
    ) -> JsonAnswer:
        message, inputs = await self._decode(
            query, size, _predict_message, query.model, request, signatures
        )
        wire_call = WireCall(message, partial(_predicted, by_row=request.by_row), _rows(inputs))
        return await self._infer(query, wire_call, request.signature_name, inputs)

    async def _examples(
        self, query: _Query, method: str, body: bytes, request: Any, decode: Callable[[Any], bytes]
    ) -> JsonAnswer:
        message, rows = await self._decode(query, len(body), _examples_message, body, request)
        return await self._infer(query, WireCall(message, decode, rows, method))

    async def _infer(
        self,
        query: _Query,
        wire_call: WireCall,
        signature: str = "",
        inputs: Mapping[str, Array] = _NO_INPUTS,
    ) -> JsonAnswer:
        call = SignatureCall(query.model, signature)
        try:
            response = await self._plane.infer(
                InferenceRequest(call, inputs, query.caller, query.deadline, wire_call)
            )
        except ServingError as error:  # there is no JSON for what the model answered
            raise _in_status(error) from error
        return JsonAnswer(response.decoded, response, query.decode_s)

    async def _learn(self, query: _Query) -> Signatures:
        found = await self._metadata(query.model, left_s(query.deadline), query.caller)
        return self._known.learn(query.model, found)

    async def _metadata(
        self, model: ModelRef, timeout_s: float, *callers: Caller
    ) -> wire.GetModelMetadataResponse:
        request = wire.GetModelMetadataRequest(
            model_spec=_spec(model), metadata_field=["signature_def"]
        )
        response = await self._plane.call(
            METADATA, request.SerializeToString(), timeout_s=timeout_s, callers=callers
        )
        return wire.GetModelMetadataResponse.FromString(response)


def _in_status(error: ServingError) -> InvalidRequest | Unimplemented:
    """Returns the error with TensorFlow Serving's HTTP status."""
    unimplemented = error.code is grpc.StatusCode.UNIMPLEMENTED
    return (Unimplemented if unimplemented else InvalidRequest)(str(error))


def _spec(model: ModelRef, signature_name: str = "") -> wire.ModelSpec:
    return messages.model_spec(*model, signature_name)


def _rows(inputs: Mapping[str, Array]) -> int:
    """Returns the size of the first input's first axis, 1 of a scalar."""
    first = next(iter(inputs.values()))
    return len(first) if first.ndim else 1


def _predict_message(
    model: ModelRef, request: PredictBody, signatures: Signatures
) -> tuple[bytes, Mapping[str, Array]]:
    inputs = request.read(signatures.dtypes(request.signature_name))
    message = wire.PredictRequest(
        model_spec=_spec(model, request.signature_name),
        inputs={name: to_tensor(array) for name, array in inputs.items()},
    )
    return message.SerializeToString(), inputs


def _predicted(message: wire.PredictResponse, *, by_row: bool) -> bytes:
    for tensor in message.outputs.values():
        answers.check_writable(tensor.dtype)
    outputs = {name: from_tensor(message.outputs[name]) for name in sorted(message.outputs)}
    return answers.write_predict(outputs, by_row=by_row)


def _examples_message(body: bytes, request: Any) -> tuple[bytes, int]:
    """Also returns the number of examples."""
    read_examples(body, request)
    kind = request.input.WhichOneof("kind")
    return request.SerializeToString(), len(getattr(request.input, kind).examples)
