"""Request reading from an ASGI server: the head, and the body within limits of size and time."""

import asyncio
import random
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from functools import lru_cache
from typing import Any, NamedTuple

from vitrine_client.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.http.compression import inflate, promised_bytes
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.routes import UNLIMITED, Route
from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart
from vitrine_serving.gateway.shedding import BodyBudget
from vitrine_serving.rest_json.text import MAX_VALUES

_DISCARD_S = 1.0
"""The time that a sender has to notice that its body is refused."""

UNSPECIFIED_TYPES = ("", "application/x-www-form-urlencoded", "text/plain")
"""Media types that clients send by default. They may be JSON, and are no picture."""

# RFC 9112, section 3.2.2: a server takes `GET http://host/path` as well.
_AUTHORITY = re.compile(r"https?://[^/]*", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class RequestSettings(SettingsPart):
    """Limits of a request."""

    max_body_bytes: Count = 32 * 1024 * 1024
    """Largest request body, unpacked as well as sent; more is refused with 413."""
    max_json_bytes: Count = 8 * 1024 * 1024
    """Largest body of JSON, unpacked as well as sent; more is refused with 413."""
    max_json_values: Count = MAX_VALUES
    """Most values in JSON, an object counting as three; more is refused with 413."""
    max_body_bytes_in_flight: Count = 128 * 1024 * 1024
    """Bytes of bodies that each process has in memory, two of the largest at least; more is refused
    with 503."""
    body_timeout_s: Seconds = 30.0
    """Seconds that a request has to send its body."""
    request_timeout_s: Seconds = 10.0
    """Seconds after which an unanswered request fails with 504."""

    def budget(self) -> BodyBudget:
        """Returns the budget of a process: the largest body fits, also while it is unpacked."""
        return BodyBudget(max(self.max_body_bytes_in_flight, 2 * self.max_body_bytes))

    def of_body(self, route: Route, content_type: str) -> "BodyLimit":
        """Returns the limit of a body of a content type."""
        kind = "json" if route.is_json else _kind(content_type)
        most_of_kind = UNLIMITED if kind == "picture" else self.max_json_bytes
        return _limit(route.max_body_bytes, self.max_body_bytes, most_of_kind, _HINTS[kind])


class BodyLimit(NamedTuple):
    """Body size limit: most bytes, as sent and unpacked, and what to do where there are more."""

    max_bytes: int
    hint: str

    def exceeded(self) -> PayloadTooLarge:
        """Returns the error."""
        return PayloadTooLarge(f"The body has more than {self.max_bytes} bytes; {self.hint}")


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
        # RFC 9110, section 4.2.3: without a path, it is that of the root.
        path=path if path.startswith("/") else _AUTHORITY.sub("", path, count=1) or "/",
        query=scope["query_string"].decode("latin-1"),
        headers=found,
        client=client[0] if client else "",
        id=request_id if request_id and _REQUEST_ID.fullmatch(request_id) else _new_id(),
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else "",
    )


class Body:
    """Request body: read once by a route that takes one, or discarded after the answer.

    `receive` is ASGI's. Nothing is read and nothing inflated before it is asked for. What is held
    of it is taken from `budget`, until `release`.
    """

    def __init__(self, headers: Mapping[str, str], receive: Any, budget: BodyBudget) -> None:
        self._headers = headers
        self._receive = receive
        self._budget = budget
        self._held = 0
        self._announced_bytes = int(headers.get("content-length") or 0)
        self._unread = self._announced_bytes > 0 or "transfer-encoding" in headers

    async def read(self, limit: BodyLimit, timeout_s: float, threads: Executor) -> bytes:
        """Returns the body, inflated in `threads`, within the limit. Nothing is read where the
        Content-Length alone is more.

        Raises `PayloadTooLarge`, `RequestTimeout`, `UnsupportedMediaType`, `BodiesFull`,
        `GoneError`.
        """
        if self._announced_bytes > limit.max_bytes:
            raise limit.exceeded()
        try:
            async with asyncio.timeout(timeout_s):
                body = await self._read(limit)
            self._unread = False
            encoding = self._headers.get("content-encoding", "")
            return body if not encoding else await self._inflated(body, encoding, limit, threads)
        except TimeoutError:
            self.release()
            self._unread = False  # it has had its time
            raise RequestTimeout(
                f"The body did not come within {timeout_s:g} s; send it again"
            ) from None
        except BaseException:
            self.release()
            raise

    def exchange(self, count: int) -> None:
        """Holds so many bytes of an answer in its stead."""
        self.release()
        self._budget.take_anyway(count)
        self._held = count

    def release(self) -> None:
        """Gives back what is held. Again, it does nothing."""
        self._budget.give(self._held)
        self._held = 0

    async def _inflated(
        self, body: bytes, encoding: str, limit: BodyLimit, threads: Executor
    ) -> bytes:
        encoding = encoding.strip().lower()
        if encoding == "gzip":
            self._hold(min(promised_bytes(body), limit.max_bytes))
            loop = asyncio.get_running_loop()
            inflated = await loop.run_in_executor(threads, inflate, body, *limit)
            self.release()
            self._hold(len(inflated))
            return inflated
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

    def _hold(self, count: int) -> None:
        self._budget.take(count)
        self._held += count

    async def _read(self, limit: BodyLimit) -> bytes:
        message = await self._received()
        if not message.get("more_body"):
            body = bytes(message.get("body", b""))
        else:
            parts = bytearray(message["body"])
            while message.get("more_body") and len(parts) <= limit.max_bytes:
                message = await self._received()
                parts += message.get("body", b"")
            body = bytes(parts)
        if len(body) > limit.max_bytes:
            raise limit.exceeded()
        return body

    async def _received(self) -> Any:
        message = await self._receive()
        if message["type"] != "http.request":
            raise GoneError
        self._unread = bool(message.get("more_body"))
        self._hold(len(message.get("body", b"")))
        return message


_HINTS = {
    "picture": "send fewer or smaller pictures at once",
    "json": "send fewer instances at once",
    "untold": "send fewer instances at once, or say that it is a picture: "
    "`-H 'Content-Type: image/png' --data-binary @shoe.png`",
}


@lru_cache(256)
def _limit(most_of_route: int, most: int, most_of_kind: int, hint: str) -> BodyLimit:
    """Returns the lowest, and with it the variable that raises it; a route's own has none."""
    if most_of_route <= min(most, most_of_kind):
        return BodyLimit(most_of_route, hint)
    name = "MAX_BODY_BYTES" if most <= most_of_kind else "MAX_JSON_BYTES"
    return BodyLimit(min(most, most_of_kind), f"{hint}; the gateway's {PREFIX}{name} allows more")


@lru_cache(256)
def _kind(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return "json"
    return "untold" if kind in UNSPECIFIED_TYPES else "picture"


def _new_id() -> str:
    return f"{random.getrandbits(128):032x}"  # no secret, only to be told from others
