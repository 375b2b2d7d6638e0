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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import grpc

from vitrine_client.errors import InvalidRequest, Unavailable, Unimplemented
from vitrine_client.images import MAX_PIXELS
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, from_tensor
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.api.json_bodies import (
    LARGE_JSON_BYTES,
    PredictMessage,
    parsed_body,
    predict_message,
    read_examples_message,
    read_predict,
    read_signature_name,
)
from vitrine_serving.gateway.api.json_jobs import TASKS, LargeJson
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
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ThreadRunner
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
    KnownSignatures,
    Signatures,
    ask_signatures,
    signature_def_map,
)
from vitrine_serving.rest_json import answers
from vitrine_serving.rest_json.parsing import MAX_VALUES

if TYPE_CHECKING:
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
    by `offload`, which is called as `asyncio.to_thread` is. What has more than `LARGE_JSON_BYTES`
    is read in decoding jobs. A body has `max_values` at most, a picture in it `max_pixels`.
    """

    def __init__(
        self,
        plane: DataPlane,
        *,
        offload: Offload = asyncio.to_thread,
        decoding: DecodingQueue | None = None,
        max_values: int = MAX_VALUES,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._plane = plane
        self._offload = offload
        large = LargeJson(decoding or DecodingQueue(ThreadRunner(TASKS)))
        self._read_large: Mapping[Callable[..., Any], Callable[..., Awaitable[Any]]] = {
            read_predict: large.read_predict,
            read_signature_name: large.read_signature_name,
            read_examples_message: large.read_examples_message,
        }
        self._max_values = max_values
        self._max_pixels = max_pixels
        self._known = KnownSignatures(Signatures.of)

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
        decode = partial(self._decode, query, len(body))
        request = _Body(body, self._max_values, self._max_pixels, decode)
        if len(body) <= LARGE_BYTES:
            await request.parse()
        known = self._known.recall(model)
        if known is None:
            await request.signature_name()  # a broken body is refused before anybody is asked
            now = await self._learn(query)
        else:
            try:
                answer = await self._predict(query, request, known)
            except (InvalidRequest, Unimplemented):
                name = await request.signature_name()
                now = await self._learn(query)
                if now.takes_the_same(known, name):
                    raise
            else:
                version = answer.response.version
                now = self._known.note_version(model, version) or await self._learn(query)
                if now.takes_the_same(known, await request.signature_name()):
                    return answer
        return await self._predict(query, request, now)

    async def classify(
        self, model: ModelRef, body: bytes, *, timeout_s: float, caller: Caller
    ) -> JsonAnswer:
        """Answers `examples` with labels and scores."""
        query = _Query(model, caller, time.monotonic() + timeout_s)
        return await self._examples(
            query, CLASSIFY, body, lambda told: answers.write_classification(told.result)
        )

    async def regress(
        self, model: ModelRef, body: bytes, *, timeout_s: float, caller: Caller
    ) -> JsonAnswer:
        """Answers `examples` with values."""
        query = _Query(model, caller, time.monotonic() + timeout_s)
        return await self._examples(
            query, REGRESS, body, lambda told: answers.write_regression(told.result)
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
        return answers.write_status(messages.parsed(wire.GetModelStatusResponse, response))

    async def _decode(
        self, query: _Query, size: int, function: Callable[..., T], *arguments: Any
    ) -> T:
        started = time.monotonic()
        try:
            if size <= LARGE_BYTES:
                return function(*arguments)
            made: T
            if size > LARGE_JSON_BYTES:
                made = await self._read_large[function](query.deadline, *arguments)
            else:
                made = await self._offload(function, *arguments)
            return made
        except ServingError as error:
            error.__traceback__ = None  # it holds all that the body became
            raise _in_status(error) from error
        except MemoryError as error:
            error.__traceback__ = None
            raise Unavailable(
                "There is no memory left to read the JSON; try again later, or send fewer "
                "instances at once"
            ) from error
        finally:
            query.decode_s += time.monotonic() - started

    async def _predict(self, query: _Query, request: "_Body", signatures: Signatures) -> JsonAnswer:
        read = await request.message(query.model, signatures)
        decode = partial(_predicted, by_row=read.by_row)
        wire_call = WireCall(read.message, decode, _rows(read.inputs))
        return await self._infer(query, wire_call, read.signature_name, read.inputs)

    async def _examples(
        self, query: _Query, method: str, body: bytes, decode: Callable[[Any], bytes]
    ) -> JsonAnswer:
        message, rows = await self._decode(
            query, len(body), read_examples_message, body, self._max_values, method, query.model
        )
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
        return await ask_signatures(self._plane.call, model, timeout_s=timeout_s, callers=callers)


class _Body:
    """JSON body of a Predict request: parsed once where it is small; a large one each time that it
    is read, and what it became then is not kept while a model server is asked.

    `decode` calls a function where a body of that size is read. All raise `VitrineError`.
    """

    def __init__(
        self,
        body: bytes,
        max_values: int,
        max_pixels: int,
        decode: Callable[..., Awaitable[Any]],
    ) -> None:
        self._given = body, max_values
        self._max_pixels = max_pixels
        self._decode = decode
        self._parsed: PredictBody | None = None
        self._name: str | None = None

    async def parse(self) -> None:
        """Parses it for good."""
        self._parsed = await self._decode(parsed_body, *self._given)
        self._name = self._parsed.signature_name

    async def signature_name(self) -> str:
        """Returns the name in it."""
        if self._name is None:
            self._name = await self._decode(read_signature_name, *self._given)
        return self._name

    async def message(self, model: ModelRef, signatures: Signatures) -> PredictMessage:
        """Returns the message that it is to a model with these signatures."""
        read: PredictMessage
        if self._parsed:
            given = self._parsed, self._max_pixels, model, signatures
            read = await self._decode(predict_message, *given)
        else:
            given_whole = *self._given, self._max_pixels, model, signatures
            read = await self._decode(read_predict, *given_whole)
            self._name = read.signature_name
        return read


def _in_status(error: ServingError) -> InvalidRequest | Unimplemented:
    """Returns the error with TensorFlow Serving's HTTP status."""
    unimplemented = error.code is grpc.StatusCode.UNIMPLEMENTED
    text = str(error).encode(errors="surrogateescape").decode(errors="replace")
    return (Unimplemented if unimplemented else InvalidRequest)(text, hint=error.hint)


def _spec(model: ModelRef) -> wire.ModelSpec:
    return messages.model_spec(*model)


def _rows(inputs: Mapping[str, Array]) -> int:
    """Returns the size of the first input's first axis, 1 of a scalar."""
    first = next(iter(inputs.values()))
    return len(first) if first.ndim else 1


def _predicted(message: wire.PredictResponse, *, by_row: bool) -> bytes:
    for tensor in message.outputs.values():
        has_values = all(dim.size for dim in tensor.tensor_shape.dim)
        answers.check_writable(tensor.dtype, has_values=has_values)
    outputs = {name: from_tensor(message.outputs[name]) for name in sorted(message.outputs)}
    return answers.write_predict(outputs, by_row=by_row)
