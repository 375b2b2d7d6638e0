"""Pictures API: adapter from pictures and arrays to the data plane, and back."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from vitrine_client.errors import InvalidRequest, UnsupportedMediaType
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.api import bodies, picture_answers
from vitrine_serving.gateway.api.explanations import explain
from vitrine_serving.gateway.http import queries
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.reading import UNSPECIFIED_TYPES
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.decoder import Decoder, Instances, Shown
from vitrine_serving.gateway.inference.outcomes import Classified, Outcome
from vitrine_serving.gateway.inference.requests import (
    IMAGES,
    PROBABILITIES,
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
)
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.reference import ModelRef

Offload = Callable[..., Awaitable[Any]]

Infer = Callable[[Instances, ModelRef, Caller, float], Awaitable[InferenceResponse]]
"""Asks a model about rows, uint8 [n, 28, 28], for a caller and until a deadline; `decoded` has an
answer for each of them."""

_NPY = "application/x-npy"
_OUTPUTS = (PROBABILITIES,)
_LARGE_BYTES = 65536  # takes milliseconds to read, which others should not have to wait for


class PictureEndpoints:
    """Picture requests and their answers; lives in the running event loop. `offload` calls a
    function in a thread.

    Each method raises `VitrineError`, as does what it asks.
    """

    def __init__(
        self,
        max_images: int,
        decoder: Decoder,
        plane: DataPlane,
        versions: Versions,
        offload: Offload,
    ) -> None:
        self._max_images = max_images
        self._offload = offload
        self._decoder = decoder
        self._plane = plane
        self._versions = versions

    async def predict(self, request: Request, target: ModelRef) -> Answer:
        """Answers what pictures show, and leaves the outcome in the request."""
        top_k, box = queries.top_k(request.query), queries.box(request.query)
        if media_type(request) == _NPY:
            shown = Shown(await self._array(request, box))
        else:
            sent = self._pictures(request, box)
            self._plane.check_room(_predict_call(target), len(sent), request.deadline)
            shown = await self._decoder.decode(sent, request.deadline, box)
        outcome = await self._outcome(self._predict, shown, request, target)
        request.outcome = outcome
        return picture_answers.predictions(outcome, top_k)

    async def explain(self, request: Request, target: ModelRef) -> Answer:
        """Answers which pixels speak for a class; a picture that cannot be read fails them all."""
        infer = partial(explain, self._plane, class_id=queries.class_id(request.query))
        shown = await self._all_shown(request)
        outcome = await self._outcome(infer, shown, request, target)
        request.outcome = outcome
        answer: Answer = await self._offload(picture_answers.explanations, outcome)
        return answer

    async def instances(self, request: Request) -> Answer:
        """Answers what models are shown; a picture that cannot be read fails them all."""
        shown = await self._all_shown(request)
        answer: Answer = await self._offload(picture_answers.instances, shown)
        return answer

    async def _outcome(
        self, infer: Infer, shown: Shown, request: Request, target: ModelRef
    ) -> Outcome[Any]:
        """Asks about what is shown; where all pictures are empty, only who would answer."""
        began = time.monotonic() - shown.decode_s
        caller = Caller(request.id, request.traceparent)
        if len(shown.rows):
            response = await infer(shown.rows, target, caller, request.deadline)
            answers, version = response.decoded, response.version
            queue_s, rpc_s = response.queue_s, response.call_s
        else:
            resolved = await self._versions.resolve(target, caller, request.deadline)
            answers, (version,), queue_s, rpc_s = [], *resolved
        results = shown.answered(answers)
        return Outcome(results, target.model, version, shown, queue_s, rpc_s, began, shown.decode_s)

    def _predict(
        self, instances: Instances, model: ModelRef, caller: Caller, deadline: float
    ) -> Awaitable[InferenceResponse]:
        call = _predict_call(model)
        return self._plane.infer(InferenceRequest(call, {IMAGES: instances}, caller, deadline))

    async def _all_shown(self, request: Request) -> Shown:
        """Returns what models are shown. Raises `InvalidImage` for a picture that cannot be
        read."""
        if is_json(request):
            raise UnsupportedMediaType(
                "JSON is not read here; send pictures as to `:predict`, or arrays as "
                "application/x-npy. TensorFlow Serving's JSON can ask `:predict` for any signature"
            )
        box = queries.box(request.query)
        if media_type(request) == _NPY:
            return Shown(await self._array(request, box))
        sent = self._pictures(request, box)
        return await self._decoder.decode(sent, request.deadline, box, all_or_none=True)

    def _pictures(self, request: Request, box: Sequence[float] | None) -> list[bytes]:
        """Returns the pictures in a body, still encoded, and lets go of it. Raises
        `InvalidRequest` where a box makes no sense with them."""
        kind = request.headers.get("content-type", "")
        pictures = bodies.read_pictures(kind, request.body, max_images=self._max_images)
        if box and len(pictures) > 1:
            raise InvalidRequest(
                f"`box` is for one picture, and here are {len(pictures)}; send each in a "
                "request of its own"
            )
        request.body = b""
        return pictures

    async def _array(self, request: Request, box: Sequence[float] | None) -> Instances:
        """Returns the array that a body is. Raises `InvalidRequest` where there is a box."""
        if box:
            raise InvalidRequest(
                "`box` is for a picture; leave it out for an array, which is shown to models as it "
                "is"
            )
        read = partial(bodies.read_npy, request.body, max_images=self._max_images)
        if len(request.body) <= _LARGE_BYTES:
            return read()
        array: Instances = await self._offload(read)
        return array


@lru_cache(1024)
def _predict_call(model: ModelRef) -> SignatureCall:
    return SignatureCall(model, outputs=_OUTPUTS, decode=_predictions)


def _predictions(outputs: Mapping[str, Array], labels: tuple[str, ...]) -> list[Classified]:
    return Classified.rows(outputs[PROBABILITIES], labels)


def media_type(request: Request) -> str:
    """Returns the media type of a body in lower case, without parameters."""
    return bodies.media_type(request.headers.get("content-type", ""))


def is_json(request: Request) -> bool:
    """Says whether a body is JSON, by its type or, where nobody told, by how it begins."""
    kind = media_type(request)
    if kind in UNSPECIFIED_TYPES:
        return request.body.lstrip()[:1] == b"{"
    return kind == "application/json"
