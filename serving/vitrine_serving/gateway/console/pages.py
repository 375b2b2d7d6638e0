"""What the gateway says of itself, and its list of models: the addresses that Flask answers."""

from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

import flask
import orjson

from vitrine_client.errors import VitrineError
from vitrine_client.http.default_model import is_served
from vitrine_client.look import FOLDER as LOOK
from vitrine_client.look import SERVED
from vitrine_client.results.predictions import VersionStatus
from vitrine_serving.gateway.api.models import ListedModel, ModelList
from vitrine_serving.gateway.api.openapi import document as openapi
from vitrine_serving.gateway.api.openapi.operations import URL
from vitrine_serving.gateway.console import docs_page
from vitrine_serving.gateway.http import problems as errors

T = TypeVar("T")
Wait = Callable[[Coroutine[Any, Any, T]], T]

_STATUS_TIMEOUT_S = 5.0


def make_pages(
    model_list: ModelList,
    models: Sequence[str],
    wait: Wait[Any],
    *,
    max_body_bytes: int,
    tls: bool = False,
) -> flask.Flask:
    """Returns the WSGI application; `wait` runs a coroutine where the model servers' calls are, and
    the try-it page uploads nothing that has more than `max_body_bytes`. `tls` where the gateway
    itself speaks HTTPS."""
    app = flask.Flask(__name__)
    errors.register(app)
    _add_states(app, model_list, wait)
    document = openapi.document(models)

    def here() -> str:
        return docs_page.address(dict(flask.request.headers), tls=tls)

    @app.get("/")
    def page() -> str:
        return flask.render_template("index.html", max_body_bytes=max_body_bytes)

    @app.get("/docs")
    def docs() -> str:
        return flask.render_template("docs.html", **docs_page.content(document, here()))

    @app.get(f"/static/<any({', '.join(map(repr, SERVED))}):name>")
    def look(name: str) -> flask.Response:
        return flask.send_from_directory(LOOK, name)

    @app.get("/openapi.json")
    def openapi_json() -> flask.Response:
        answer = _json(document)
        answer.set_data(answer.get_data().replace(URL.encode(), here().encode()))
        return answer

    return app


def _add_states(app: flask.Flask, model_list: ModelList, wait: Wait[Any]) -> None:
    @app.get("/v1/models")
    def list_models() -> flask.Response:
        found = wait(model_list.models(_STATUS_TIMEOUT_S))
        return _json({"models": [_listed(model) for model in found]})

    alive = {"status": "ok", "version": version("vitrine-serving")}

    @app.get("/healthz")
    def live() -> flask.Response:
        return _json(alive)

    @app.get("/readyz")
    def ready() -> flask.Response:
        try:
            found = wait(model_list.states(_STATUS_TIMEOUT_S))
        except VitrineError as error:
            return _json({"ready": False, "reason": errors.message_of(error)}, 503)
        available = {name: is_served(statuses) for name, statuses in found.items()}
        ready = model_list.is_ready(found)
        return _json({"ready": ready, "models": available}, 200 if ready else 503)


def _json(content: Any, status: int = 200) -> flask.Response:
    return flask.Response(
        orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE), status, mimetype="application/json"
    )


def _listed(model: ListedModel) -> dict[str, Any]:
    labels = {label: str(version) for label, version in model.version_labels.items()}
    known = {} if model.classifier is None else {"classifier": model.classifier}
    return {"name": model.name} | _statuses(model.statuses) | {"version_labels": labels} | known


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
