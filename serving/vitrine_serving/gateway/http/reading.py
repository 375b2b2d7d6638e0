"""Request bodies: read within limits of size and time, as they come from a connection."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import lru_cache
from typing import NamedTuple

from vitrine_client.errors import (
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
    VitrineError,
)
from vitrine_client.open_inference.http_bodies import HEADER as JSON_LENGTH
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.http.compression import inflate, most_bytes
from vitrine_serving.gateway.http.routes import UNLIMITED, Route
from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart
from vitrine_serving.gateway.shedding import BodyBudget
from vitrine_serving.rest_json.parsing import MAX_VALUES

_DISCARD_S = 1.0
"""The time that a sender has to notice that its body is refused."""

UNSPECIFIED_TYPES = ("", "application/x-www-form-urlencoded", "text/plain")
"""Media types that clients send by default. They may be JSON, and are no picture."""


class RequestSettings(SettingsPart):
    """Limits of a request."""

    max_body_bytes: Count = 32 * 1024 * 1024
    """Largest request body, unpacked as well as sent; more is refused with 413."""
    max_json_bytes: Count = 8 * 1024 * 1024
    """Largest body of JSON, unpacked as well as sent, without binary data that follows it; more is
    refused with 413."""
    max_json_values: Count = MAX_VALUES
    """Most values in JSON, an object counting as three; more is refused with 413."""
    max_body_bytes_in_flight: Count = 128 * 1024 * 1024
    """Bytes of bodies that each process has in memory, two of the largest at least; more is refused
    with 503."""
    body_timeout_s: Seconds = 30.0
    """Seconds that a request has to send its body."""
    request_timeout_s: Seconds = 10.0
    """Seconds after which an unanswered request fails with 504."""

    @property
    def fair_call_s(self) -> float:
        """Seconds that a model server must have had before a late answer counts against it."""
        return min(1.0, self.request_timeout_s / 2)

    def budget(self) -> BodyBudget:
        """Returns the budget of a process: the largest body fits, also while it is unpacked."""
        return BodyBudget(max(self.max_body_bytes_in_flight, 2 * self.max_body_bytes))

    def of_body(self, route: Route, headers: Mapping[str, str]) -> "BodyLimit":
        """Returns the limit of a body with these headers."""
        if route.has_tensors:
            kind = "tensors" if JSON_LENGTH in headers else "values"
        else:
            kind = "json" if route.is_json else _kind(headers.get("content-type", ""))
        most_of_kind = UNLIMITED if kind in ("picture", "tensors") else self.max_json_bytes
        hint = _HINTS[kind if route.max_body_bytes == UNLIMITED else "small"]
        return _limit(route.max_body_bytes, self.max_body_bytes, most_of_kind, hint)


class BodyLimit(NamedTuple):
    """Body size limit: most bytes, as sent and unpacked, and the advice in a refusal."""

    max_bytes: int
    hint: str

    def exceeded(self) -> PayloadTooLarge:
        """Returns the error."""
        return PayloadTooLarge(f"The body has more than {self.max_bytes} bytes; {self.hint}")


class Body:
    """Request body: read once by a route that takes one, or discarded after the answer.

    `content` is what came with the head: all, or without `is_whole` the beginning of what `feed`
    and `finish` then bring, as `ask` asks for more. Nothing is inflated before it is asked for.
    What is held of it is taken from `budget`, until `release`.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        budget: BodyBudget,
        content: bytes = b"",
        ask: Callable[[], None] | None = None,
    ) -> None:
        self.is_whole = ask is None
        self._headers = headers
        self._budget = budget
        self._content: bytes | bytearray = bytearray(content) if ask else content
        self._ask = ask
        self._held = 0
        self._is_coming = self._had_its_time = False
        self._fault: VitrineError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def unclaimed(self) -> int:
        """The bytes that have come and that nobody has taken."""
        return len(self._content) - self._held

    @property
    def is_given_up(self) -> bool:
        """Whether `discard` leaves the rest: it had its time, or its sender waits to be asked."""
        waits = "expect" in self._headers and not self._is_coming
        return not self.is_whole and (waits or self._had_its_time)

    def feed(self, part: bytes) -> None:
        """Adds what has come."""
        self._is_coming = True
        self._content += part
        self._wake()

    def finish(self) -> None:
        """Says that all has come."""
        self.is_whole = True
        self._wake()

    def fail(self, fault: VitrineError) -> None:
        """Says that nothing comes that could be read; who waits for it gets the error."""
        self._fault = fault
        self._wake()

    async def read(self, limit: BodyLimit, timeout_s: float, threads: Executor) -> bytes:
        """Returns the body, inflated in `threads`, within the limit. Nothing is waited for where
        the Content-Length alone is more.

        Raises `PayloadTooLarge`, `RequestTimeout`, `UnsupportedMediaType`, `BodiesFull`, and what
        it failed with.
        """
        try:
            if not self.is_whole:
                await self._receive(limit, timeout_s)
            content, self._content = bytes(self._content), b""
            if len(content) > limit.max_bytes:
                raise limit.exceeded()
            self._hold(len(content) - self._held)
            encoding = self._headers.get("content-encoding")
            return (
                content if not encoding else await self._inflated(content, encoding, limit, threads)
            )
        except BaseException:
            self._content = bytearray()
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
        if encoding in ("gzip", "deflate"):
            self._hold(min(most_bytes(body, encoding), limit.max_bytes))
            loop = asyncio.get_running_loop()
            inflated = await loop.run_in_executor(threads, inflate, body, *limit, encoding)
            self.release()
            self._hold(len(inflated))
            return inflated
        if encoding not in ("", "identity"):
            raise UnsupportedMediaType(
                f"Content-Encoding {encoding} is not supported; send gzip, deflate, or none",
                headers=(("Accept-Encoding", "gzip, deflate"),),
            )
        return body

    async def discard(self) -> None:
        """Drains a body that nobody has read, for a while, unless it `is_given_up`. Call it after
        the answer: closing a connection with bytes unread resets it, and whoever sends first and
        reads later would never see the answer."""
        if self.is_whole or self.is_given_up:
            return
        try:
            async with asyncio.timeout(_DISCARD_S):
                while not self.is_whole:
                    self._content = bytearray()
                    await self._more()
        except (TimeoutError, VitrineError):
            pass

    def _hold(self, count: int) -> None:
        self._budget.take(count)
        self._held += count

    async def _receive(self, limit: BodyLimit, timeout_s: float) -> None:
        if int(self._headers.get("content-length", 0)) > limit.max_bytes:
            raise limit.exceeded()
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._hold(self.unclaimed)
                    if len(self._content) > limit.max_bytes:
                        raise limit.exceeded()
                    if self.is_whole:
                        return
                    await self._more()
        except TimeoutError:
            self._had_its_time = True
            raise RequestTimeout(
                f"The body did not come within {timeout_s:g} s; send it again"
            ) from None

    async def _more(self) -> None:
        """Waits until more has come, or all. Raises what it failed with."""
        if not self._fault:
            self._waiter = asyncio.get_running_loop().create_future()
            if self._ask:
                self._is_coming = True
                self._ask()
            await self._waiter
        if self._fault:
            raise self._fault

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


_HINTS = {
    "picture": "send fewer or smaller pictures at once",
    "json": "send fewer instances at once",
    "tensors": "send fewer rows at once",
    "values": "send fewer rows at once, or their values as binary data",
    "small": "no request to this address needs so many",
    "untold": "send fewer instances at once, or say that it is a picture: "
    "`-H 'Content-Type: image/png' --data-binary @shoe.png`",
}


@lru_cache(256)
def _limit(most_of_route: int, most: int, most_of_kind: int, hint: str) -> BodyLimit:
    """Returns the lowest, and with it the variable that raises it; a route's own has none."""
    if most_of_route <= min(most, most_of_kind):
        return BodyLimit(most_of_route, hint)
    name = "MAX_BODY_BYTES" if most <= most_of_kind else "MAX_JSON_BYTES"
    raised = f"the gateway's {PREFIX}{name} allows more"
    is_small = hint == _HINTS["small"]  # which a request may need, where a setting is below it
    return BodyLimit(min(most, most_of_kind), raised if is_small else f"{hint}; {raised}")


@lru_cache(256)
def _kind(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return "json"
    return "untold" if kind in UNSPECIFIED_TYPES else "picture"
