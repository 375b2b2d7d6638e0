"""Console: the pages for people, by Flask, which answers nothing else."""

import flask
import orjson

from vitrine_client.look import FOLDER as LOOK
from vitrine_client.look import SERVED
from vitrine_serving.gateway.console import docs_page
from vitrine_serving.gateway.http import problems


def make_pages(document: docs_page.Json, *, max_body_bytes: int, tls: bool = False) -> flask.Flask:
    """Returns the WSGI application that shows the OpenAPI `document`; the try-it page uploads
    nothing that has more than `max_body_bytes`. `tls` where the gateway itself speaks HTTPS."""
    app = flask.Flask(__name__)
    problems.register(app)

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
        body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        body = body.replace(docs_page.URL.encode(), here().encode())
        return flask.Response(body, mimetype="application/json")

    return app
