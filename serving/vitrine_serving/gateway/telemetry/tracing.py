"""Tracing, if it is asked for: OpenTelemetry is an extra, and nothing of it is imported without."""

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from vitrine_serving.gateway.telemetry.tracer import Tracer

_NEEDED = "opentelemetry.exporter.otlp.proto.http"


class TracingError(Exception):
    """Traces cannot be made; the message names their setting."""


def check(url: str) -> None:
    """Raises `TracingError` where traces cannot be made and sent to `url`; an empty one asks for
    none."""
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TracingError(
            f"VITRINE_TRACES_URL={url!r} is not an address; write http://HOST:4318, as a collector "
            "listens there"
        )
    try:
        found = find_spec(_NEEDED)
    except ModuleNotFoundError:
        found = None
    if not found:
        raise TracingError(
            f"VITRINE_TRACES_URL={url!r} needs OpenTelemetry; install vitrine-serving[otel]"
        )


def make_tracer(url: str, *, scheme: str) -> "Tracer | None":
    """Returns what traces the requests of this process, if that is asked for; call it after the
    fork, with the `scheme` of its URLs. Raises `TracingError` as `check` does."""
    if not url:
        return None
    check(url)
    from vitrine_serving.gateway.telemetry.tracer import Tracer

    return Tracer(url, scheme=scheme)
