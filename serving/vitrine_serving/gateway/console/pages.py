"""Console: the pages for people, by Flask, which answers nothing else."""

import flask
import orjson
from werkzeug.exceptions import HTTPException

from vitrine_client.look import FOLDER as LOOK
from vitrine_client.look import SERVED
from vitrine_serving.gateway.console import docs_page
from vitrine_serving.gateway.http import problems
from vitrine_serving.gateway.http.routes import UnknownAddress


def make_pages(
    document: docs_page.Json, *, max_body_bytes: int, feedback: bool = False, tls: bool = False
) -> flask.Flask:
    """Returns the WSGI application that shows the OpenAPI `document`; the try-it page uploads
    nothing that has more than `max_body_bytes`, and has people flag wrong answers where `feedback`
    is taken. `tls` where the gateway itself speaks HTTPS."""
    app = flask.Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # the gateway answers for them
    app.url_map.merge_slashes = False  # by a redirect to whatever host a header names

    def here() -> str:
        return docs_page.address(dict(flask.request.headers), tls=tls)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> flask.Response:
        answer = problems.problem(error.code or 500, error.description or "")
        if error.code == 404:  # a static file that is not there
            answer = problems.expected(UnknownAddress(flask.request.environ["RAW_URI"]))
        return flask.Response(answer.body, answer.status, content_type=answer.content_type)

    @app.get("/")
    def page() -> str:
        return flask.render_template("index.html", max_body_bytes=max_body_bytes, feedback=feedback)

    @app.get("/docs")
    def docs() -> str:
        return flask.render_template("docs.html", **docs_page.content(document, here()))

    @app.get(f"/static/<any({', '.join(map(repr, SERVED))}):name>")
    def look(name: str) -> flask.Response:
        return flask.send_from_directory(LOOK, name)

    @app.get("/openapi.json")
    def openapi_json() -> flask.Response:
        body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        body = body.replace(docs_page.URL.encode(), here().encode())
        return flask.Response(body, mimetype="application/json")

    return app
