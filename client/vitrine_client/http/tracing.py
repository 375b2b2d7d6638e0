"""Spans of calls, in an application that traces with OpenTelemetry; for all others, nothing.

Who traces has imported OpenTelemetry: it is looked for among the modules that are loaded, and never
imported otherwise.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from vitrine_client.errors import VitrineError

_API = "opentelemetry.trace"


class Sending:
    """A request on its way: `headers` take its trace along."""

    def __init__(self, span: Any = None) -> None:
        self.headers: dict[str, str] = {}
        self._span = span

    def answered(self, status: int) -> None:
        """Notes the status of the answer."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)


_UNTRACED = Sending()


@contextmanager
def sending(method: str, url: str) -> Iterator[Sending]:
    """A span of one request, below the one that is current; a `VitrineError` makes it one that
    failed. https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
    """
    trace: Any = sys.modules.get(_API)
    if trace is None:
        yield _UNTRACED
        return
    from opentelemetry import propagate

    parts = urlsplit(url)
    attributes = {
        "http.request.method": method,
        "server.address": parts.hostname,
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        "url.full": parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
    }
    tracer = trace.get_tracer("vitrine_client")
    with tracer.start_as_current_span(
        method,
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        sent = Sending(span)
        propagate.inject(sent.headers)
        try:
            yield sent
        except VitrineError as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR, str(error))
            raise
