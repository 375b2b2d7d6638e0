"""Application: routes, admits, answers and observes requests; knows no socket and no model.

No stack of middleware: the order of these steps is `Gateway`'s own.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from vitrine_client.errors import VitrineError
from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.api import json_jobs
from vitrine_serving.gateway.api.feedback import FeedbackEndpoint
from vitrine_serving.gateway.api.models import ModelList
from vitrine_serving.gateway.api.open_inference import bodies as v2_bodies
from vitrine_serving.gateway.api.open_inference.factory import make_open_inference
from vitrine_serving.gateway.api.open_inference.grpc_methods import GrpcMethods
from vitrine_serving.gateway.api.open_inference.http_endpoints import OpenInferenceEndpoints
from vitrine_serving.gateway.api.open_inference.service import V2Service
from vitrine_serving.gateway.api.openapi.document import document
from vitrine_serving.gateway.api.pictures import Offload, PictureEndpoints, is_json
from vitrine_serving.gateway.api.probes import Probes
from vitrine_serving.gateway.api.profiles import ProfileEndpoint
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.console import wsgi
from vitrine_serving.gateway.console.pages import make_pages
from vitrine_serving.gateway.http import problems
from vitrine_serving.gateway.http.answer_heads import AnswerHeads
from vitrine_serving.gateway.http.headers import Cors
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.reading import Body
from vitrine_serving.gateway.http.routes import GrpcMethod, Handler, Route, RoutedRequest
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding import finding
from vitrine_serving.gateway.inference.decoding.decoder import Decoder
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ProcessRunner, ThreadRunner
from vitrine_serving.gateway.inference.picture_profiles import PictureProfiles
from vitrine_serving.gateway.inference.pixels import PixelWatch, of_chosen
from vitrine_serving.gateway.inference.threads import in_thread
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.describer import ModelDescriber
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.server.draining import Draining
from vitrine_serving.gateway.server.peers import Peers
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_state import SharedState
from vitrine_serving.gateway.shedding import Shed
from vitrine_serving.gateway.telemetry import logs
from vitrine_serving.gateway.telemetry.drift import RowSample, Watch
from vitrine_serving.gateway.telemetry.endpoints import TelemetryEndpoints
from vitrine_serving.gateway.telemetry.feedback import FeedbackLog
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.telemetry.observers import Observer, harmless
from vitrine_serving.gateway.telemetry.prediction_log import PredictionLog
from vitrine_serving.gateway.telemetry.tracing import make_tracer
from vitrine_serving.gateway.upstream.model_servers import ModelServers

MakeServers = Callable[[], ModelServers]
Work = Callable[[], Awaitable[Answer]]
"""Answers a request, or raises `VitrineError`."""

TASKS = {finding.TASK: finding.find, **json_jobs.TASKS, **v2_bodies.TASKS}
"""What decoding processes do."""

_THREADS = 16

_GONE = Answer(499, b"")
"""What a client that has left is not answered; the status is nginx's for that."""


class Gateway:
    """The application; `make_servers` is called in the event loop that it then lives in.

    `heads` are those of its answers, and `budget` is for the bodies of all its requests.
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
        draining: Draining | None = None,
        decoding: DecodingQueue | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.metrics = metrics
        self._peers = peers or Peers()
        self._decoding = decoding or DecodingQueue(ThreadRunner(TASKS))
        self._settings = settings
        self._make_servers = make_servers
        self._guard = guard
        self._watch = watch
        self._servers: ModelServers | None = None
        self._handlers: Mapping[str, Handler] = {}
        self.open_inference: V2Service | None = None  # once it has started
        self.grpc_methods: Mapping[str, GrpcMethod] = {}
        self._draining = draining or Draining()
        self._is_ending = False
        self._threads = ThreadPoolExecutor(_THREADS, "gateway")
        tls = settings.tls.scheme == "https"
        self._limits = settings.requests
        self.budget = settings.requests.budget()
        self._tracer = make_tracer(settings.logs.traces_url, scheme=settings.tls.scheme)
        self._prediction_log = PredictionLog(settings.prediction_log)
        self._feedback_log = FeedbackLog(settings.feedback)
        self._note_metrics = harmless(metrics.note_request)
        self._observers = [harmless(each) for each in (*self._own_observers(), *observers)]
        self._closers = [harmless(each) for each in self._own_closers()]
        self._cors = Cors(settings.access.cors_origins)
        self.heads = AnswerHeads(self._cors, tls=tls)

    def _own_observers(self) -> Iterator[Observer]:
        yield self._prediction_log.note
        if self._settings.logs.access_log:
            yield logs.note_request

    def _own_closers(self) -> Iterator[Callable[[], None]]:
        """Returns what is to be closed; the metrics come last, as they count the others."""
        if self._watch:
            yield self._watch.stop
            yield self._watch.flush
        yield self._prediction_log.close
        yield self._feedback_log.close
        if self._tracer:
            yield self._tracer.close
        yield self.metrics.close

    def begin_draining(self) -> None:
        """Makes the gateway not ready from here on: it answers, and is about to end."""
        self._is_ending = True

    def close(self) -> None:
        """Writes what is not written yet; blocks for up to 7 s. Again, it does nothing."""
        closers, self._closers = self._closers, []
        for close in closers:
            close()

    async def stop(self) -> None:
        """Ends what `start` began, and writes what is not written yet."""
        self.begin_draining()
        self._peers.stop()
        if self._servers:
            await self._servers.close()
        self.close()  # not in a thread: the watch belongs to this one, and nobody is served now
        self._threads.shutdown(wait=False)

    def start(self) -> None:
        """Begins to live in the running event loop."""
        self._servers = self._make_servers()
        settings, servers = self._settings, self._servers
        offload = partial(in_thread, self._threads)
        choose, answered = RowSample().choose, harmless(self._watch.note) if self._watch else None
        pixels = answered and PixelWatch(servers, answered, settings.pictures.max_images, choose)
        if pixels:
            self._closers.insert(0, harmless(pixels.flush))  # before the watch that it tells
        plane = DataPlane(
            servers,
            settings.batching,
            settings.shedding,
            measured=harmless(self.metrics.note_call),
            answered=answered and of_chosen(answered, choose),
            pixels=pixels,
            trace=self._tracer.rpc if self._tracer else None,
            offload=offload,
        )
        self.open_inference = make_open_inference(
            settings,
            servers,
            plane,
            self._decoding,
            offload,
            self.metrics,
            is_draining=self.is_draining,
        )
        self.grpc_methods = GrpcMethods(self.open_inference, offload).by_path
        self._handlers = make_handlers(
            settings,
            servers,
            plane,
            self._decoding,
            offload,
            is_draining=self.is_draining,
            metrics=self.metrics,
            watch=self._watch,
            feedback_log=self._feedback_log,
            open_inference=self.open_inference,
        )
        self._peers.start(lambda: self._guard.share(self._peers.count))
        self.metrics.follow_peers(lambda: self._peers.count)
        if self._watch:
            self._watch.start(lambda: self._peers.addresses, servers)
        self.metrics.follow_waiting(plane.rows_waiting)
        self.metrics.follow_decoding(self._decoding)
        self.metrics.follow_log(self._prediction_log)
        self.metrics.start()

    def is_draining(self) -> bool:
        """Says whether the gateway is about to end."""
        return self._is_ending or self._draining.has_begun

    async def answer(self, request: Request, body: Body) -> Answer:
        """Returns the answer to a request, once it was noted; cancelled, as its client has left, it
        is noted, too."""
        return await self._observed(request, partial(self._answer, request, body))

    async def call(self, request: Request, route: Route, work: Work) -> Answer:
        """Returns the answer to a call that came by gRPC, which is admitted by its route, and noted
        as each request is. `work` may begin with reading what is asked."""
        request.endpoint, request.route = route.endpoint, route.pattern
        return await self._observed(request, partial(self._guarded, request, route, work))

    async def _observed(self, request: Request, answer_it: Work) -> Answer:
        started = time.monotonic()
        logs.in_hand.set(request)
        work = self._finish(request, answer_it)
        answer = _GONE
        try:
            answer = await (self._tracer.follow(request, work) if self._tracer else work)
        finally:
            took_s = time.monotonic() - started
            self._note_metrics(request, answer, took_s)
        for observe in self._observers:
            observe(request, answer, took_s)
        return answer

    async def _finish(self, request: Request, answer_it: Work) -> Answer:
        try:
            return await answer_it()
        except VitrineError as error:
            return self._refusal(error, request)
        except Exception as error:
            return problems.unexpected(request.method, request.path, error)

    async def _answer(self, request: Request, body: Body) -> Answer:
        if preflight := self._cors.preflight(request.method, request.headers):
            return preflight
        routed = RoutedRequest(request)
        return await self._guarded(
            request, routed.route, partial(self._admitted, request, routed, body)
        )

    async def _guarded(self, request: Request, route: Route, work: Work) -> Answer:
        admission = self._guard.admit(request.headers, request.client, route)
        request.key_name = admission.name
        try:
            answer = await work()
        except VitrineError as error:
            answer = self._refusal(error, request)
        answer.headers += admission.headers
        return answer

    async def _admitted(self, request: Request, routed: RoutedRequest, body: Body) -> Answer:
        limits = self._limits
        routed.check()
        if routed.route.max_body_bytes:
            limit = limits.of_body(routed.route, request.headers)
            request.body = await body.read(limit, limits.body_timeout_s, self._threads)
        request.deadline = time.monotonic() + limits.request_timeout_s
        if not self._handlers:
            self.start()
        return await routed.answer(self._handlers)

    def _refusal(self, error: VitrineError, request: Request) -> Answer:
        if isinstance(error, Shed):
            self.metrics.count_shed(error.reason)
        return problems.expected(error, request.path)


def make_handlers(
    settings: Settings,
    servers: ModelServers,
    plane: DataPlane,
    decoding: DecodingQueue,
    offload: Offload,
    *,
    is_draining: Callable[[], bool],
    metrics: Metrics,
    watch: Watch | None,
    feedback_log: FeedbackLog,
    open_inference: V2Service,
) -> Mapping[str, Handler]:
    """Returns the handlers of the route table, by endpoint, for the running event loop."""
    versions = Versions(plane, settings.batching, settings.shedding)
    limits = settings.pictures
    decoder = Decoder(limits.max_pixels, decoding)
    profiles = PictureProfiles(servers, versions)
    pictures = PictureEndpoints(limits.max_images, decoder, plane, versions, profiles, offload)
    json_api = JsonApi(
        plane,
        offload=offload,
        decoding=decoding,
        max_values=settings.requests.max_json_values,
        max_pixels=limits.max_pixels,
    )
    telemetry = TelemetryEndpoints(servers, metrics, watch, offload)
    feedback = FeedbackEndpoint(feedback_log, servers, versions, limits.max_images, metrics)
    probes = Probes(ModelList(servers, settings.listed), is_draining)
    console = _make_console(settings, offload)
    reader = v2_bodies.BodyReader(
        offload=offload,
        decoding=decoding,
        max_values=settings.requests.max_json_values,
        max_json_bytes=settings.requests.max_json_bytes,
    )

    def predict(request: Request, model: ModelRef) -> Awaitable[Answer]:
        if is_json(request):
            return json_api.answer(request, model, "predict")
        return pictures.predict(request, model)

    return {
        **dict.fromkeys(("page", "docs", "openapi", "static"), console),
        "healthz": probes.live,
        "readyz": probes.ready,
        "models": probes.models,
        "metrics": telemetry.metrics,
        "instances": pictures.instances,
        "shown": pictures.instances,
        "predict": predict,
        "classify": partial(json_api.answer, verb="classify"),
        "regress": partial(json_api.answer, verb="regress"),
        "explain": pictures.explain,
        "status": partial(json_api.about, question=json_api.status),
        "metadata": partial(json_api.about, question=json_api.metadata),
        "profile": ProfileEndpoint(servers, versions).profile,
        "feedback": feedback.feedback,
        "drift": telemetry.drift,
        "drift_windows": telemetry.drift_windows,
        **OpenInferenceEndpoints(open_inference, reader, offload).handlers,
    }


def _make_console(settings: Settings, offload: Offload) -> Handler:
    scheme = settings.tls.scheme
    pages = make_pages(
        document(settings.listed.models),
        max_body_bytes=settings.requests.max_body_bytes,
        feedback=settings.feedback.feedback_log is not None,
        tls=scheme == "https",
    )

    async def console(request: Request) -> Answer:
        answer: Answer = await offload(wsgi.call, pages, request, scheme)
        return answer

    return console


def create_app(
    settings: Settings | None = None,
    servers: ModelServers | None = None,
    shared: SharedState | None = None,
) -> Gateway:
    """Returns the application.

    `settings` come from the environment; all else is what they say, unless given. `shared` is made
    before a fork, so that processes count together.
    """
    settings = settings or Settings()
    shared = shared or SharedState(settings, TASKS)
    watch = Watch(shared.windows, shared.drift_pool) if shared.windows else None
    metrics = Metrics(settings.listed.models, watch, shared.series, shared.slots.current)

    def make_servers() -> ModelServers:
        if servers:
            return servers
        made = ModelServers(
            settings.upstream.model_server,
            credentials=shared.tls.model_servers(),
            server_name=settings.upstream.model_server_name,
            found=shared.found,
            retrying=settings.retries,
            breaker=settings.breaker,
            ejection=settings.ejection,
            zone=settings.upstream.zone,
            fair_timeout_s=settings.requests.fair_call_s,
            describer=ModelDescriber(settings.upstream.models_dir),
        )
        metrics.follow_servers(made)
        return made

    processes = shared.decoding
    runner = ProcessRunner(processes) if processes.count else ThreadRunner(TASKS)
    decoding = DecodingQueue(runner, shared.decoding_load, shared.slots.current)
    return Gateway(
        settings,
        make_servers,
        shared.guard,
        metrics,
        watch,
        draining=shared.draining,
        decoding=decoding,
        peers=shared.peers,
    )
