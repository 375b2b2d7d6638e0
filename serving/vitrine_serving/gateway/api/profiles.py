"""Model profile endpoint: the pictures that a version takes and how its answers are read, where
each of that is from, and what is assumed."""

from typing import Any

import orjson

from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import DESCRIBE, LABELS_MEMBER
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.upstream.model_servers import ModelServers

UNSAID = "it does not say what pictures it takes"
"""Reason for which no picture can be sent to a version that gives none itself."""


class ProfileEndpoint:
    """Endpoint of `GET /v1/models/<model>/profile`."""

    def __init__(self, servers: ModelServers, versions: Versions) -> None:
        self._servers = servers
        self._versions = versions

    async def profile(self, request: Request, model: ModelRef) -> Answer:
        """Profile of a version, or the reason for which no picture can be sent to it. Raises
        `VitrineError`, as a prediction does for models and versions that are not there."""
        caller = Caller(request.id, request.traceparent)
        resolved = await self._versions.resolve(model, caller, request.deadline)
        [version] = resolved.answers
        described = await self._servers.describe(model.model, version, timeout_s=request.left_s())
        told = {"model": model.model, "version": str(version)} | _told(described)
        return Answer(200, orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))


def _told(described: Description) -> dict[str, Any]:
    profile = described.profile
    if profile is None:
        return {"profile": None, "reason": described.reason or UNSAID, "assumptions": []}
    members = profile.to_dict()
    sources = {LABELS_MEMBER: DESCRIBE} | members["sources"]
    labels = list(described.labels)
    return {
        "profile": members | {LABELS_MEMBER: labels, "sources": sources},
        "assumptions": profile.assumptions,
    }
