"""WSGI: calls of an application with requests that have been read already."""

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from vitrine_serving.gateway.http.messages import Answer, Request

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def call(app: WsgiApp, request: Request) -> Answer:
    """Returns what `app` answers, its headers as they are. Blocks, so call it in a thread."""
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        said[:] = [int(status.split(" ", 1)[0]), headers]

    parts = app(_environ(request), start_response)
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = said
    kept = [each for each in headers if each[0].lower() not in ("content-type", "content-length")]
    kinds = [value for name, value in headers if name.lower() == "content-type"]
    return Answer(status, body, kinds[0] if kinds else "", kept)


def _environ(request: Request) -> dict[str, Any]:
    """PEP 3333: https://peps.python.org/pep-3333/#environ-variables"""
    host, _, port = request.headers.get("host", "localhost").rpartition(":")
    environ: dict[str, Any] = {
        # Of a HEAD the length of the body is told, too; the application sends none.
        "REQUEST_METHOD": "GET" if request.method == "HEAD" else request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "RAW_URI": request.path,
        "QUERY_STRING": request.query,
        "SERVER_NAME": host or port,
        "SERVER_PORT": port if host else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ["CONTENT_TYPE"] = request.headers.get("content-type", "")
    environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ
