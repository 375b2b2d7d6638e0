"""Endpoints of models, drift and metrics: the handlers that choose or join adapters."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.api.pictures import PictureEndpoints, is_json
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.http import problems as errors
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.telemetry.drift import Watch
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.upstream.model_servers import ModelServers


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
        return await self._json_api.answer(request, model, "predict")

    async def classify(self, request: Request, model: ModelRef) -> Answer:
        """Classification of TensorFlow Serving's examples."""
        return await self._json_api.answer(request, model, "classify")

    async def regress(self, request: Request, model: ModelRef) -> Answer:
        """Regression of TensorFlow Serving's examples."""
        return await self._json_api.answer(request, model, "regress")

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
