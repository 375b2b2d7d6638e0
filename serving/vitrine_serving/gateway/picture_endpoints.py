"""What can be asked about pictures: what they show, why, and what models are shown of them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from vitrine_client.errors import UnsupportedMediaType
from vitrine_serving.gateway import bodies, picture_answers, queries
from vitrine_serving.gateway.decoder import Decoder, Instances
from vitrine_serving.gateway.explanations import Explainer
from vitrine_serving.gateway.http import Answer, Request
from vitrine_serving.gateway.predictor import Caller, ModelServers, Predictor
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.target import Target

Offload = Callable[..., Awaitable[Any]]

_LARGE_BYTES = 65536  # takes milliseconds to read, which others should not have to wait for
# What curl and others send where they were not told what it is.
_UNTOLD = ("", "application/x-www-form-urlencoded", "text/plain")


class PictureEndpoints:
    """Lives in the running event loop; `offload` calls a function in a thread.

    Each method raises `VitrineError`, as does what it asks.
    """

    def __init__(self, settings: Settings, servers: ModelServers, offload: Offload) -> None:
        self._max_images = settings.max_images
        self._offload = offload
        self._decoder = Decoder(settings.max_pixels)
        self._predictor = Predictor(servers, settings, self._decoder)
        self._explainer = Explainer(servers, settings)

    def images_waiting(self) -> dict[str, int]:
        """Returns how many images wait to be sent, by model; from any thread."""
        waiting = self._predictor.images_waiting()
        waiting.update(self._explainer.images_waiting())  # which adds
        return waiting

    async def predict(self, request: Request, target: Target) -> Answer:
        """Answers what pictures show, and leaves the outcome in the request."""
        top_k = queries.top_k(request.query)
        caller = Caller(request.id, request.traceparent)
        sent = await self._read(request)
        if isinstance(sent, np.ndarray):
            outcome = await self._predictor.predict_instances(
                sent, target, caller, request.deadline
            )
        else:
            outcome = await self._predictor.predict(sent, target, caller, request.deadline)
        request.outcome = outcome
        return picture_answers.predictions(outcome, top_k)

    async def explain(self, request: Request, target: Target) -> Answer:
        """Answers which pixels speak for a class; a picture that cannot be read fails them all."""
        class_id = queries.class_id(request.query)
        instances, decode_s = await self._instances(request)
        caller = Caller(request.id, request.traceparent)
        found = await self._explainer.explain(instances, target, class_id, caller, request.deadline)
        answer: Answer = await self._offload(picture_answers.explanations, found, decode_s)
        return answer

    async def instances(self, request: Request) -> Answer:
        """Answers what models are shown; a picture that cannot be read fails them all."""
        rows, _ = await self._instances(request)
        answer: Answer = await self._offload(picture_answers.instances, rows)
        return answer

    async def _instances(self, request: Request) -> tuple[Instances, float]:
        """Returns uint8 [n, 28, 28], and the seconds that decoding took."""
        if is_json(request):
            raise UnsupportedMediaType(
                "JSON is not read here; send pictures as to `:predict`, or arrays as "
                "application/x-npy. TensorFlow Serving's JSON can ask `:predict` for any signature"
            )
        started = time.monotonic()
        sent = await self._read(request)
        rows = sent if isinstance(sent, np.ndarray) else await self._decoder.decode_all(sent)
        return rows, time.monotonic() - started

    async def _read(self, request: Request) -> Sequence[bytes] | Instances:
        """Returns the pictures in a body, still encoded, or the array that it is."""
        if media_type(request) != "application/x-npy":
            kind = request.headers.get("content-type", "")
            return bodies.read_pictures(kind, request.body, max_images=self._max_images)
        read = partial(bodies.read_npy, request.body, max_images=self._max_images)
        if len(request.body) <= _LARGE_BYTES:
            return read()
        array: Instances = await self._offload(read)
        return array


def media_type(request: Request) -> str:
    """Returns the media type of a body in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Says whether a body is JSON, by its type or, where nobody told, by how it begins."""
    kind = media_type(request)
    return kind == "application/json" or (kind in _UNTOLD and request.body.lstrip()[:1] == b"{")
