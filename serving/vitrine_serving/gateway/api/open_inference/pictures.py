"""Pictures over the protocol: a BYTES input `image_bytes`, for models whose profile takes pictures.

The gateway decodes them as it does for `:predict`, all or none, and answers the outputs of the
profile's signature. A model that has such an input itself gets the bytes as they are.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import grpc

from vitrine_client.errors import InvalidImage, InvalidRequest, NotFound, Unavailable
from vitrine_client.open_inference.messages import V2Tensor
from vitrine_client.open_inference.specs import SignatureSpec
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_serving.gateway.api.forms import too_many
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.decoder import Decoder, Empty
from vitrine_serving.gateway.inference.picture_profiles import PictureProfiles
from vitrine_serving.gateway.inference.profile_checks import OtherProfile
from vitrine_serving.gateway.inference.requests import (
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
)
from vitrine_serving.gateway.models.reference import ModelRef

IMAGE_BYTES = "image_bytes"


def pictures_in(inputs: Sequence[V2Tensor], signature: SignatureSpec) -> list[bytes] | None:
    """Returns the pictures of a request, None where it has other inputs, or the model takes those
    as they are. Raises `InvalidRequest` where they are no list of them."""
    if len(inputs) != 1 or inputs[0].name != IMAGE_BYTES or IMAGE_BYTES in signature.inputs:
        return None
    tensor = inputs[0]
    shape = tensor.array.shape
    if tensor.datatype != "BYTES" or shape not in ((tensor.array.size,), (tensor.array.size, 1)):
        raise InvalidRequest(
            f"Input {IMAGE_BYTES!r} is BYTES of the shape [n] or [n, 1], a picture each, and "
            f"{tensor.datatype} {list(shape)} came"
        )
    if not tensor.array.size:
        raise InvalidRequest(f"Input {IMAGE_BYTES!r} has no picture; send one or more")
    pictures: list[bytes] = tensor.array.ravel().tolist()
    return pictures


class PictureQuery(NamedTuple):
    """Query of one request, whatever profile its pictures are made by: `outputs` returns the names
    of those that are wanted of a signature, and raises `InvalidRequest`; `signature_name` is "",
    where none is named."""

    pictures: Sequence[bytes]
    signature_name: str
    outputs: Callable[[str], Sequence[str]]
    caller: Caller


class PictureInputs:
    """Pictures as inputs, `max_images` of a request at most; lives in one event loop."""

    def __init__(
        self,
        plane: DataPlane,
        decoder: Decoder,
        profiles: PictureProfiles,
        max_images: int,
    ) -> None:
        self._plane = plane
        self._decoder = decoder
        self._profiles = profiles
        self._max_images = max_images

    async def infer(
        self, asked: PictureQuery, model: ModelRef, deadline: float
    ) -> tuple[InferenceResponse, str, float]:
        """Returns the response to pictures, the signature that made it, and the seconds that
        decoding took.

        Raises `InvalidImage` for the first that cannot be read or shows nothing, `TakesNoPictures`,
        `PayloadTooLarge` for too many, and what the data plane raises. Where the version that
        answers makes its pictures in another way, all is done again.
        """
        count = len(asked.pictures)
        if count > self._max_images:
            raise too_many(f"{count:,}", self._max_images)
        known = self._profiles.recall(model)
        profile = (known or await self._profiles.learn(model, asked.caller, deadline)).profile
        try:
            answered = await self._once(asked, model, profile, deadline)
        except InvalidImage:  # whatever it is made for
            raise
        except OtherProfile:
            return await self._again(asked, model, deadline)
        except InvalidRequest as error:
            if not isinstance(error.__cause__, grpc.aio.AioRpcError):
                raise
            learned = await self._profiles.learn(model, asked.caller, deadline)
            if learned.profile.takes_the_same(profile):
                raise
            return await self._again(asked, model, deadline)
        self._profiles.note(model, profile, answered[0].version)
        return answered

    async def _again(
        self, asked: PictureQuery, model: ModelRef, deadline: float
    ) -> tuple[InferenceResponse, str, float]:
        """Asks the version that would answer now, and no other: servers need not have the same
        newest one."""
        learned = await self._profiles.learn(model, asked.caller, deadline)
        made_for = ModelRef(model.model, learned.version)
        try:
            return await self._once(asked, made_for, learned.profile, deadline)
        except (OtherProfile, NotFound) as error:
            raise Unavailable(f"{model.described} is changing; send it again") from error

    async def _once(
        self, asked: PictureQuery, model: ModelRef, profile: ModelProfile, deadline: float
    ) -> tuple[InferenceResponse, str, float]:
        signature = profile.signature
        if asked.signature_name not in ("", signature):
            raise InvalidRequest(
                f"{model.model} takes pictures by its signature {signature!r}, and "
                f"{asked.signature_name!r} was asked for; leave `signature_name` out"
            )
        # The profile's output is what drift is looked for in, whatever is wanted.
        outputs = tuple(sorted({*asked.outputs(signature), profile.output}))
        call = SignatureCall(model, signature, outputs, profile=profile)
        self._plane.check_room(call, len(asked.pictures), deadline)
        shown = await self._decoder.decode(
            [*asked.pictures], deadline, profile=profile, all_or_none=True
        )
        for place, found in enumerate(shown.found):
            if isinstance(found, Empty):
                raise InvalidImage(f"image {place} shows nothing: {'; '.join(found.warnings)}")
        inputs = {profile.input: shown.rows}
        request = InferenceRequest(call, inputs, asked.caller, deadline)
        return await self._plane.infer(request), signature, shown.decode_s
