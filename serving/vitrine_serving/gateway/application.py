"""The front: lets in who may, sends answers, tells those who look on; knows ASGI, and no model."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vitrine_client.errors import VitrineError
from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.access.shedding import Shed
from vitrine_serving.gateway.api.endpoints import Endpoints
from vitrine_serving.gateway.http import headers
from vitrine_serving.gateway.http import problems as errors
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.reading import GoneError, discard, read_body, read_head
from vitrine_serving.gateway.http.routes import recognise
from vitrine_serving.gateway.inference.predictor import ModelServers
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import logs
from vitrine_serving.gateway.telemetry.drift import Watch
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.telemetry.observers import Observer, harmless
from vitrine_serving.gateway.telemetry.prediction_log import PredictionLog
from vitrine_serving.gateway.telemetry.tracing import make_tracer

Lines = list[tuple[bytes, bytes]]
MakeServers = Callable[[], ModelServers]

_THREADS = 16
_GONE = Answer(499, b"")
"""What a client that has left is not answered; the status is nginx's for that."""


class Gateway:
    """The ASGI application; `make_servers` is called in the event loop that it then lives in.

    `observers` get to know of each request that was answered, besides metrics and logs.
    """

    def __init__(
        self,
        settings: Settings,
        make_servers: MakeServers,
        guard: Guard,
        metrics: Metrics,
        watch: Watch | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.metrics = metrics
        self._settings = settings
        self._make_servers = make_servers
        self._guard = guard
        self._watch = watch
        self._servers: ModelServers | None = None
        self._endpoints: Endpoints | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "gateway")
        self._tracer = make_tracer(settings)
        self._prediction_log = PredictionLog(settings)
        self._note_metrics = harmless(metrics.note_request)
        self._observers = [harmless(each) for each in (*self._own_observers(), *observers)]
        self._closers = [harmless(each) for each in self._own_closers()]
        self._cors = headers.Cors(settings.cors_origins)
        tls = settings.tls_cert is not None
        self._lines = {
            "application/json": _lines(headers.api(tls=tls)),
            "application/problem+json": _lines(headers.api(tls=tls)),
            "text/html": _lines(headers.page(tls=tls)),
        }
        self._common_lines = _lines(headers.common(tls=tls))

    def _own_observers(self) -> Iterator[Observer]:
        yield self._prediction_log.note
        if self._settings.access_log:
            yield logs.note_request

    def _own_closers(self) -> Iterator[Callable[[], None]]:
        """Returns what is to be closed; the metrics come last, as they count the others."""
        if self._watch:
            yield self._watch.flush
        yield self._prediction_log.close
        if self._tracer:
            yield self._tracer.close
        yield self.metrics.close

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """https://asgi.readthedocs.io/en/stable/specs/main.html"""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close"})

    def close(self) -> None:
        """Writes what is not written yet; blocks for up to 5 s. Again, it does nothing."""
        closers, self._closers = self._closers, []
        for close in closers:
            close()

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._servers:
            await self._servers.close()
        self.close()  # not in a thread: the watch belongs to this one, and nobody is served now
        self._threads.shutdown(wait=False)
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> Endpoints:
        self._servers = self._make_servers()
        asked = self._tracer.around(self._servers) if self._tracer else self._servers
        endpoints = Endpoints(
            self._settings, asked, self._threads, watch=self._watch, metrics=self.metrics
        )
        self._endpoints = endpoints
        self.metrics.follow_waiting(endpoints.images_waiting)
        self.metrics.follow_log(self._prediction_log)
        self.metrics.start()
        return endpoints

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        started = time.monotonic()
        request = read_head(scope)
        logs.in_hand.set(request)
        work = self._finish(request, receive)
        answer = _GONE
        try:
            answer = await (self._tracer.follow(request, work) if self._tracer else work)
        finally:  # also where the server cancels it, as the client has left
            took_s = time.monotonic() - started
            self._note_metrics(request, answer, took_s)
        if answer is not _GONE:
            for observe in self._observers:
                observe(request, answer, took_s)
            await send(self._head(request, answer))
            await send({"type": "http.response.body", "body": answer.body})

    async def _finish(self, request: Request, receive: Any) -> Answer:
        try:
            return await self._answer(request, receive)
        except GoneError:
            return _GONE
        except VitrineError as error:
            return self._refusal(request, error)
        except Exception as error:
            return errors.unexpected(request.method, request.path, error)

    async def _answer(self, request: Request, receive: Any) -> Answer:
        if preflight := self._cors.preflight(request.method, request.headers):
            return preflight
        try:
            admission = self._guard.admit(request.headers, request.client, request.path)
        except VitrineError:
            await discard(request, receive)
            raise
        request.key_name = admission.name
        try:
            request.body = await read_body(request, receive, self._settings, self._threads)
            request.deadline = time.monotonic() + self._settings.request_timeout_s
            answer = await (self._endpoints or self._start()).answer(request)
        except VitrineError as error:
            answer = self._refusal(request, error)
        answer.headers += admission.headers
        return answer

    def _refusal(self, request: Request, error: VitrineError) -> Answer:
        if request.endpoint == "other":  # it did not come to the endpoints, which know
            request.endpoint, request.target = recognise(request.path)
        if isinstance(error, Shed):
            self.metrics.count_shed(error.reason)
        return errors.expected(error)

    def _head(self, request: Request, answer: Answer) -> dict[str, Any]:
        kind = answer.content_type
        lines = [
            (b"server", b"vitrine"),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", request.id.encode("latin-1")),
            *self._lines.get(kind.partition(";")[0], self._common_lines),
            *_lines(answer.headers),
        ]
        if kind:
            lines.append((b"content-type", kind.encode("latin-1")))
        if origin := request.headers.get("origin"):
            lines += _lines(self._cors.headers(origin))
        return {"type": "http.response.start", "status": answer.status, "headers": lines}


def _lines(pairs: list[tuple[str, str]]) -> Lines:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
