"""The front: reads requests, lets in who may, sends answers; knows ASGI, and no model."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vitrine_client.errors import (
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
    VitrineError,
)
from vitrine_serving.gateway import errors, headers
from vitrine_serving.gateway.bodies import inflate
from vitrine_serving.gateway.endpoints import Endpoints
from vitrine_serving.gateway.guard import Guard
from vitrine_serving.gateway.http import Answer, Request
from vitrine_serving.gateway.predictor import ModelServers
from vitrine_serving.gateway.settings import Settings

log = logging.getLogger("vitrine_serving.gateway")

Lines = list[tuple[bytes, bytes]]
MakeServers = Callable[[], ModelServers]

_THREADS = 16
_DISCARD_S = 1.0
"""So that the sender of a body reads why it is refused: closing a connection with bytes unread
resets it."""

# RFC 9112, section 3.2.2: a server takes `GET http://host/path` as well.
_AUTHORITY = re.compile(r"https?://[^/]*", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Gateway:
    """The ASGI application; `make_servers` is called in the event loop that it then lives in."""

    def __init__(self, settings: Settings, make_servers: MakeServers, guard: Guard) -> None:
        self._settings = settings
        self._make_servers = make_servers
        self._guard = guard
        self._servers: ModelServers | None = None
        self._endpoints: Endpoints | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "gateway")
        self._cors = headers.Cors(settings.cors_origins)
        tls = settings.tls_cert is not None
        self._lines = {
            "application/json": _lines(headers.api(tls=tls)),
            "application/problem+json": _lines(headers.api(tls=tls)),
            "text/html": _lines(headers.page(tls=tls)),
        }
        self._common_lines = _lines(headers.common(tls=tls))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """https://asgi.readthedocs.io/en/stable/specs/main.html"""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._servers:
            await self._servers.close()
        self._threads.shutdown(wait=False)
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> Endpoints:
        self._servers = self._make_servers()
        self._endpoints = Endpoints(self._settings, self._servers, self._threads)
        return self._endpoints

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        started = time.monotonic()
        request = _request(scope)
        try:
            answer = await self._answer(request, receive)
        except _GoneError:
            return
        except VitrineError as error:
            answer = errors.expected(error)
        except Exception as error:
            answer = errors.unexpected(request.method, request.path, error)
        if self._settings.access_log:
            _note(request, answer, started)
        await send(self._head(request, answer))
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, request: Request, receive: Any) -> Answer:
        if preflight := self._cors.preflight(request.method, request.headers):
            return preflight
        try:
            admission = self._guard.admit(request.headers, request.client, request.path)
        except VitrineError:
            await _discard(request, receive)
            raise
        request.key_name = admission.name
        try:
            request.body = await self._body(request, receive)
            request.deadline = time.monotonic() + self._settings.request_timeout_s
            answer = await (self._endpoints or self._start()).answer(request)
        except VitrineError as error:
            answer = errors.expected(error)
        answer.headers += admission.headers
        return answer

    async def _body(self, request: Request, receive: Any) -> bytes:
        """Returns the body, inflated. Raises `PayloadTooLarge`, `RequestTimeout`, ..."""
        limit = self._settings.max_body_bytes
        if int(request.headers.get("content-length") or 0) > limit:
            await _discard(request, receive)
            raise _too_large(limit)
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                body = await _read(request, receive, limit)
        except TimeoutError:
            raise RequestTimeout(
                f"The body did not come within {self._settings.body_timeout_s:g} s; send it again"
            ) from None
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding == "gzip":
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, inflate, body, limit
            )
        if encoding not in ("", "identity"):
            raise UnsupportedMediaType(
                f"Content-Encoding {encoding} is not supported; send gzip, or none"
            )
        return body

    def _head(self, request: Request, answer: Answer) -> dict[str, Any]:
        kind = answer.content_type
        lines = [
            (b"server", b"vitrine"),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", request.id.encode("latin-1")),
            *self._lines.get(kind.partition(";")[0], self._common_lines),
            *_lines(answer.headers),
        ]
        if kind:
            lines.append((b"content-type", kind.encode("latin-1")))
        if origin := request.headers.get("origin"):
            lines += _lines(self._cors.headers(origin))
        return {"type": "http.response.start", "status": answer.status, "headers": lines}


class _GoneError(Exception):
    """The client has left."""


async def _read(request: Request, receive: Any, limit: int) -> bytes:
    message = await receive()
    if message["type"] != "http.request":
        raise _GoneError
    if not message.get("more_body"):
        body = bytes(message.get("body", b""))
    else:
        parts = bytearray(message["body"])
        while message.get("more_body"):
            message = await receive()
            if message["type"] != "http.request":
                raise _GoneError
            parts += message.get("body", b"")
            if len(parts) > limit:
                break
        body = bytes(parts)
    if len(body) > limit:
        await _discard(request, receive)
        raise _too_large(limit)
    return body


async def _discard(request: Request, receive: Any) -> None:
    """Reads a body that is refused on for a while, unless its sender waits to be asked for it."""
    if "expect" in request.headers:
        return
    try:
        async with asyncio.timeout(_DISCARD_S):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        pass


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body has more than {limit} bytes; send fewer or smaller pictures at once"
    )


def _request(scope: Any) -> Request:
    found: dict[str, str] = {}
    for name_bytes, value_bytes in scope["headers"]:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    request_id, traceparent = found.get("x-request-id", ""), found.get("traceparent", "")
    client = scope.get("client")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    return Request(
        method=scope["method"],
        path=path if path.startswith("/") else _AUTHORITY.sub("", path, count=1),
        query=scope["query_string"].decode("latin-1"),
        headers=found,
        client=client[0] if client else "",
        id=request_id if _REQUEST_ID.fullmatch(request_id) else _new_id(),
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else "",
    )


def _new_id() -> str:
    return f"{random.getrandbits(128):032x}"  # no secret, only to be told from others


def _lines(pairs: list[tuple[str, str]]) -> Lines:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _note(request: Request, answer: Answer, started: float) -> None:
    log.info(
        "%s %s %s %d %.1f ms %d bytes id=%s key=%s",
        request.client or "-",
        request.method,
        request.path,
        answer.status,
        1e3 * (time.monotonic() - started),
        len(answer.body),
        request.id,
        request.key_name or "-",
    )
