"""Upstream connection: one model server's channel, circuit breaker and calls in flight."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from vitrine_client.errors import Unavailable, VitrineError
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.upstream.breaker import Breaker, State

log = logging.getLogger(__name__)

Metadata = Sequence[tuple[str, str]]
"""Of a gRPC call: names in lower case, values in printable ASCII."""

_READY = grpc.ChannelConnectivity.READY

START_S = 60.0
"""Seconds that a model server may take to its first connection before its absence is logged: it is
often started beside the gateway, and imports for 20 s from a cold disk."""


@dataclass(frozen=True)
class ServerState:
    """State of one model server: its calls in flight, and its circuit breaker; that of one that
    cannot be reached is open."""

    address: str
    in_flight: int
    breaker: State


class Connection:
    """Connection to one model server, and its health; made and used in one running event loop.

    `lost` says that there was no connection when it was last asked or looked at.
    """

    def __init__(
        self,
        address: str,
        breaker: Breaker,
        *,
        credentials: grpc.ChannelCredentials | None,
        server_name: str,
        fair_timeout_s: float,
        start_s: float = START_S,
    ) -> None:
        self.address = address
        self.breaker = breaker
        self.in_flight = 0
        self.last_failure = ""
        options = messages.channel_options(server_name)
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options=options)
            if credentials
            else grpc.aio.insecure_channel(address, options=options)
        )
        self._methods: dict[str, Any] = {}
        self._fair_timeout_s = fair_timeout_s
        self.lost = False
        self._absence_counts_at_s = time.monotonic() + start_s
        self._told_of_absence = self._told_of_failures = False
        self._closed = False

    async def close(self) -> None:
        """Ends the connection; calls in flight raise `Unavailable`."""
        self._closed = True
        await self._channel.close()

    def snapshot(self) -> ServerState:
        """Returns how it is doing."""
        breaker = "open" if self.lost else self.breaker.state(time.monotonic())
        return ServerState(self.address, self.in_flight, breaker)

    def wait_s(self) -> float:
        """Returns the seconds until it may be called, 0 if it may now."""
        now_s = time.monotonic()
        wait_s = self.breaker.wait_s(now_s)
        if self._closed or not (wait_s or self.lost):
            return wait_s
        # Who cannot be reached need not be asked to know that. One that is reached again need not
        # sit its time out, and those who come together need not wait for what becomes of the first.
        if self._channel.get_state(try_to_connect=True) is not _READY:
            self._note_lost()
            return max(wait_s, messages.RECONNECT_S)
        if self.lost:
            self._note_found()
            self.breaker.close()
        return self.breaker.wait_s(now_s)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Returns when the server is connected, the connection closed, or `timeout_s` over."""
        with contextlib.suppress(TimeoutError, grpc.aio.UsageError):  # closed
            async with asyncio.timeout(timeout_s):
                await self._channel.channel_ready()

    async def call(self, method: str, request: bytes, deadline: float, metadata: Metadata) -> bytes:
        """Makes one attempt; only if `wait_s` is 0. Raises `grpc.aio.AioRpcError`, and
        `Unavailable` where the connection is closed meanwhile."""
        if self._closed:
            raise self._ended()
        timeout_s = deadline - time.monotonic()
        decides = self.breaker.enter()
        self.in_flight += 1
        ok = None  # unless there is an answer, or none for reasons of the server's own
        try:
            response: bytes = await self._method(method)(
                request, timeout=timeout_s, metadata=metadata
            )
            ok = True
            if self._absence_counts_at_s:
                self._note_found()
            return response
        except grpc.aio.AioRpcError as error:
            ok = self._verdict(error.code(), timeout_s)
            if ok is False:
                self.last_failure = str(self.explain(error))
                if self._is_connected():
                    self._note_found()
                else:
                    self._note_lost()
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise self._ended() from None  # gRPC's way to say so
        finally:
            self.in_flight -= 1
            self._note(decides, ok)

    def explain(self, error: grpc.aio.AioRpcError) -> VitrineError:
        """Returns our error for gRPC's."""
        # What comes over a connection that holds are the server's own words; one that was just
        # lost can still seem to hold.
        lost = not self._is_connected() or "Stream removed" in (error.details() or "")
        return messages.error_for(error.code(), error.details(), self.address if lost else "")

    def _method(self, method: str) -> Any:
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(messages.path_of(method))
        return self._methods[method]

    def _note(self, decides: bool, ok: bool | None) -> None:
        now_s = time.monotonic()
        before = self.breaker.state(now_s)
        self.breaker.leave(now_s, decides=decides, ok=ok)
        after = self.breaker.state(now_s)
        if before == "closed" != after and self._is_missed():
            self._told_of_failures = True
            log.warning("%s is left alone for a while: %s", self.address, self.last_failure)
        elif before != "closed" == after and self._told_of_failures:
            self._told_of_failures = False
            log.warning("%s answers again", self.address)

    def _note_lost(self) -> None:
        """Notes that there is no connection, and logs that once."""
        self.lost = True
        if not self._told_of_absence and self.last_failure and self._is_missed():
            self._told_of_absence = True
            log.warning("%s", self.last_failure)

    def _note_found(self) -> None:
        """Notes that there is a connection; logs that where it was told that there was none."""
        self.lost, self._absence_counts_at_s = False, 0.0
        if self._told_of_absence:
            self._told_of_absence = False
            log.warning("%s is connected again", self.address)

    def _is_missed(self) -> bool:
        """Whether a server that is not there should be: it was before, or had its time to start."""
        return time.monotonic() >= self._absence_counts_at_s

    def _ended(self) -> Unavailable:
        return Unavailable(f"The connection to {self.address} was closed")

    def _is_connected(self) -> bool:
        return not self._closed and self._channel.get_state() is _READY

    def _verdict(self, code: grpc.StatusCode, timeout_s: float) -> bool | None:
        """Says whether a failed call speaks for its server: any other answer is one."""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # Who gives a server no time must not keep others from it.
            return False if timeout_s >= self._fair_timeout_s else None
        return code is not grpc.StatusCode.UNAVAILABLE
