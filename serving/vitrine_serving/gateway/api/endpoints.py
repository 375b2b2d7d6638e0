"""Which request is answered by what: models here, in the event loop; all else by Flask."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar, TypeVarTuple

import orjson

from vitrine_client.errors import InvalidRequest, MethodNotAllowed
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.api.models import ModelList
from vitrine_serving.gateway.api.pictures import PictureEndpoints, is_json
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.console import wsgi
from vitrine_serving.gateway.console.pages import make_pages
from vitrine_serving.gateway.http import problems as errors
from vitrine_serving.gateway.http import queries
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import Target, parse, recognise
from vitrine_serving.gateway.inference.predictor import Caller, ModelServers
from vitrine_serving.gateway.settings import Settings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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
    """Lives in the running event loop; `threads` is where what takes long is done.

    Without `watch` or `metrics` there is nothing at their addresses.
    """

    def __init__(
        self,
        settings: Settings,
        servers: ModelServers,
        threads: Executor,
        watch: Watch | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._servers = servers
        self._threads = threads
        self._watch = watch
        self._metrics = metrics
        self._pictures = PictureEndpoints(settings, servers, self._in_thread)
        self._json_api = JsonApi(servers, offload=self._in_thread)
        self._pages = make_pages(
            ModelList(servers, settings),
            settings.models,
            lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(),
            max_body_bytes=settings.max_body_bytes,
            tls=settings.tls_cert is not None,
        )

    def images_waiting(self) -> dict[str, int]:
        """Returns how many images wait to be sent, by model; from any thread."""
        return self._pictures.images_waiting()

    async def answer(self, request: Request) -> Answer:
        """Returns the answer. Raises `VitrineError`."""
        request.endpoint, request.target = recognise(request.path)
        if request.target:
            return await self._about_model(request, request.target, request.endpoint)
        parse(request.path)  # raises for a version that none can have
        if request.endpoint == "instances":
            _check_method(request, "POST")
            return await self._pictures.instances(request)
        if request.endpoint == "metrics" and self._metrics:
            _check_method(request, "GET", "HEAD")
            return await self._scrape(self._metrics)
        return await self._in_thread(wsgi.call, self._pages, request)

    async def _scrape(self, metrics: Metrics) -> Answer:
        if self._watch:
            await self._watch.forget_ended(self._servers)
        body, content_type = await self._in_thread(metrics.render)
        return Answer(200, body, content_type)

    async def _in_thread(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # what is logged there is about this request, too
        return await loop.run_in_executor(self._threads, context.run, function, *arguments)

    async def _about_model(self, request: Request, target: Target, asked: str) -> Answer:
        if asked in ("status", "metadata", "drift"):
            _check_method(request, "GET", "HEAD")
            if asked == "drift":
                return await self._drift(request, target)
            ask = getattr(self._json_api, asked)
            return Answer(200, await ask(target, timeout_s=request.left_s()))
        _check_method(request, "POST")
        if asked == "explain":
            return await self._pictures.explain(request, target)
        if asked == "predict" and not is_json(request):
            return await self._pictures.predict(request, target)
        return await self._tensorflow_json(request, target, asked)

    async def _tensorflow_json(self, request: Request, target: Target, verb: str) -> Answer:
        if verb == "predict" and queries.box(request.query):
            raise InvalidRequest(
                "`box` is for a picture; leave it out for JSON, or send the picture as it is"
            )
        ask = getattr(self._json_api, verb)
        metadata = Caller(request.id, request.traceparent).metadata()
        body = await ask(target, request.body, timeout_s=request.left_s(), metadata=metadata)
        return Answer(200, body)

    async def _drift(self, request: Request, target: Target) -> Answer:
        if not self._watch:
            return errors.problem(
                404,
                f"This gateway does not watch for drift; start it without {PREFIX}DRIFT=0 to have "
                "it do so",
            )
        report = await self._watch.report(
            target.model, target.version, self._servers, timeout_s=request.left_s()
        )
        return Answer(200, orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE))


def _check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise MethodNotAllowed(
            f"{request.path} does not take {request.method}; use {allowed[0]}",
            headers=(("Allow", ", ".join(allowed)),),
        )
