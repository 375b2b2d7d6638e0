"""WSGI: calls of an application with requests that have been read already, by Werkzeug."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.test import create_environ, run_wsgi_app

from vitrine_serving.gateway.http.messages import Answer, Request

_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(?::(\d+))?")
"""Host header: a name or an address, that of IPv6 in brackets, and perhaps a port."""
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def call(app: WsgiApp, request: Request, scheme: str) -> Answer:
    """Returns the answer of `app` to a request that came over `scheme`, "http" or "https", its
    headers as they are. Blocks, so call it in a thread."""
    found = _HOST.match(request.headers.get("host", ""))
    host, port = found.groups() if found else ("", None)
    environ = create_environ(
        request.path,
        query_string=request.query,
        # Of a HEAD the length of the body is told, too; the gateway sends none.
        method="GET" if request.method == "HEAD" else request.method,
        headers=dict(request.headers),
        environ_overrides={
            "REMOTE_ADDR": request.client,
            "SERVER_NAME": host or "localhost",
            "SERVER_PORT": port or ("443" if scheme == "https" else "80"),
            "wsgi.url_scheme": scheme,
        },
    )
    parts, status, headers = run_wsgi_app(app, environ, buffered=True)
    kind = headers.pop("Content-Type", "")
    headers.remove("Content-Length")
    return Answer(int(status.split(" ", 1)[0]), b"".join(parts), kind, list(headers))
