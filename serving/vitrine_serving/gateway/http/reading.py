"""Request reading from an ASGI server: the head, and the body within limits of size and time."""

import asyncio
import random
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from vitrine_client.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from vitrine_serving.gateway.http.compression import inflate
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart

_DISCARD_S = 1.0
"""The time that a sender has to notice that its body is refused."""

# RFC 9112, section 3.2.2: a server takes `GET http://host/path` as well.
_AUTHORITY = re.compile(r"https?://[^/]*", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class RequestSettings(SettingsPart):
    """Limits of a request."""

    max_body_bytes: Count = 32 * 1024 * 1024
    """Largest request body, unpacked as well as sent; more is refused with 413."""
    body_timeout_s: Seconds = 30.0
    """Seconds that a request has to send its body."""
    request_timeout_s: Seconds = 10.0
    """Seconds after which an unanswered request fails with 504."""


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


class Body:
    """Request body: read once by a route that takes one, or discarded after the answer.

    `receive` is ASGI's. Nothing is read and nothing inflated before it is asked for.
    """

    def __init__(self, headers: Mapping[str, str], receive: Any) -> None:
        self._headers = headers
        self._receive = receive
        self._announced_bytes = int(headers.get("content-length") or 0)
        self._unread = self._announced_bytes > 0 or "transfer-encoding" in headers

    async def read(self, limit: int, timeout_s: float, threads: Executor) -> bytes:
        """Returns the body, inflated in `threads`, of `limit` bytes at most. Nothing is read where
        the Content-Length alone is more.

        Raises `PayloadTooLarge`, `RequestTimeout`, `UnsupportedMediaType`, `GoneError`.
        """
        if self._announced_bytes > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(timeout_s):
                body = await self._read(limit)
        except TimeoutError:
            self._unread = False  # it has had its time
            raise RequestTimeout(
                f"The body did not come within {timeout_s:g} s; send it again"
            ) from None
        self._unread = False
        encoding = self._headers.get("content-encoding", "").strip().lower()
        if encoding == "gzip":
            return await asyncio.get_running_loop().run_in_executor(threads, inflate, body, limit)
        if encoding not in ("", "identity"):
            raise UnsupportedMediaType(
                f"Content-Encoding {encoding} is not supported; send gzip, or none"
            )
        return body

    async def discard(self) -> None:
        """Drains a body that nobody has read, for a while, unless its sender waits to be asked for
        it. Call it after the answer: closing a connection with bytes unread resets it, and whoever
        sends first and reads later would never see the answer."""
        if not self._unread or "expect" in self._headers:
            return
        try:
            async with asyncio.timeout(_DISCARD_S):
                while (await self._receive()).get("more_body"):
                    pass
        except TimeoutError:
            pass

    async def _read(self, limit: int) -> bytes:
        message = await self._received()
        if not message.get("more_body"):
            body = bytes(message.get("body", b""))
        else:
            parts = bytearray(message["body"])
            while message.get("more_body") and len(parts) <= limit:
                message = await self._received()
                parts += message.get("body", b"")
            body = bytes(parts)
        if len(body) > limit:
            self._unread = bool(message.get("more_body"))
            raise _too_large(limit)
        return body

    async def _received(self) -> Any:
        message = await self._receive()
        if message["type"] != "http.request":
            raise GoneError
        return message


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body has more than {limit} bytes; send fewer or smaller pictures at once"
    )


def _new_id() -> str:
    return f"{random.getrandbits(128):032x}"  # no secret, only to be told from others
