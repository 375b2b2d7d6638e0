"""Profile checks: whether a version takes pictures, and those that were made for it."""

from vitrine_client.errors import TakesNoPictures
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_serving.gateway.inference.requests import SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef


class OtherProfile(Exception):
    """Version that has answered, and whose pictures are made in another way."""


def profile_of(described: Description, model: ModelRef) -> ModelProfile:
    """Returns the profile of a version. Raises `TakesNoPictures` where it has none."""
    if described.profile:
        return described.profile
    raise TakesNoPictures(
        f"{model.described} takes no pictures: {described.reason}. Send it JSON, or tell how to "
        "make its pictures in assets.extra/profile.json beside it: docs/your-own-model.md"
    )


def check_profile(call: SignatureCall, described: Description) -> None:
    """Raises `OtherProfile` where a version's pictures are made otherwise than those of a call, and
    `TakesNoPictures`."""
    if not profile_of(described, call.model).takes_the_same(call.profile):
        raise OtherProfile
