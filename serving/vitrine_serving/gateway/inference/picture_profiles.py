"""Picture profiles: by which profile pictures for a model are made, as its version last told.

A picture is made before anybody knows which version will answer. So the profile of the one that
answered last is taken, or that of our own classifiers, and the version that answers is asked once
whether it is its own (`OtherProfile`).
"""

import time
from typing import NamedTuple

from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_serving.gateway.inference.profile_checks import profile_of
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_REMEMBERED = 1024  # references; the oldest are forgotten


class Known(NamedTuple):
    """Version that answered last, or would answer now, and its profile."""

    profile: ModelProfile
    version: int


class PictureProfiles:
    """Memory of the profiles by model reference; lives in one event loop."""

    def __init__(self, servers: ModelServers, versions: Versions) -> None:
        self._servers = servers
        self._versions = versions
        self._known: dict[ModelRef, Known] = {}

    def recall(self, ref: ModelRef) -> Known | None:
        """Returns what is known of the version that answered last."""
        return self._known.get(ref)

    def note(self, ref: ModelRef, profile: ModelProfile, version: int) -> None:
        """Remembers the profile of a version that has answered."""
        known = self._known.get(ref)
        if known and known.version == version and known.profile is profile:
            return
        self._known.pop(ref, None)
        self._known[ref] = Known(profile, version)
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    async def learn(self, ref: ModelRef, caller: Caller, deadline: float) -> Known:
        """Returns the version that would answer now, and its profile. Raises `TakesNoPictures`, and
        what `Versions.resolve` raises."""
        resolved = await self._versions.resolve(ref, caller, deadline)
        (version,) = resolved.answers
        left_s = max(deadline - time.monotonic(), 0.001)
        described = await self._servers.describe(ref.model, version, timeout_s=left_s)
        profile = profile_of(described, ref)
        self.note(ref, profile, version)
        return Known(profile, version)
