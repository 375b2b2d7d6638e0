"""WSGI: calls of an application with requests that have been read already, by Werkzeug."""

from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.test import create_environ, run_wsgi_app

from vitrine_serving.gateway.http.messages import Answer, Request

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def call(app: WsgiApp, request: Request) -> Answer:
    """Returns what `app` answers, its headers as they are. Blocks, so call it in a thread."""
    environ = create_environ(
        request.path,
        query_string=request.query,
        # Of a HEAD the length of the body is told, too; the gateway sends none.
        method="GET" if request.method == "HEAD" else request.method,
        headers=dict(request.headers),
        environ_overrides={"REMOTE_ADDR": request.client},
    )
    parts, status, headers = run_wsgi_app(app, environ, buffered=True)
    kind = headers.pop("Content-Type", "")
    headers.remove("Content-Length")
    return Answer(int(status.split(" ", 1)[0]), b"".join(parts), kind, list(headers))
