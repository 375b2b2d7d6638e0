"""What can be asked about pictures: what they show, why, and what models are shown of them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

from vitrine_client.errors import InvalidRequest, UnsupportedMediaType
from vitrine_serving.gateway.api import bodies, picture_answers
from vitrine_serving.gateway.http import queries
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import Target
from vitrine_serving.gateway.inference.batcher import Batched
from vitrine_serving.gateway.inference.decoder import Decoder, Instances, Shown
from vitrine_serving.gateway.inference.explainer import Explainer
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.inference.predictor import Caller, ModelServers, Predictor
from vitrine_serving.gateway.models.versions import Versions
from vitrine_serving.gateway.settings import Settings

Offload = Callable[..., Awaitable[Any]]


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


T = TypeVar("T", bound=_Versioned)
Ask = Callable[[Instances, Target, Caller, float], Awaitable[Batched[T]]]
"""Asks a target about rows, uint8 [n, 28, 28], for a caller and until a deadline."""

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
        self._predictor = Predictor(servers, settings)
        self._explainer = Explainer(servers, settings)
        self._versions = Versions(servers, settings)

    def images_waiting(self) -> dict[str, int]:
        """Returns how many images wait to be sent, by model; from any thread."""
        waiting = self._predictor.images_waiting()
        waiting.update(self._explainer.images_waiting())  # which adds
        return waiting

    async def predict(self, request: Request, target: Target) -> Answer:
        """Answers what pictures show, and leaves the outcome in the request."""
        top_k, box = queries.top_k(request.query), queries.box(request.query)
        sent = await self._read(request, box)
        if isinstance(sent, np.ndarray):
            shown = Shown(sent)
        else:
            self._predictor.check_room(target, len(sent), request.deadline)
            shown = await self._decoder.decode(sent, box)
        outcome = await self._outcome(self._predictor.predict, shown, request, target)
        request.outcome = outcome
        return picture_answers.predictions(outcome, top_k)

    async def explain(self, request: Request, target: Target) -> Answer:
        """Answers which pixels speak for a class; a picture that cannot be read fails them all."""
        ask = partial(self._explainer.explain, class_id=queries.class_id(request.query))
        shown = await self._all_shown(request)
        outcome = await self._outcome(ask, shown, request, target)
        answer: Answer = await self._offload(picture_answers.explanations, outcome)
        return answer

    async def instances(self, request: Request) -> Answer:
        """Answers what models are shown; a picture that cannot be read fails them all."""
        shown = await self._all_shown(request)
        answer: Answer = await self._offload(picture_answers.instances, shown)
        return answer

    async def _outcome(
        self, ask: Ask[T], shown: Shown, request: Request, target: Target
    ) -> Outcome[T]:
        """Asks about what is shown; where all pictures are empty, only who would answer."""
        began = time.monotonic() - shown.decode_s
        caller = Caller(request.id, request.traceparent)
        if len(shown.rows):
            answers, queue_s, rpc_s = await ask(shown.rows, target, caller, request.deadline)
            version = answers[0].version
        else:
            resolved = await self._versions.resolve(target, caller, request.deadline)
            answers, (version,), queue_s, rpc_s = [], *resolved
        results = shown.answered(answers)
        return Outcome(results, target.model, version, shown, queue_s, rpc_s, began)

    async def _all_shown(self, request: Request) -> Shown:
        """Returns what models are shown. Raises `InvalidImage` for a picture that cannot be
        read."""
        if is_json(request):
            raise UnsupportedMediaType(
                "JSON is not read here; send pictures as to `:predict`, or arrays as "
                "application/x-npy. TensorFlow Serving's JSON can ask `:predict` for any signature"
            )
        box = queries.box(request.query)
        sent = await self._read(request, box)
        if isinstance(sent, np.ndarray):
            return Shown(sent)
        return await self._decoder.decode(sent, box, all_or_none=True)

    async def _read(
        self, request: Request, box: Sequence[float] | None
    ) -> Sequence[bytes] | Instances:
        """Returns the pictures in a body, still encoded, or the array that it is; raises
        `InvalidRequest` where a box makes no sense with that."""
        if media_type(request) != "application/x-npy":
            kind = request.headers.get("content-type", "")
            pictures = bodies.read_pictures(kind, request.body, max_images=self._max_images)
            if box and len(pictures) > 1:
                raise InvalidRequest(
                    f"`box` is for one picture, and here are {len(pictures)}; send each in a "
                    "request of its own"
                )
            return pictures
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


def media_type(request: Request) -> str:
    """Returns the media type of a body in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Says whether a body is JSON, by its type or, where nobody told, by how it begins."""
    kind = media_type(request)
    return kind == "application/json" or (kind in _UNTOLD and request.body.lstrip()[:1] == b"{")
