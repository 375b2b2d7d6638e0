"""Pictures API: adapter from pictures and arrays to the data plane, and back."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import grpc

from vitrine_client.errors import (
    InvalidImage,
    InvalidRequest,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
)
from vitrine_client.images import SIDE
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.api import bodies, picture_answers
from vitrine_serving.gateway.api.explanations import explain
from vitrine_serving.gateway.http import queries
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.reading import UNSPECIFIED_TYPES
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.decoder import (
    MOST_LEVELS,
    Decoder,
    Instances,
    Shown,
)
from vitrine_serving.gateway.inference.outcomes import Classified, Outcome
from vitrine_serving.gateway.inference.picture_profiles import PictureProfiles
from vitrine_serving.gateway.inference.profile_checks import OtherProfile
from vitrine_serving.gateway.inference.requests import (
    PROBABILITIES,
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
)
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.reference import ModelRef

Offload = Callable[..., Awaitable[Any]]

Show = Callable[[ModelProfile], Awaitable[Shown]]
"""Makes the pictures of a request as a profile has them."""

Infer = Callable[[Shown, ModelRef, Caller, float], Awaitable[InferenceResponse]]
"""Asks a model about the rows that it is shown, for a caller and until a deadline; `decoded` has an
answer for each of them."""

_KEPT_BYTES = 2**20
"""Of a body: what has more is let go of while it is decoded, as memory is short."""

_MOST_TOLD = 2**22
"""Numbers of instances that are answered: as JSON, of 8 bytes and more each."""

_NPY = "application/x-npy"
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
        profiles: PictureProfiles,
        offload: Offload,
    ) -> None:
        self._max_images = max_images
        self._offload = offload
        self._decoder = decoder
        self._plane = plane
        self._versions = versions
        self._profiles = profiles

    async def predict(self, request: Request, target: ModelRef) -> Answer:
        """Answers what pictures show, and leaves the outcome in the request."""
        top_k, box = queries.top_k(request.query), queries.box(request.query)
        show = partial(self._shown, request, target, box)
        outcome = await self._by_profile(show, self._predict, request, target)
        request.outcome = outcome
        return picture_answers.predictions(outcome, top_k)

    async def explain(self, request: Request, target: ModelRef) -> Answer:
        """Answers which pixels speak for a class; a picture that cannot be read fails them all."""
        show = partial(self._all_shown, request)
        infer = partial(explain, self._plane, class_id=queries.class_id(request.query))
        outcome = await self._by_profile(show, infer, request, target)
        request.outcome = outcome
        answer: Answer = await self._offload(picture_answers.explanations, outcome)
        return answer

    async def instances(self, request: Request, target: ModelRef | None = None) -> Answer:
        """Answers what a model is shown, or our own classifiers; a picture that cannot be read
        fails them all."""
        profile = FASHION_MNIST
        if target:
            caller = Caller(request.id, request.traceparent)
            profile = (await self._profiles.learn(target, caller, request.deadline)).profile
        shown = await self._all_shown(request, profile, _MOST_TOLD)
        answer: Answer = await self._offload(picture_answers.instances, shown)
        return answer

    async def _by_profile(
        self, show: Show, infer: Infer, request: Request, target: ModelRef
    ) -> Outcome[Any]:
        """Asks about what is shown by the profile of the version that answers. That is known to be
        the one that answered last, or else supposed to be that of our own classifiers; where it is
        another, or that is refused, all is done again for the version that would answer now."""
        known = self._profiles.recall(target)
        profile = known.profile if known else FASHION_MNIST
        kept = request.body if known is None or len(request.body) <= _KEPT_BYTES else None
        outcome: Outcome[Any] | Exception
        try:
            shown = await show(profile)
            outcome = await self._outcome(infer, shown, request, target)
            if known and known.version == outcome.version:
                return outcome  # as nearly always
            if len(shown.rows):  # or nobody was asked, as all pictures are empty to our classifiers
                self._profiles.note(target, profile, outcome.version)
                return outcome
        except OtherProfile as error:
            outcome = error
        except InvalidImage:  # whatever it is made for
            raise
        except InvalidRequest as error:
            if known and not isinstance(error.__cause__, grpc.aio.AioRpcError):
                raise
            outcome = error
        caller = Caller(request.id, request.traceparent)
        learned = await self._profiles.learn(target, caller, request.deadline)
        if learned.profile.takes_the_same(profile) and not isinstance(outcome, OtherProfile):
            if not isinstance(outcome, Exception):
                return outcome
            if not kept or not _may_be_of_another(outcome, target):
                raise outcome
        request.body = _given_back(kept, target)
        return await self._again(show(learned.profile), infer, request, target, learned.version)

    async def _again(
        self,
        shown: Awaitable[Shown],
        infer: Infer,
        request: Request,
        target: ModelRef,
        version: int,
    ) -> Outcome[Any]:
        """Asks the version that the pictures are made for, and no other: servers need not have the
        same newest one."""
        made_for = ModelRef(target.model, version)
        try:
            return await self._outcome(infer, await shown, request, made_for)
        except (OtherProfile, NotFound) as error:
            raise Unavailable(f"{target.described} is changing; send it again") from error

    async def _outcome(
        self, infer: Infer, shown: Shown, request: Request, target: ModelRef
    ) -> Outcome[Any]:
        """Asks about what is shown; where all pictures are empty, only who would answer."""
        began = time.monotonic() - shown.decode_s
        caller = Caller(request.id, request.traceparent)
        if len(shown.rows):
            response = await infer(shown, target, caller, request.deadline)
            answers, version = response.decoded, response.version
            queue_s, rpc_s = response.queue_s, response.call_s
        else:
            resolved = await self._versions.resolve(target, caller, request.deadline)
            answers, (version,), queue_s, rpc_s = [], *resolved
        results = shown.answered(answers)
        return Outcome(results, target.model, version, shown, queue_s, rpc_s, began, shown.decode_s)

    def _predict(
        self, shown: Shown, model: ModelRef, caller: Caller, deadline: float
    ) -> Awaitable[InferenceResponse]:
        call = _predict_call(model, shown.profile)
        inputs = {shown.profile.input: shown.rows}
        return self._plane.infer(InferenceRequest(call, inputs, caller, deadline))

    def _shown(
        self,
        request: Request,
        target: ModelRef,
        box: Sequence[float] | None,
        profile: ModelProfile,
    ) -> Awaitable[Shown]:
        """Returns what a model is shown, without the pictures that cannot be read. Raises
        `Unavailable` where there is no room for so many."""
        if media_type(request) == _NPY:
            return self._array(request, box, profile)
        sent = self._pictures(request, box)
        self._plane.check_room(_predict_call(target, profile), len(sent), request.deadline)
        return self._decoder.decode(sent, request.deadline, box, profile)

    async def _all_shown(
        self, request: Request, profile: ModelProfile, most_levels: int = MOST_LEVELS
    ) -> Shown:
        """Returns what models are shown. Raises `InvalidImage` for a picture that cannot be
        read."""
        if is_json(request):
            raise UnsupportedMediaType(
                "JSON is not read here; send pictures as to `:predict`, or arrays as "
                "application/x-npy. TensorFlow Serving's JSON can ask `:predict` for any signature"
            )
        box = queries.box(request.query)
        if media_type(request) == _NPY:
            return await self._array(request, box, profile)
        sent = self._pictures(request, box)
        decode = partial(self._decoder.decode, all_or_none=True, most_levels=most_levels)
        return await decode(sent, request.deadline, box, profile)

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

    async def _array(
        self, request: Request, box: Sequence[float] | None, profile: ModelProfile
    ) -> Shown:
        """Returns the rows of the array that a body is. Raises `InvalidRequest` where there is a
        box, and for a model of other pictures than arrays are."""
        if box:
            raise InvalidRequest(
                "`box` is for a picture; leave it out for an array, which is shown to models as it "
                "is"
            )
        if profile.dtype == "string":
            raise InvalidRequest(
                "This model decodes pictures itself, and so takes no arrays; send it pictures"
            )
        read = partial(bodies.read_npy, request.body, max_images=self._max_images)
        is_large = len(request.body) > _LARGE_BYTES
        array: Instances = await self._offload(read) if is_large else read()
        if profile is FASHION_MNIST:
            return Shown(array)
        if profile.shape not in (array.shape[1:], (*array.shape[1:], 1)):
            raise InvalidRequest(
                f"Arrays are [n, {SIDE}, {SIDE}] here, and this model takes pictures of the shape "
                f"{list(profile.shape)}; send it pictures, or TensorFlow Serving's JSON"
            )
        rows = array.reshape(len(array), *array.shape[1:], *profile.shape[2:])
        return Shown(rows, profile=profile)


@lru_cache(1024)
def _predict_call(model: ModelRef, profile: ModelProfile) -> SignatureCall:
    return SignatureCall(
        model, profile.signature, (profile.output,), decode=_predictions, profile=profile
    )


def _given_back(body: bytes | None, target: ModelRef) -> bytes:
    """Returns a body that was kept. Raises `Unavailable` where it was too large for that."""
    if body is None:
        raise Unavailable(
            f"{target.described} has just become another, which is shown pictures in another way; "
            "send them again"
        )
    return body


def _may_be_of_another(refused: Exception, target: ModelRef) -> bool:
    """Says whether a model server has refused pictures that another version may have been asked
    about."""
    return target.version is None and isinstance(refused.__cause__, grpc.aio.AioRpcError)


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
