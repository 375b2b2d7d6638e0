"""Checks of the gateway's settings, before anything is started; errors name the variable."""

from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vitrine_client.errors import InvalidRequest
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.access.keys import KeysFileError
from vitrine_serving.gateway.server.tls import Tls, TlsError
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import prediction_log, tracing
from vitrine_serving.gateway.telemetry.prediction_log import PredictionLogError
from vitrine_serving.gateway.telemetry.tracing import TracingError

_BOUNDS = {"ge": "from {:g}", "gt": "above {:g}", "le": "up to {:g}", "lt": "below {:g}"}


class SettingsError(ValueError):
    """Settings cannot be used; the message has a line for each that names its variable."""


def checked_settings(**given: Any) -> Settings:
    """Returns the settings of the environment, but for those `given`. Raises `SettingsError` where
    one makes no sense, or names a file that cannot be used."""
    try:
        settings = Settings(**given)
        Tls(settings)
        prediction_log.check(settings)
        tracing.check(settings)
        if settings.keys_file:
            keys.read(settings.keys_file)
    except ValidationError as error:
        raise SettingsError(explain(error)) from error
    except (InvalidRequest, KeysFileError, TlsError, PredictionLogError, TracingError) as error:
        raise SettingsError(str(error)) from error
    return settings


def explain(error: ValidationError) -> str:
    """Returns a line for each bad setting that names its environment variable."""
    # A default that another setting decides is not made where that one is wrong.
    told = [each for each in error.errors() if each["type"] != "default_factory_not_called"]
    return "\n".join(map(_line, told))


def _line(problem: ErrorDetails) -> str:
    said = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:  # several settings do not go together, and the message names them
        return said
    name = str(problem["loc"][0])
    wanted = said if problem["type"] == "value_error" else _wanted(Settings.model_fields[name])
    return f"{PREFIX}{name.upper()}={problem['input']!r}: {wanted}"


def _wanted(field: FieldInfo) -> str:
    """Says what a setting takes, from the declaration that it is checked by."""
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
