"""Logs of the gateway's processes, gunicorn's own lines included: text, or JSON lines.

Words from outside (a path, a model's name, an exception's message) can neither begin a line of
its own nor reach a terminal as more than characters that are seen.
"""

import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from vitrine_client.process import picture_warnings
from vitrine_client.process.visible import visible
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.settings_part import SettingsPart

log = logging.getLogger("vitrine_serving.gateway")

in_hand: ContextVar[Request | None] = ContextVar("in_hand", default=None)
"""The request that is being answered: lines logged meanwhile carry its ids."""

_PLAIN = re.compile(r"[!#-~]+")  # as a value that needs no quotes
_SHOWN = {"request_id": "id", "trace_id": "trace", "key": "key", "model": "model"}
"""Fields of a request that text has beside the message, and their names there."""


class LogSettings(SettingsPart):
    """Logs and traces."""

    access_log: bool = False
    """Whether each request is logged, and by which key it came."""
    log_format: Literal["text", "json"] = "text"
    """How the log is written: text, or json, an object a line."""
    traces_url: str = ""
    """Where OpenTelemetry traces go (OTLP over HTTP); needs the extra `otel`."""


def configure(settings: LogSettings) -> None:
    """Has this process log to standard error, and nowhere else, as the settings say; pictures with
    odd metadata write no line."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    picture_warnings.silence()


def formatter(settings: LogSettings) -> logging.Formatter:
    """Returns the formatter that the settings name."""
    return JsonFormatter() if settings.log_format == "json" else TextFormatter()


def note_request(request: Request, answer: Answer, took_s: float) -> None:
    """Logs that a request was answered: the access log's line."""
    log.info(
        "%s %s %s %d %.1f ms %d bytes",
        request.client or "-",
        request.method,
        request.path,
        answer.status,
        1e3 * took_s,
        len(answer.body),
        extra={"about": _about(request, answer, took_s)},
    )


def ids(request: Request) -> dict[str, str]:
    """Returns the ids of a request: its own, and that of its trace if it has one."""
    if not request.traceparent:
        return {"request_id": request.id}
    return {"request_id": request.id, "trace_id": request.traceparent[3:35]}


def stages(request: Request) -> dict[str, float]:
    """Returns the ms of each stage of a prediction, to the microsecond."""
    outcome = request.outcome
    if outcome is None:
        return {}
    stages = {"decode_ms": outcome.decode_s, "queue_ms": outcome.queue_s, "rpc_ms": outcome.rpc_s}
    if not outcome.shown:  # JSON waits for nobody
        del stages["queue_ms"]
    return {name: round(1e3 * duration_s, 3) for name, duration_s in stages.items()}


def answered_by(request: Request) -> int | None:
    """Returns the version that has answered, or would have where all pictures were empty; None
    where no model was asked."""
    return request.outcome.version if request.outcome else None


def _about(request: Request, answer: Answer, took_s: float) -> dict[str, Any]:
    about: dict[str, Any] = ids(request) | {
        "client": request.client,
        "method": request.method,
        "path": request.path,
        "status": answer.status,
        "duration_ms": round(1e3 * took_s, 3),
        "bytes": len(answer.body),
        "key": request.key_name,
        "endpoint": request.endpoint,
    }
    if request.target:
        version = answered_by(request) or request.target.version
        about |= {"model": request.target.model, "version": version}
    about |= stages(request)
    return {name: value for name, value in about.items() if value not in ("", None)}


def _about_now(record: logging.LogRecord) -> dict[str, Any]:
    """Returns the fields of the request that a record is about, or that was in hand."""
    about: dict[str, Any] | None = getattr(record, "about", None)
    if about is None:
        request = in_hand.get()
        about = ids(request) if request else {}
    return about


class TextFormatter(logging.Formatter):
    """A line for people; those of an exception follow it, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s [%(process)d] [%(levelname)s] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, or lines."""
        record.exc_text = None  # another formatter's, which `logging` would have this one take
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Returns the line, with the ids of its request at its end."""
        about = _about_now(record)
        if hasattr(record, "about"):
            about = {"key": "-", **about}
        fields = [
            f" {short}={_quoted(str(about[name]))}"
            for name, short in _SHOWN.items()
            if name in about
        ]
        return visible(super().formatMessage(record)) + "".join(fields)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Returns the traceback."""
        return _indented(super().formatException(ei))


class JsonFormatter(logging.Formatter):
    """An object a line, an exception's traceback as a string in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **_about_now(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json_line(content)


def moment(at_s: float) -> str:
    """Returns a time of the clock in UTC, to the microsecond: who replays a log wants the gaps."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def json_line(content: dict[str, Any]) -> str:
    """Returns an object as a line without its end; invisible characters are escaped as in JSON."""
    try:
        line = orjson.dumps(content).decode()
    except TypeError:  # half a surrogate pair, as file names can have
        encodable = {name: _encodable(value) for name, value in content.items()}
        line = orjson.dumps(encodable).decode()
    return line if line.isascii() and "\x7f" not in line else visible(line)


def _encodable(value: Any) -> Any:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _quoted(value: str) -> str:
    """A value that could be taken for another field is quoted."""
    return value if _PLAIN.fullmatch(value) else orjson.dumps(visible(value)).decode()


def _indented(text: str) -> str:
    return "\n".join(f"  {visible(line)}" for line in text.splitlines())
