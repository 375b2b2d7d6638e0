"""Reads a request out of an ASGI server: its head, and its body within limits of size and time."""

import asyncio
import random
import re
from concurrent.futures import Executor
from typing import Any

from vitrine_client.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from vitrine_serving.gateway.api.bodies import inflate
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.settings import Settings

_DISCARD_S = 1.0
"""So that the sender of a body reads why it is refused: closing a connection with bytes unread
resets it."""

# RFC 9112, section 3.2.2: a server takes `GET http://host/path` as well.
_AUTHORITY = re.compile(r"https?://[^/]*", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class GoneError(Exception):
    """The client has left."""


def read_head(scope: Any) -> Request:
    """Returns the request of an ASGI scope, with an id and without a body."""
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
        id=request_id if request_id and _REQUEST_ID.fullmatch(request_id) else _new_id(),
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else "",
    )


async def read_body(request: Request, receive: Any, settings: Settings, threads: Executor) -> bytes:
    """Returns the body, inflated in `threads`.

    Raises `PayloadTooLarge`, `RequestTimeout`, `UnsupportedMediaType`, `GoneError`.
    """
    limit = settings.max_body_bytes
    if int(request.headers.get("content-length") or 0) > limit:
        await discard(request, receive)
        raise _too_large(limit)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            body = await _read(request, receive, limit)
    except TimeoutError:
        raise RequestTimeout(
            f"The body did not come within {settings.body_timeout_s:g} s; send it again"
        ) from None
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding == "gzip":
        return await asyncio.get_running_loop().run_in_executor(threads, inflate, body, limit)
    if encoding not in ("", "identity"):
        raise UnsupportedMediaType(
            f"Content-Encoding {encoding} is not supported; send gzip, or none"
        )
    return body


async def discard(request: Request, receive: Any) -> None:
    """Reads a body that is refused on for a while, unless its sender waits to be asked for it."""
    if "expect" in request.headers:
        return
    try:
        async with asyncio.timeout(_DISCARD_S):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        pass


async def _read(request: Request, receive: Any, limit: int) -> bytes:
    message = await receive()
    if message["type"] != "http.request":
        raise GoneError
    if not message.get("more_body"):
        body = bytes(message.get("body", b""))
    else:
        parts = bytearray(message["body"])
        while message.get("more_body"):
            message = await receive()
            if message["type"] != "http.request":
                raise GoneError
            parts += message.get("body", b"")
            if len(parts) > limit:
                break
        body = bytes(parts)
    if len(body) > limit:
        await discard(request, receive)
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body has more than {limit} bytes; send fewer or smaller pictures at once"
    )


def _new_id() -> str:
    return f"{random.getrandbits(128):032x}"  # no secret, only to be told from others
