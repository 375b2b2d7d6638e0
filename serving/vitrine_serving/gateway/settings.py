"""Settings of the gateway: read from the environment once, checked, frozen.

Each part stands beside the rule that it is for, and whoever has the rule gets that part alone.
"""

import contextlib
import os
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vitrine_client.errors import InvalidRequest
from vitrine_client.process import local_sockets
from vitrine_client.process.addresses import HOST, model_server_port
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.access.guard import AccessSettings
from vitrine_serving.gateway.access.keys import KeysFileError
from vitrine_serving.gateway.access.rate_limit import RateLimitSettings
from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.decoding.decoder import PictureSettings
from vitrine_serving.gateway.server.listener import ServerSettings
from vitrine_serving.gateway.server.peers import PeersSettings
from vitrine_serving.gateway.server.tls import Tls, TlsError, TlsSettings
from vitrine_serving.gateway.shedding import SheddingSettings
from vitrine_serving.gateway.telemetry import prediction_log, tracing
from vitrine_serving.gateway.telemetry.drift.windows import DriftSettings
from vitrine_serving.gateway.telemetry.feedback import log as feedback_log
from vitrine_serving.gateway.telemetry.feedback.log import FeedbackLogError, FeedbackSettings
from vitrine_serving.gateway.telemetry.logs import LogSettings
from vitrine_serving.gateway.telemetry.prediction_log import (
    PredictionLogError,
    PredictionLogSettings,
)
from vitrine_serving.gateway.telemetry.rotating_file import is_of_log
from vitrine_serving.gateway.telemetry.tracing import TracingError
from vitrine_serving.gateway.upstream.breaker import BreakerSettings
from vitrine_serving.gateway.upstream.ejection import EjectionSettings
from vitrine_serving.gateway.upstream.listed_models import ListedModels
from vitrine_serving.gateway.upstream.model_servers import UpstreamSettings
from vitrine_serving.gateway.upstream.retries import RetrySettings

_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "up to {}", "lt": "below {}"}


_UNUSABLE = (
    InvalidRequest,
    KeysFileError,
    TlsError,
    PredictionLogError,
    FeedbackLogError,
    TracingError,
)
"""Errors of files and addresses that settings name."""


class SettingsError(ValueError):
    """Settings cannot be used; the message has a line for each that names its variable."""


class Settings(BaseModel):
    """Settings by part; `given` take the place of environment variables, by their names in lower
    case and without `VITRINE_`.

    Raises `ValidationError`, and `InvalidRequest` where the gateway's port leaves none for the
    model server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: ServerSettings
    requests: RequestSettings
    shedding: SheddingSettings
    listed: ListedModels
    pictures: PictureSettings
    batching: BatchingSettings
    upstream: UpstreamSettings
    retries: RetrySettings
    breaker: BreakerSettings
    ejection: EjectionSettings
    drift: DriftSettings
    logs: LogSettings
    prediction_log: PredictionLogSettings
    tls: TlsSettings
    access: AccessSettings
    feedback: FeedbackSettings
    rates: RateLimitSettings
    peers: PeersSettings

    def __init__(self, **given: Any) -> None:
        found = {name: os.environ.get(_variable(name)) for name in FIELDS}
        values = {name: text for name, text in found.items() if text} | given
        parts = {
            part: {name: values.pop(name) for name in fields if name in values}
            for part, fields in PARTS.items()
        }
        super().__init__(**parts, **values)

    @field_validator("upstream", mode="before")
    @classmethod
    def _with_own_model_server(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """The address of the local socket, or that follows from the gateway's port, where none is
        named."""
        if "model_server" in value or "server" not in info.data:
            return value
        with contextlib.suppress(InvalidRequest):  # of which its own field tells
            if path := local_sockets.checked_choice(value.get("local_socket", "")):
                return value | {"model_server": (f"{local_sockets.SCHEME}{path}",)}
        port = model_server_port("VITRINE_GRPC_PORT", os.environ, info.data["server"].port)
        return value | {"model_server": (f"{HOST}:{port}",)}

    @field_validator("feedback")
    @classmethod
    def _with_keys(cls, value: FeedbackSettings, info: ValidationInfo) -> FeedbackSettings:
        """Feedback is by those alone who have a key: training may learn from it."""
        if value.feedback_log and "access" in info.data and not info.data["access"].keys_file:
            raise ValueError(
                f"{PREFIX}FEEDBACK_LOG={str(value.feedback_log)!r}: feedback needs API keys, as "
                f"anybody could teach models wrong labels; set {PREFIX}KEYS_FILE as well "
                "(`vitrine-serve keys add FILE NAME` makes one)"
            )
        return value

    @field_validator("feedback")
    @classmethod
    def _with_own_files(cls, value: FeedbackSettings, info: ValidationInfo) -> FeedbackSettings:
        """No two settings name one file: a log would write into another one, or into the keys."""
        predictions, access = info.data.get("prediction_log"), info.data.get("access")
        logs = {"FEEDBACK_LOG": (value.feedback_log, value.feedback_log_files)}
        if predictions:
            logs["PREDICTION_LOG"] = predictions.prediction_log, predictions.prediction_log_files
        named = {name: path for name, (path, _) in logs.items()}
        if access:
            named["KEYS_FILE"] = access.keys_file
        for name, (path, files) in logs.items():
            for other, taken in named.items():
                if name != other and path and taken and is_of_log(taken, path, files):
                    raise ValueError(
                        f"{PREFIX}{name}={str(path)!r} and {PREFIX}{other}={str(taken)!r} are one "
                        "file, or a log would be rotated to the other; name two"
                    )
        return value


PARTS: dict[str, dict[str, FieldInfo]] = {
    part: field.annotation.model_fields  # type: ignore[union-attr]
    for part, field in Settings.model_fields.items()
}
"""The fields of each part."""

FIELDS = {name: field for fields in PARTS.values() for name, field in fields.items()}


def checked_settings(**given: Any) -> Settings:
    """Returns the settings of the environment, but for those `given`. Raises `SettingsError` where
    one makes no sense, or names a file that cannot be used."""
    try:
        settings = Settings(**given)
        Tls(settings.tls)
        prediction_log.check(settings.prediction_log)
        feedback_log.check(settings.feedback)
        tracing.check(settings.logs.traces_url)
        if settings.access.keys_file:
            keys.read(settings.access.keys_file)
    except ValidationError as error:
        raise SettingsError(explain(error)) from error
    except _UNUSABLE as error:
        raise SettingsError(str(error)) from error
    return settings


def explain(error: ValidationError) -> str:
    """Returns a line for each bad setting that names its environment variable."""
    return "\n".join(map(_line, error.errors()))


def _line(problem: ErrorDetails) -> str:
    said = problem["msg"].removeprefix("Value error, ")
    _, *names = problem["loc"]
    if not names:  # several settings do not go together, and the message names them
        return said
    name = str(names[0])
    wanted = said if problem["type"] == "value_error" else _wanted(FIELDS[name])
    return f"{_variable(name)}={problem['input']!r}: {wanted}"


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _wanted(field: FieldInfo) -> str:
    """Returns the values that a setting takes, in words, from the declaration that checks it."""
    kind: Any = field.annotation
    if kind is bool:
        return "expected 1 or 0"
    if get_origin(kind) is Literal:
        return f"expected {' or '.join(map(str, get_args(kind)))}"
    if kind in (int, float):
        bounds = [
            text.format(getattr(limit, bound))
            for limit in field.metadata
            for bound, text in _BOUNDS.items()
            if hasattr(limit, bound)
        ]
        return " ".join(["expected a", "whole number" if kind is int else "number", *bounds])
    return "expected one name or more, separated by commas"
