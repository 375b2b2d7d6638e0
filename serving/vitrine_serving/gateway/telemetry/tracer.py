"""OpenTelemetry spans: of each request, of its stages, and of each call to a model server.

How many requests are traced, and what the service is called, is told by OpenTelemetry's own
variables (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, ...). Names of attributes are those of
https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and those beside it, and ours.
"""

import logging
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from vitrine_client.errors import VitrineError
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.faults import fault_of
from vitrine_serving.gateway.telemetry import logs
from vitrine_serving.gateway.telemetry.observers import harmless
from vitrine_serving.gateway.upstream.connection import Metadata

log = logging.getLogger(__name__)

_EXPORT_S = 5.0
_SAY_AGAIN_S = 60.0

CLOSE_S = 3.0
"""Seconds that an end waits for spans that are not sent yet."""

_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"))

_w3c = TraceContextTextMapPropagator()


class Tracer:
    """Tracer of the requests of one process; its thread sends spans, a batch at a time, to `url`.

    Where they cannot be sent they are dropped: nobody waits for that, and the log says it once a
    minute at most.
    """

    def __init__(self, url: str, *, scheme: str = "http") -> None:
        bare = urlsplit(url).path in ("", "/")
        endpoint = f"{url.rstrip('/')}/v1/traces" if bare else url
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_S)
        resource = Resource.create({"service.name": "vitrine-gateway"})
        self._provider = TracerProvider(
            resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("vitrine_serving.gateway")
        self._scheme = scheme
        self._tell = harmless(self._describe)
        _speak_seldom()

    def close(self) -> None:
        """Sends what is left; blocks for three seconds at most."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    async def follow(self, request: Request, work: Awaitable[Answer]) -> Answer:
        """Returns what `work` does, and has a span of it; `request.traceparent` is that from now
        on, so that all else belongs below it."""
        span = self._tracer.start_span(
            request.method,
            context=_context(request.traceparent, request.headers.get("tracestate", "")),
            kind=SpanKind.SERVER,
        )
        request.traceparent = _traceparent(span)
        answer = None
        try:
            answer = await work
        finally:
            if span.is_recording():
                self._tell(span, request, answer)
            span.end()
        return answer

    @contextmanager
    def rpc(
        self, method: str, metadata: Metadata, attributes: dict[str, Any]
    ) -> Iterator[Metadata]:
        """A span of a call, below the span of the request that `metadata` names; yields the
        metadata to send. Of several requests one is the parent, and others are linked."""
        traces = [value for name, value in metadata if name == "traceparent"]
        if not traces:
            yield metadata
            return
        parent, *others = map(_context, sorted(traces, key=_is_left_out))
        span = self._tracer.start_span(
            method,
            context=parent,
            kind=SpanKind.CLIENT,
            attributes={"rpc.system.name": "grpc", "rpc.method": method, **attributes},
            links=[Link(get_current_span(other).get_span_context()) for other in others],
        )
        rest = [(name, value) for name, value in metadata if name != "traceparent"]
        try:
            yield [*rest, ("traceparent", _traceparent(span))]
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            if isinstance(error, VitrineError):
                span.set_attribute("vitrine.fault", fault_of(error))
            span.set_status(StatusCode.ERROR, str(error))
            raise
        finally:
            span.end()

    def _describe(self, span: Span, request: Request, answer: Answer | None) -> None:
        method = request.method if request.method in _METHODS else "_OTHER"
        span.update_name(f"{method} {request.route}" if request.route else method)
        target, outcome = request.target, request.outcome
        attributes = {
            "http.request.method": method,
            "http.route": request.route,
            "http.response.status_code": answer.status if answer else None,
            "url.scheme": self._scheme,
            "url.path": request.path,
            "client.address": request.client,
            "user_agent.original": request.headers.get("user-agent"),
            "vitrine.request_id": request.id,
            "vitrine.key": request.key_name,
            "vitrine.model": target.model if target else None,
            "vitrine.version": logs.answered_by(request) or (target.version if target else None),
            "vitrine.label": target.label if target else None,
            "vitrine.images": len(outcome.results) if outcome and outcome.shown else None,
        }
        if answer and answer.status >= 500:
            attributes["error.type"] = str(answer.status)
            span.set_status(StatusCode.ERROR)
        span.set_attributes({n: each for n, each in attributes.items() if each not in ("", None)})
        self._add_stages(span, request)

    def _add_stages(self, span: Span, request: Request) -> None:
        """Of decoding and of waiting; calls, which several requests may share, have their own."""
        outcome = request.outcome
        if not outcome:
            return
        began_ns = time.time_ns() - int(1e9 * (time.monotonic() - outcome.began))
        context = set_span_in_context(span, Context())
        stages = [("decode", outcome.decode_s), ("queue", outcome.queue_s)]
        for name, duration_s in stages if outcome.shown else stages[:1]:
            stage = self._tracer.start_span(name, context=context, start_time=began_ns)
            began_ns += int(1e9 * duration_s)
            stage.end(began_ns)


class _Seldom(logging.Handler):
    """Passes on one record a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said_at = -_SAY_AGAIN_S

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        if now_s - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now_s
            log.warning("Traces are dropped: %s", record.getMessage())


def _speak_seldom() -> None:
    """Has OpenTelemetry, which logs each failure, do so once a minute."""
    theirs = logging.getLogger("opentelemetry")
    theirs.propagate = False
    theirs.handlers = [_Seldom()]


def _context(traceparent: str, tracestate: str = "") -> Context:
    """The context of a trace that came from elsewhere, or of none."""
    carrier = {"traceparent": traceparent, "tracestate": tracestate}
    return _w3c.extract(carrier if traceparent else {}, context=Context())


def _traceparent(span: Span) -> str:
    """https://www.w3.org/TR/trace-context/#traceparent-header-field-values"""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _is_left_out(traceparent: str) -> bool:
    """Says that a trace is not sampled, so that others had better be a call's parent."""
    return int(traceparent[-2:], 16) % 2 == 0
