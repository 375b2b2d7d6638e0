"""What the gateway says of itself and of its models: the addresses that Flask answers."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import flask
import orjson

from vitrine_client.errors import VitrineError
from vitrine_client.predictions import VersionStatus
from vitrine_serving.gateway import errors, openapi
from vitrine_serving.gateway.converters import ModelName
from vitrine_serving.gateway.json_api import JsonApi
from vitrine_serving.gateway.predictor import Predictor
from vitrine_serving.gateway.target import Target

T = TypeVar("T")
Wait = Callable[[Coroutine[Any, Any, T]], T]

_STATUS_TIMEOUT_S = 5.0
_MODEL = "/v1/models/<model:model>"
_VERSION = f"{_MODEL}/versions/<int:version>"
_LABEL = f"{_MODEL}/labels/<label>"


def make_pages(
    predictor: Predictor, json_api: JsonApi, models: Sequence[str], wait: Wait[Any]
) -> flask.Flask:
    """Returns the WSGI application; `wait` runs a coroutine where the model servers' calls are."""
    app = flask.Flask(__name__)
    document = openapi.document(models)
    app.url_map.converters["model"] = ModelName
    errors.register(app)

    @app.get("/v1/models")
    def list_models() -> flask.Response:
        found = wait(predictor.models(_STATUS_TIMEOUT_S))
        listed = [{"name": name} | _statuses(statuses) for name, statuses in found.items()]
        return json_response({"models": listed})

    @app.get(_MODEL)
    @app.get(_VERSION)
    @app.get(_LABEL)
    def status(model: str, version: int | None = None, label: str | None = None) -> flask.Response:
        target = Target(model, version, label)
        return _json(wait(json_api.status(target, timeout_s=_STATUS_TIMEOUT_S)))

    @app.get(f"{_MODEL}/metadata")
    @app.get(f"{_VERSION}/metadata")
    @app.get(f"{_LABEL}/metadata")
    def metadata(
        model: str, version: int | None = None, label: str | None = None
    ) -> flask.Response:
        target = Target(model, version, label)
        return _json(wait(json_api.metadata(target, timeout_s=_STATUS_TIMEOUT_S)))

    @app.get("/healthz")
    def live() -> flask.Response:
        return json_response({"status": "ok"})

    @app.get("/readyz")
    def ready() -> flask.Response:
        try:
            found = wait(predictor.models(_STATUS_TIMEOUT_S))
        except VitrineError as error:
            return json_response({"ready": False, "reason": errors.message_of(error)}, 503)
        available = {
            name: any(status.state == "AVAILABLE" for status in statuses)
            for name, statuses in found.items()
        }
        ready = all(available.values())
        return json_response({"ready": ready, "models": available}, 200 if ready else 503)

    @app.get("/")
    def page() -> str:
        return flask.render_template("index.html")

    @app.get("/docs")
    def docs() -> str:
        return flask.render_template("docs.html", document=document)

    @app.get("/openapi.json")
    def openapi_json() -> flask.Response:
        return json_response(document)

    return app


def json_response(content: Any, status: int = 200) -> flask.Response:
    """Returns `content` as JSON."""
    return _json(orjson.dumps(content), status)


def _json(body: bytes, status: int = 200) -> flask.Response:
    return flask.Response(body, status, mimetype="application/json")


def _statuses(statuses: list[VersionStatus]) -> dict[str, Any]:
    """TensorFlow Serving's JSON for the states of versions."""
    return {
        "model_version_status": [
            {
                "version": str(status.version),
                "state": status.state,
                "status": {
                    "error_code": status.error_code,
                    "error_message": status.error_message,
                },
            }
            for status in statuses
        ]
    }
