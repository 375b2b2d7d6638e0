"""Listener: accepts new connections so that each process of the gateway gets its share of them.

Processes that share a listening socket race for it, and asyncio takes all that wait at once, so
that of 16 clients that come together one process may get all. (With a socket for each,
SO_REUSEPORT, the kernel deals them out at random, and those in the queue of a process that ends are
lost.)
"""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from pydantic import Field, ValidationInfo, field_validator

from vitrine_client.errors import InvalidRequest
from vitrine_client.process.addresses import (
    HOST,
    PORT,
    gateway_port,
    is_service_link,
    unbracketed,
)
from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart
from vitrine_serving.gateway.shared_memory import SLOTS, int_cells

log = logging.getLogger(__name__)

HOLD_BACK_S = 0.002
"""How long a connection is left to processes with fewer; who does not come has enough to do."""

_EVEN_SHARE = 8
"""Processes are even within one connection, or the eighth part of those that they have."""

_RETRY_S = 1.0
_TELL_EVERY_S = 60.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_NOBODY = -1


class ServerSettings(SettingsPart):
    """Address and processes of the server."""

    host: str = HOST
    """Address to listen on; 0.0.0.0 for all."""
    port: int = Field(PORT, ge=1, le=65535)
    """Port to listen on."""
    v2_grpc_port: int = Field(0, ge=0, le=65535)
    """Port of gRPC, by the Open Inference Protocol; 0 for none, and `vitrine-serve up` takes
    VITRINE_PORT + 1 unless it is set."""
    workers: Count = 2
    """Processes."""
    header_timeout_s: Seconds = 10.0
    """Seconds that a new connection has to send its headers."""
    drain_s: float = Field(0.0, ge=0, le=3600)
    """Seconds after SIGTERM in which `/readyz` is 503 and new connections are still answered."""
    answer_timeout_s: Seconds = 30.0
    """Seconds that a client has to go on reading its answer, at 1 KiB a second or faster."""
    keepalive_s: Seconds = 75.0
    """Seconds that an idle connection stays open; more than a balancer in front keeps it (60)."""
    connection_max_age_s: float = Field(0.0, ge=0, le=86_400)
    """Seconds after which the next answer of a connection is its last, for each a tenth more or
    less, so that gateways that were added get their share; 0 for never."""

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return unbracketed(value)

    @field_validator("port", mode="before")
    @classmethod
    def _is_port(cls, value: object) -> object:
        """By the rule of the clients that read the same variable."""
        try:
            return gateway_port({"VITRINE_PORT": value}) if isinstance(value, str) else value
        except InvalidRequest as error:
            raise ValueError(str(error).rpartition("; ")[2]) from error

    @field_validator("v2_grpc_port", mode="before")
    @classmethod
    def _is_no_service_link(cls, value: object) -> object:
        return 0 if isinstance(value, str) and is_service_link(value) else value

    @field_validator("v2_grpc_port")
    @classmethod
    def _is_another_port(cls, value: int, info: ValidationInfo) -> int:
        if value and value == info.data.get("port"):
            raise ValueError("HTTP is there (VITRINE_PORT); name another port, or 0 for none")
        return value


class Shares:
    """Connection count of each process, by its slot; make it before the fork."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._counts = int_cells(slots)
        for slot in range(slots):
            self.forget(slot)

    def note(self, slot: int, count: int) -> None:
        """Says how many connections a process has."""
        self._counts[slot] = count

    def forget(self, slot: int) -> None:
        """Says that a process has ended, or accepts no more."""
        self._counts[slot] = _NOBODY

    def is_anybody_there(self) -> bool:
        """Says whether some process accepts connections."""
        return any(count != _NOBODY for count in self._counts)

    def is_more_than_others(self, count: int) -> bool:
        """Says whether some process has clearly fewer connections than `count`."""
        even = count - max(1, count // _EVEN_SHARE)
        return any(0 <= other < even for other in self._counts)


class Listener:
    """Stands for an `asyncio.Server` with one listening socket; lives in the running loop."""

    def __init__(
        self,
        sock: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        may_wait: Callable[[], bool],
        tls: ssl.SSLContext | None,
        handshake_timeout_s: float,
        shutdown_timeout_s: float,
        is_full: Callable[[int], bool] = lambda _: False,
        turn_away: Callable[[socket.socket], None] = socket.socket.close,
    ) -> None:
        """`may_wait` says whether others should have the next connection, and `is_full`, with the
        number of those that are being set up, whether one more would take the descriptors that are
        for the inside: `turn_away` closes it at once."""
        sock.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._make_protocol = make_protocol
        self._may_wait = may_wait
        self._is_full = is_full
        self._turn_away = turn_away
        self._told_at_s = -_TELL_EVERY_S
        self._tls = tls
        self._timeouts = (
            {
                "ssl_handshake_timeout": handshake_timeout_s,
                "ssl_shutdown_timeout": shutdown_timeout_s,
            }
            if tls
            else {}
        )
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._listen()

    def close(self, *, take_all: bool = False) -> None:
        """Takes no more connections; those that it has go on. With `take_all`, those that the
        kernel has accepted are taken first, and the socket is closed before it accepts others: it
        would reset those that nobody takes."""
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._sock)
        if take_all:
            with contextlib.suppress(OSError):  # no more descriptors
                while self._take():
                    pass
            self._sock.close()

    async def wait_closed(self, timeout_s: float | None = None) -> None:
        """Returns when those that were taken are with their protocols."""
        if self._connecting:
            await asyncio.wait(self._connecting, timeout=timeout_s)

    def _listen(self) -> None:
        self._loop.add_reader(self._sock, self._readable)

    def _readable(self) -> None:
        if self._may_wait():
            self._pause(HOLD_BACK_S, self._accept)
        else:
            self._accept()

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        def go_on() -> None:
            self._listen()
            then()

        self._loop.remove_reader(self._sock)
        self._timer = self._loop.call_later(seconds, go_on)

    def _accept(self) -> None:
        """Takes one; if more wait, the loop comes here again after all else had its turn."""
        try:
            self._take()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self._tell(error)
            self._pause(_RETRY_S, lambda: None)

    def _tell(self, error: OSError) -> None:
        now_s = self._loop.time()
        if now_s >= self._told_at_s + _TELL_EVERY_S:
            self._told_at_s = now_s
            log.warning(
                "New connections have to wait (%s): allow more files with `ulimit -n`, or set "
                "fewer VITRINE_CONNECTIONS",
                error.strerror,
            )

    def _take(self) -> bool:
        """Takes one, or says that none waits."""
        try:
            connection, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:
            return True
        if self._is_full(len(self._connecting)):
            self._turn_away(connection)
            return True
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return True

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol, connection, ssl=self._tls, **self._timeouts
            )
        except OSError:  # TLS that fails, or a client that has left
            connection.close()
