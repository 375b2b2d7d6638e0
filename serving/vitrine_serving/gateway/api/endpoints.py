"""Endpoints of models, drift and metrics: the handlers that choose or join adapters."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson

from vitrine_client.errors import InvalidRequest
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.api.pictures import PictureEndpoints, is_json
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.http import problems as errors
from vitrine_serving.gateway.http import queries
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.predictor import Caller, ModelServers
from vitrine_serving.gateway.models.reference import ModelRef

Ask = Callable[..., Awaitable[bytes]]


class Watch(Protocol):
    """Looks for drift; `drift.Watch` is one."""

    async def report(
        self, model: str, version: int | None, servers: ModelServers, *, timeout_s: float
    ) -> dict[str, Any]:
        """Returns JSON about a version, or all of a model's. Raises `VitrineError`."""

    async def forget_ended(self, servers: ModelServers) -> None:
        """Forgets what it knows of versions that are not served any more. Raises nothing."""


class Metrics(Protocol):
    """Counts what happens; `metrics.Metrics` is one."""

    def render(self) -> tuple[bytes, str]:
        """Returns what Prometheus scrapes, and its content type. Blocks."""


class Endpoints:
    """Endpoints of one event loop; `offload` calls a function in a thread.

    Without `watch` nothing is known of drift. Each handler raises `VitrineError`.
    """

    def __init__(
        self,
        servers: ModelServers,
        pictures: PictureEndpoints,
        json_api: JsonApi,
        offload: Callable[..., Awaitable[Any]],
        metrics: Metrics,
        watch: Watch | None = None,
    ) -> None:
        self._servers = servers
        self._pictures = pictures
        self._json_api = json_api
        self._offload = offload
        self._metrics = metrics
        self._watch = watch

    async def predict(self, request: Request, model: ModelRef) -> Answer:
        """Prediction, of pictures or of TensorFlow Serving's JSON."""
        if not is_json(request):
            return await self._pictures.predict(request, model)
        if queries.box(request.query):
            raise InvalidRequest(
                "`box` is for a picture; leave it out for JSON, or send the picture as it is"
            )
        return await self._json(self._json_api.predict, request, model)

    async def classify(self, request: Request, model: ModelRef) -> Answer:
        """Classification of TensorFlow Serving's examples."""
        return await self._json(self._json_api.classify, request, model)

    async def regress(self, request: Request, model: ModelRef) -> Answer:
        """Regression of TensorFlow Serving's examples."""
        return await self._json(self._json_api.regress, request, model)

    async def status(self, request: Request, model: ModelRef) -> Answer:
        """States of versions."""
        return Answer(200, await self._json_api.status(model, timeout_s=request.left_s()))

    async def metadata(self, request: Request, model: ModelRef) -> Answer:
        """Signatures of a version."""
        return Answer(200, await self._json_api.metadata(model, timeout_s=request.left_s()))

    async def drift(self, request: Request, model: ModelRef) -> Answer:
        """Drift of a model's versions, or of one."""
        if not self._watch:
            return errors.problem(
                404,
                f"This gateway does not watch for drift; start it without {PREFIX}DRIFT=0 to have "
                "it do so",
            )
        report = await self._watch.report(
            model.model, model.version, self._servers, timeout_s=request.left_s()
        )
        return Answer(200, orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE))

    async def metrics(self, _: Request) -> Answer:
        """Metrics for Prometheus, made in a thread."""
        if self._watch:
            await self._watch.forget_ended(self._servers)
        body, content_type = await self._offload(self._metrics.render)
        return Answer(200, body, content_type)

    async def _json(self, ask: Ask, request: Request, model: ModelRef) -> Answer:
        metadata = Caller(request.id, request.traceparent).metadata()
        left_s = request.left_s()
        return Answer(200, await ask(model, request.body, timeout_s=left_s, metadata=metadata))
