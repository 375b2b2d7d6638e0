"""Endpoints of telemetry: drift reports, and metrics for Prometheus."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.http import problems
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import UnknownAddress
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.telemetry.drift import Watch
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_FORWARDED = frozenset(("forwarded", "via", "x-forwarded-for", "x-real-ip"))
"""Headers of proxies. A gateway asks its peers through none; a proxy at a gateway's address does so
for anybody."""


class TelemetryEndpoints:
    """Endpoints of telemetry; `offload` calls a function in a thread.

    Without `watch` nothing is known of drift. Each handler raises `VitrineError`.
    """

    def __init__(
        self,
        servers: ModelServers,
        metrics: Metrics,
        watch: Watch | None,
        offload: Callable[..., Awaitable[Any]],
    ) -> None:
        self._servers = servers
        self._metrics = metrics
        self._watch = watch
        self._offload = offload

    async def drift(self, request: Request, model: ModelRef) -> Answer:
        """Drift of a model's versions, or of one."""
        if not self._watch:
            return problems.problem(
                404,
                f"This gateway does not watch for drift; start it without {PREFIX}DRIFT=0 to have "
                "it do so",
            )
        report = await self._watch.report(
            model.model, model.version, self._servers, timeout_s=request.left_s()
        )
        return Answer(200, orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE))

    async def drift_windows(self, request: Request) -> Answer:
        """Sums of this gateway's windows, for its peers alone: two answers in a row tell others
        what was answered meanwhile."""
        if not self._watch or not self._watch.is_pooled:
            raise UnknownAddress(request.path)
        if _FORWARDED & request.headers.keys() or not self._watch.is_peer(request.client):
            return problems.problem(403, "This is for the gateways of this service alone")
        return Answer(200, self._watch.document())

    async def metrics(self, _: Request) -> Answer:
        """Metrics for Prometheus, made in a thread."""
        if self._watch:
            await self._watch.forget_ended(self._servers)
        body, content_type = await self._offload(self._metrics.render)
        return Answer(200, body, content_type)
