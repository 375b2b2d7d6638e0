"""gRPC calls for a loop that does not wait: their ends come in through its selector."""

import socket
import time
from collections import deque
from functools import partial
from selectors import EVENT_READ, BaseSelector
from typing import Any

import grpc

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.http_connection import ResponseCallback, Tally
from vitrine_client.process.trust import Trust
from vitrine_client.tfserving import messages
from vitrine_client.tfserving.channel import new_channel, trust_of

_TOO_LONG = b"message larger than max"
"""Words of gRPC 1.85 for a message that is not received; its code is that of overload."""


class GrpcCalls:
    """gRPC channel to a server at `address`, with the calls of a `method` over it: HOST:PORT, with
    TLS where there is whom to trust, or else as grpc:// and grpcs:// say.

    Calls end in a thread of gRPC's. It takes the time and wakes the loop; all else is the loop's.
    """

    def __init__(
        self,
        address: str,
        selector: BaseSelector,
        timeout_s: float,
        tls: Trust | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        method: str = "",
    ) -> None:
        scheme, _, place = address.rpartition("://")
        if scheme:
            trust = (tls or Trust.chosen()) if scheme == "grpcs" else None
        else:
            trust = tls or trust_of(None, None)
        self._channel = new_channel(place, trust, most_bytes=faults.LONGEST_BYTES)
        self._predict = self._channel.unary_unary(method or messages.path_of(messages.PREDICT))
        self._timeout_s, self._selector = timeout_s, selector
        self._metadata = [(name.lower(), value) for name, value in headers] or None
        self.tally = Tally()
        self._ended: deque[tuple[GrpcCall, Any, float]] = deque()
        self._signalled = False
        self._woken, self._wake = socket.socketpair()
        selector.register(self._woken, EVENT_READ, self._collect)

    def connect(self, answered: ResponseCallback) -> "GrpcCall":
        """Adds a call that can be in flight; all go over the one connection."""
        return GrpcCall(self, answered)

    def begin(self, message: bytes, asker: "GrpcCall") -> Any:
        """Sends a request; `asker` is told of its end. Returns gRPC's handle of the call."""
        call = self._predict.future(message, timeout=self._timeout_s, metadata=self._metadata)
        call.add_done_callback(partial(self._note, asker))
        return call

    def close(self) -> None:
        """Ends all calls and the channel."""
        self._channel.close()
        self._selector.unregister(self._woken)
        self._woken.close()
        self._wake.close()

    def _note(self, asker: "GrpcCall", call: Any) -> None:
        self._ended.append((asker, call, time.monotonic()))
        if not self._signalled:  # one signal for all that came since the loop last looked
            self._signalled = True
            self._wake.send(b"!")

    def _collect(self, *_: object) -> None:
        self._woken.recv(16)
        self._signalled = False
        while self._ended:
            asker, call, at_s = self._ended.popleft()
            asker.ended(call, at_s)


class GrpcCall:
    """gRPC call slot: one call at a time."""

    def __init__(self, channel: GrpcCalls, answered: ResponseCallback) -> None:
        self._channel, self._answered = channel, answered
        self._call: Any = None

    def send(self, content: bytes) -> str:
        """Begins a call; nothing ever goes wrong at once."""
        self._call = self._channel.begin(content, self)
        return ""

    def abort(self) -> None:
        """Cancels the call in flight."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def ended(self, call: Any, at_s: float) -> None:
        """Reports the end of a call, unless that was cancelled."""
        if call is not self._call:
            return
        self._call = None
        code, details = call.code(), (call.details() or "").encode()
        if code is grpc.StatusCode.OK:
            self._answered("", call.result(), at_s)
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            self._answered(faults.TIMEOUT, details, at_s)
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LONG in details:
            self._answered(faults.TOO_LONG, details, at_s)
        else:
            self._answered(code.name, details, at_s)
