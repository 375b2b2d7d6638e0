"""Whether requests are traced: OpenTelemetry is an extra, and nothing of it is imported without."""

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vitrine_serving.gateway.settings import Settings

if TYPE_CHECKING:
    from vitrine_serving.gateway.telemetry.tracer import Tracer

_NEEDED = "opentelemetry.exporter.otlp.proto.http"


class TracingError(Exception):
    """Traces cannot be made; the message names their setting."""


def check(settings: Settings) -> None:
    """Raises `TracingError` where the settings ask for traces that cannot be made."""
    url = settings.traces_url
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


def make_tracer(settings: Settings) -> "Tracer | None":
    """Returns what traces the requests of this process, if that is asked for; call it after the
    fork. Raises `TracingError` as `check` does."""
    if not settings.traces_url:
        return None
    check(settings)
    from vitrine_serving.gateway.telemetry.tracer import Tracer

    return Tracer(settings.traces_url, scheme="https" if settings.tls_cert else "http")
