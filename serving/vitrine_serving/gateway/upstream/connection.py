"""Upstream connection: one model server's channel, circuit breaker and calls in flight."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import grpc

from vitrine_client.errors import NotGrpc, Unavailable, VitrineError
from vitrine_client.process import local_sockets
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.upstream import outliers
from vitrine_serving.gateway.upstream.breaker import Breaker, State
from vitrine_serving.gateway.upstream.discovery import ServerEndpoint
from vitrine_serving.gateway.upstream.ejection import (
    EjectionSettings,
    OutlierEjection,
    ServerStanding,
    outcome_of,
)
from vitrine_serving.gateway.upstream.lacking import Lacking
from vitrine_serving.gateway.upstream.local import LocalChannel

log = logging.getLogger(__name__)

Metadata = Sequence[tuple[str, str]]
"""Of a gRPC call: names in lower case, values in printable ASCII."""

Silence = Literal["", "hangs", "gone"]
"""Finding about a server: it answers; it takes connections and answers nothing; it takes none."""

_READY, _FAILED = grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE

START_S = 60.0
"""Seconds that a model server may take to its first connection before its absence is logged: it is
often started beside the gateway, and imports for 20 s from a cold disk."""

_LASTING = (NotGrpc.reason, *local_sockets.LASTING)

_LATE_S = 0.05
"""Seconds before its deadline from which on a call that is cancelled was late: whoever waits for it
has the same deadline, and may be told of it before gRPC is."""

_CONNECTED_S = 0.3
"""Seconds that a new server has for its connection; then others that have one are asked first."""

_PROBE_HEDGE_S = 0.2
"""Seconds after which the call that decides about a server is asked of another as well: nobody is
to wait for a server that is known to have failed."""


@dataclass(frozen=True)
class ServerState:
    """State of one model server: its calls in flight, its circuit breaker, and whether outlier
    ejection leaves it alone, or tries it; the breaker of one that cannot be reached is open."""

    address: str
    in_flight: int
    breaker: State
    is_ejected: bool = False


@dataclass(slots=True, eq=False)
class Flight:
    """Call in flight, as the watch for silent servers sees it.

    From `hedge_at_s` on it is asked of another server as well, by the task `hedge`, if not before
    `held_until_s`; `rescue` is the other's response with its connection, or `refusal` its error,
    where that came first. One that `decides` about its server is the only one in flight there.
    """

    method: str
    request: bytes
    metadata: Metadata
    deadline: float
    started_s: float
    hedge_at_s: float
    channel: Any
    decides: bool = False
    held_until_s: float = 0.0
    call: Any = None
    hedge: asyncio.Task[None] | None = None
    rescue: "tuple[bytes, Connection] | None" = None
    refusal: grpc.aio.AioRpcError | None = None

    def end_with(self, rescue: "tuple[bytes, Connection] | grpc.aio.AioRpcError") -> None:
        """Ends the call with the answer of another server, which may be an error."""
        if isinstance(rescue, grpc.aio.AioRpcError):
            self.refusal = rescue
        else:
            self.rescue = rescue
        self.hedge = None
        self.call.cancel()


class Connection:
    """Connection to one model server, and its health; made and used in one running event loop.

    `lost` says that there was no connection when it was last asked or looked at, `silence` what the
    health check has found, `heard_at_s` when the server last answered anything, `checked_s` when
    that was checked, and `patience_s` how long the next check takes at least.
    """

    def __init__(
        self,
        endpoint: ServerEndpoint,
        breaker: Breaker,
        standing: ServerStanding | None = None,
        *,
        credentials: grpc.ChannelCredentials | None,
        fair_timeout_s: float,
        start_s: float = START_S,
        note_large: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = endpoint
        self.name = str(endpoint)
        self.breaker = breaker
        self.standing = standing or ServerStanding(self.name, OutlierEjection(EjectionSettings()))
        self.flights: set[Flight] = set()
        self.last_failure = ""
        self.lost = False
        self.silence: Silence = ""
        self.heard_at_s = self.checked_s = self.patience_s = 0.0
        self.lacking = Lacking()
        self._late = f"The model server at {self.name} did not answer in time"
        self._credentials = credentials
        self._note_large = note_large
        self._methods: dict[str, Any] = {}
        self.channel = self.new_channel()
        self._retired: list[Any] = []
        self._fair_timeout_s = fair_timeout_s
        self._made_s = time.monotonic()
        self._absence_counts_at_s = self._made_s + start_s
        self._told_of_absence = self._told_of_failures = self._told_of_faults = False
        self._closed = False

    async def close(self) -> None:
        """Ends the connection; calls in flight raise `Unavailable`."""
        self._closed = True
        await asyncio.gather(*(each.close() for each in (self.channel, *self._retired)))

    def new_channel(self) -> Any:
        """Returns another channel to the server, with a connection of its own."""
        address, name, server_name = self.endpoint
        if path := local_sockets.path_of(address):
            return LocalChannel(path, self._note_large)
        options = messages.channel_options(server_name)
        if self._credentials:
            return grpc.aio.secure_channel(address, self._credentials, options=options)
        named = [("grpc.default_authority", name)] if name else []
        return grpc.aio.insecure_channel(address, options=options + named)

    def replace_channel(self, channel: Any) -> None:
        """Has further calls made on another channel, as the one in use is silent. Calls in flight
        stay where they are, and are asked again by the watch."""
        log.warning("%s answers over a new connection, the one in use was lost", self.name)
        self._retired.append(self.channel)
        self.channel, self._methods = channel, {}

    async def close_retired(self) -> None:
        """Ends the channels that were replaced, once they have no calls any more."""
        used = {id(flight.channel) for flight in self.flights}
        over = [each for each in self._retired if id(each) not in used]
        self._retired = [each for each in self._retired if id(each) in used]
        await asyncio.gather(*(each.close() for each in over))

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return len(self.flights)

    def snapshot(self) -> ServerState:
        """Returns how it is doing."""
        is_out = self.lost or self.silence
        breaker = "open" if is_out else self.breaker.state(time.monotonic())
        is_ejected = bool(self.standing.state)
        return ServerState(self.endpoint.address, self.in_flight, breaker, is_ejected)

    def is_called(self) -> bool:
        """Whether it is reached, and gets calls; those of one that is left alone by the breaker, or
        is silent, are not compared with others'."""
        is_out = self.lost or self.silence or not self.is_reached()
        return not is_out and self.breaker.state(time.monotonic()) == "closed"

    def wait_s(self) -> float:
        """Returns the seconds until it may be called, 0 if it may now."""
        now_s = time.monotonic()
        wait_s = self.breaker.wait_s(now_s)
        if self._closed or not (wait_s or self.lost or self.silence):
            return wait_s
        if self.silence == "gone":  # the watch finds it again
            return max(wait_s, messages.RECONNECT_S)
        # Who cannot be reached need not be asked to know that. One that is reached again need not
        # sit its time out, and those who come together need not wait for what becomes of the first.
        if self.channel.get_state(try_to_connect=True) is not _READY:
            self._note_lost()
            return max(wait_s, messages.RECONNECT_S)
        if self.lost:
            self._note_found()
            self.breaker.close()
        return self.breaker.wait_s(now_s)

    def is_reached(self) -> bool:
        """Whether it has had a connection; or needs none, as it is closed."""
        if self._absence_counts_at_s and self._is_connected():
            self._note_found()
        return self._closed or not self._absence_counts_at_s

    def is_absent(self) -> bool:
        """Whether it has failed to connect, or takes its time to; one that did not try begins."""
        if self._closed or self.channel.get_state(try_to_connect=True) is _FAILED:
            return True
        return time.monotonic() - self._made_s > _CONNECTED_S

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Returns when the server is connected, the connection closed, or `timeout_s` over."""
        with contextlib.suppress(TimeoutError, grpc.aio.UsageError):  # closed
            async with asyncio.timeout(timeout_s):
                await self.channel.channel_ready()

    async def call(
        self,
        method: str,
        request: bytes,
        deadline: float,
        metadata: Metadata,
        hedge_after_s: float = math.inf,
        *,
        is_heard: bool = True,
    ) -> tuple[bytes, "Connection"]:
        """Makes one attempt; only if `wait_s` is 0. Returns the response, and the connection over
        which it came: another, where this one gave none within `hedge_after_s`. Where it decides
        about the server, and somebody hears it, that is a moment.

        Raises `grpc.aio.AioRpcError`, and `Unavailable` where the connection is closed meanwhile.
        """
        if self._closed:
            raise self._ended()
        now_s = time.monotonic()
        timeout_s = deadline - now_s
        decides = self.breaker.enter()
        hedge_at_s = now_s + (_PROBE_HEDGE_S if decides and is_heard else hedge_after_s)
        asked = method, request, metadata, deadline, now_s, hedge_at_s, self.channel
        flight = Flight(*asked, decides=decides)
        ok = outcome = None  # unless there is an answer, or none for reasons of the server's own
        self.flights.add(flight)
        try:
            flight.call = self._method(method)(request, timeout=timeout_s, metadata=metadata)
            response: bytes = await flight.call
            ok, outcome = True, outliers.OK
            if self._absence_counts_at_s:
                self._note_found()
            return response, self
        except grpc.aio.AioRpcError as error:
            ok = self._verdict(error.code(), timeout_s)
            outcome = outcome_of(error.code(), ok)
            if ok is False:
                self._note_failure(str(self.explain(error)))
            raise
        except asyncio.CancelledError:
            if _is_wished():
                ok = self._verdict_if_late(deadline, timeout_s)
                outcome = outcome_of(grpc.StatusCode.DEADLINE_EXCEEDED, ok)
                raise
            if flight.rescue:
                outcome = outliers.OK  # in this time at least
                return flight.rescue
            raise flight.refusal or self._ended() from None  # gRPC's way to say so
        finally:
            self.flights.discard(flight)
            if flight.hedge:
                flight.hedge.cancel()
            self._note(decides, ok)
            if outcome is not None:
                self.standing.note(method, request, now_s, outcome)

    def explain(self, error: grpc.aio.AioRpcError) -> VitrineError:
        """Returns our error for gRPC's."""
        # What comes over a connection that holds are the server's own words; one that was just
        # lost can still seem to hold.
        lost = not self._is_connected() or "Stream removed" in (error.details() or "")
        return messages.error_for(error.code(), error.details(), self.name if lost else "")

    def note_silence(self, silence: Silence, reason: str) -> None:
        """Notes what the watch has found, and logs what is new."""
        if not self.silence:
            self.last_failure = f"The model server at {self.name} {reason}"
            self._told_of_failures = True
            log.warning("%s is left alone until it answers: it %s", self.name, reason)
        self.silence = silence

    def note_alive(self) -> None:
        """Notes that the server has answered the watch."""
        self.heard_at_s = time.monotonic()
        self._note_found()
        if self.silence:
            self.silence = ""
            self._told_of_failures = False
            self.breaker.close()
            log.warning("%s answers again", self.name)

    def note_outrun(self) -> None:
        """Notes that another server has answered a call that this one has not, in all the time that
        such a call may take: it is left alone for a while."""
        self._note_failure(self._late)
        self._change(lambda now_s: self.breaker.trip(now_s))

    def note_fault(self, model: ModelRef, reason: VitrineError) -> None:
        """Notes that it could not compute what another server has answered, and logs that once."""
        self.lacking.note(model)
        if not self._told_of_faults:
            self._told_of_faults = True
            log.warning("%s fails where others do not, and is asked less: %s", self.name, reason)

    def _method(self, method: str) -> Any:
        if method not in self._methods:
            self._methods[method] = self.channel.unary_unary(messages.path_of(method))
        return self._methods[method]

    def _note(self, decides: bool, ok: bool | None) -> None:
        if ok and self.silence:
            self.note_alive()
        elif ok:
            self.heard_at_s = time.monotonic()
        self._change(lambda now_s: self.breaker.leave(now_s, decides=decides, ok=ok))

    def _change(self, change: Callable[[float], None]) -> None:
        """Changes the breaker, and logs what becomes of that."""
        now_s = time.monotonic()
        before = self.breaker.state(now_s)
        change(now_s)
        after = self.breaker.state(now_s)
        if before == "closed" != after and self._is_missed():
            self._told_of_failures = True
            log.warning("%s is left alone for a while: %s", self.name, self.last_failure)
        elif before != "closed" == after and self._told_of_failures:
            self._told_of_failures = False
            log.warning("%s answers again", self.name)

    def _note_failure(self, reason: str) -> None:
        self.last_failure = reason
        if self._is_connected():
            self._note_found()
        else:
            self._note_lost()

    def _note_lost(self) -> None:
        """Notes that there is no connection, and logs that once."""
        self.lost = True
        lasts = any(words in self.last_failure for words in _LASTING)  # which no start explains
        if not self._told_of_absence and self.last_failure and (self._is_missed() or lasts):
            self._told_of_absence = True
            log.warning("%s", self.last_failure)

    def _note_found(self) -> None:
        """Notes that there is a connection; logs that where it was told that there was none."""
        self.lost, self._absence_counts_at_s = False, 0.0
        if self._told_of_absence:
            self._told_of_absence = False
            log.warning("%s is connected again", self.name)

    def _is_missed(self) -> bool:
        """Whether a server that is not there should be: it was before, or had its time to start."""
        return time.monotonic() >= self._absence_counts_at_s

    def _ended(self) -> Unavailable:
        return Unavailable(f"The connection to {self.name} was closed")

    def _is_connected(self) -> bool:
        return not self._closed and self.channel.get_state() is _READY

    def _verdict_if_late(self, deadline: float, timeout_s: float) -> bool | None:
        """Says whether a call that is cancelled speaks for its server: not where it was late, as
        gRPC would say in a moment."""
        if time.monotonic() <= deadline - _LATE_S:
            return None
        self._note_failure(self._late)
        return self._verdict(grpc.StatusCode.DEADLINE_EXCEEDED, timeout_s)

    def _verdict(self, code: grpc.StatusCode, timeout_s: float) -> bool | None:
        """Says whether a failed call speaks for its server: any other answer is one."""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # Who gives a server no time must not keep others from it.
            return False if timeout_s >= self._fair_timeout_s else None
        return code is not grpc.StatusCode.UNAVAILABLE


def _is_wished() -> bool:
    """Says whether this task is cancelled, and not a call that it waits for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
