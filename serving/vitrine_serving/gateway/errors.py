"""Errors as HTTP answers: `application/problem+json` (RFC 9457), with TF Serving's `error`."""

import logging
from http import HTTPStatus

import flask
import orjson
from werkzeug.exceptions import HTTPException

from vitrine_client.errors import NotFound, Unavailable, VitrineError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1

_ADVICE = {
    404: "{path} is no address of this gateway; `GET /v1/models` lists the models, and "
    "`POST /v1/models/<model>:predict` asks one",
    405: "{path} does not take {method}; send a picture with POST to /v1/models/<model>:predict",
    413: "The request is larger than this gateway takes; send fewer or smaller pictures at once",
}


def register(app: flask.Flask) -> None:
    """Makes `app` answer every exception as JSON, and keep the inside to itself."""

    @app.errorhandler(VitrineError)
    def expected(error: VitrineError) -> flask.Response:
        message = str(error)
        hint = "; `GET /v1/models` lists what is served" if isinstance(error, NotFound) else ""
        answer = _problem(error.status, message + hint, error=message)
        if isinstance(error, Unavailable):
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
        return answer

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> flask.Response:
        status = error.code or 500
        advice = _ADVICE.get(status, error.description or "")
        request = flask.request
        answer = _problem(status, advice.format(path=request.path, method=request.method))
        for name, value in error.get_headers():
            if name == "Allow":  # a 405 has to say what is allowed
                answer.headers[name] = value
        return answer

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> flask.Response:
        log.error("%s %s failed", flask.request.method, flask.request.path, exc_info=error)
        return _problem(500, "The gateway failed; its log says why")


def _problem(status: int, detail: str, *, error: str = "") -> flask.Response:
    title = HTTPStatus(status).phrase
    content = {"title": title, "status": status, "detail": detail, "error": error or detail}
    body = orjson.dumps(content)
    return flask.Response(body, status, content_type="application/problem+json")
