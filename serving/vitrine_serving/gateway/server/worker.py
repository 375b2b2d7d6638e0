"""Worker process: gunicorn's for ASGI, with time limits against slow clients and a quick end."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import termios
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from vitrine_serving.gateway.server import heartbeats
from vitrine_serving.gateway.server.descriptors import REFUSED
from vitrine_serving.gateway.server.draining import Draining
from vitrine_serving.gateway.server.listener import Listener, Shares
from vitrine_serving.gateway.shedding import CONNECTIONS, RETRY_AFTER_S

_LAST_CALL_S = 1.0
"""How long a connection may still begin a request once the worker is to end."""

_LOOK_EVERY_S = 0.5

_LAST_S = 3.0
"""Seconds before the master kills it that a worker leaves whom it still has, and ends in order."""

_SLOWEST = 1024
"""Bytes a second at which an answer has to be read."""

_READ_BYTES = 65536


def _refusal(status: bytes, title: bytes, detail: bytes, header: bytes = b"") -> bytes:
    """Returns an answer that closes its connection, for one that no request can be read from."""
    body = b'{"title":"%s","status":%s,"detail":"%s","error":"%s"}\n' % (
        title,
        status,
        detail,
        detail.partition(b";")[0],
    )
    return (
        b"HTTP/1.1 %s %s\r\n%sConnection: close\r\nContent-Type: application/problem+json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (status, title, header, len(body), body)
    )


_REFUSAL = _refusal(
    b"503",
    b"Service Unavailable",
    b"Too many connections; try again later",
    b"Retry-After: %d\r\n" % RETRY_AFTER_S,
)
_BAD_LENGTH = _refusal(
    b"400", b"Bad Request", b"The request's length is no number of bytes; send the right one"
)


class Worker(gasgi.ASGIWorker):
    """Neither idle connections nor busy threads hold up its end, and it knows how long headers may
    take, and the reading of answers."""

    header_timeout_s: float
    answer_timeout_s: float
    master_signals: Any
    draining: Draining
    look: Callable[[], None]
    shares: Shares
    slot: int
    servers: list[Listener]

    def __init__(self, *given: Any) -> None:
        """Runs in the master, before the fork."""
        *_, cfg, log = given
        cfg.set("worker_tmp_dir", heartbeats.folder(log.warning))
        super().__init__(*given)

    def init_process(self) -> None:
        """Runs in the new process, until it ends: at once, and not when each of its threads has
        done what nobody waits for any more."""
        self.open: set[ClientConnection] = set()
        self.refused = 0
        super().init_process()
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)

    def init_signals(self) -> None:
        """Takes signals from here on, and those that came since the fork, which the copy of the
        master's handler has put into its queue."""
        super().init_signals()
        while not self.master_signals.empty():
            if self.master_signals.get_nowait() in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self.alive = False

    def run(self) -> None:
        """Serves until it is told to end."""
        self._look_again()
        self.note_connections()
        self.loop.create_server = self._listen
        gc.collect()
        gc.freeze()  # what was imported stays, and looking through it takes tens of milliseconds
        try:
            super().run()
        finally:
            self.asgi.close()  # where the end was too quick for the application's own

    def _look_again(self) -> None:
        self.look()
        self.loop.call_later(_LOOK_EVERY_S, self._look_again)

    def note_connections(self) -> None:
        """Tells the other processes how many connections this one has, if it takes more."""
        if self.alive:
            self.shares.note(self.slot, self.nr_conns)
        else:
            self.shares.forget(self.slot)

    async def _listen(self, _: Any, *, sock: Any, ssl: Any, **__: Any) -> Listener:
        """Stands for the loop's `create_server`, which gunicorn calls."""
        return Listener(
            sock,
            lambda: ClientConnection(self),
            lambda: not self.alive or self.shares.is_more_than_others(self.nr_conns),
            ssl,
            # asyncio's own are 60 s, and 30 s for a goodbye that idle clients do not read.
            handshake_timeout_s=self.header_timeout_s,
            shutdown_timeout_s=_LAST_CALL_S,
            is_full=self._is_full,
            turn_away=partial(self._turn_away, is_plain=ssl is None),
        )

    def is_at_limit(self) -> bool:
        """Says whether it has as many connections as it may."""
        return len(self.open) >= int(self.cfg.worker_connections)

    def _is_full(self, connecting: int) -> bool:
        most = self.cfg.worker_connections + REFUSED
        return len(self.open) + self.refused + connecting >= most

    def _turn_away(self, connection: socket.socket, *, is_plain: bool) -> None:
        """Closes a connection for which there is not even time: one that has sent little so far is
        told why."""
        self.asgi.metrics.count_shed(CONNECTIONS)
        with connection:
            connection.setblocking(False)
            if is_plain:
                with contextlib.suppress(OSError):
                    connection.recv(_READ_BYTES)  # or closing it would reset it
                with contextlib.suppress(OSError):
                    connection.send(_REFUSAL)

    async def _shutdown(self) -> None:
        """Ends. Where nobody is left to take the connections that wait at the socket, they are
        this process's: those of one that ends alone are for the others."""
        is_last = self.draining.has_begun or self.ppid != os.getppid()
        for server in self.servers:
            server.close(take_all=is_last)
        for server in self.servers:
            await server.wait_closed(_LAST_CALL_S)
        self.servers = []
        await super()._shutdown()

    def handle_exit_signal(self) -> None:
        """SIGTERM: those that have a request in hand get their answer, the others go."""
        super().handle_exit_signal()
        self.asgi.begin_draining()
        self.note_connections()
        # Those that are opened from here on have their own time to begin.
        for connection in self.open:
            self.loop.call_later(_LAST_CALL_S, connection.end_if_idle)
        self.loop.call_later(max(self.cfg.graceful_timeout - _LAST_S, 0), self._leave_all)

    def _leave_all(self) -> None:
        for connection in list(self.open):
            connection.transport.abort()


class ClientConnection(ASGIProtocol):
    """Client connection: one client's. `app` is the application, or a stand-in for it."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._application = worker.asgi
        self.app = self._answer
        self._answering = False
        self._reading: asyncio.TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: Any) -> None:
        """Refuses one that is too many, and gives the others their time for headers."""
        if self.worker.is_at_limit():
            self._application.metrics.count_shed(CONNECTIONS)
            RefusedConnection(self.worker, transport)
            return
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1)  # it is known whether all has been read
        self.worker.open.add(self)
        self.worker.note_connections()
        patience_s = self.worker.header_timeout_s if self.worker.alive else _LAST_CALL_S
        self._timer = self.worker.loop.call_later(patience_s, self.end_if_idle)

    def data_received(self, data: bytes) -> None:
        """Reads what has come; gunicorn 27.0.1 raises for a length of thousands of digits."""
        try:
            super().data_received(data)
        except ValueError:
            self.transport.write(_BAD_LENGTH)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Forgets it."""
        self.worker.open.discard(self)
        self._timer.cancel()
        self._stop_looking()
        super().connection_lost(error)
        self.worker.note_connections()

    def pause_writing(self) -> None:
        """Looks from here on how fast the client reads: what is sent waits for it."""
        super().pause_writing()
        self._stop_looking()
        self._look_later()

    def resume_writing(self) -> None:
        """Goes on, as the kernel has taken what was sent."""
        self._stop_looking()
        super().resume_writing()

    def _look_later(self) -> None:
        self._unread = self._unread_bytes()
        loop, patience_s = self.worker.loop, self.worker.answer_timeout_s
        self._reading = loop.call_later(patience_s, self._end_if_unread)

    def _stop_looking(self) -> None:
        if self._reading:
            self._reading.cancel()

    def _end_if_unread(self) -> None:
        read = self._unread - self._unread_bytes()
        if read < min(self._unread, _SLOWEST * self.worker.answer_timeout_s):
            self.transport.abort()
        else:
            self._look_later()

    def _unread_bytes(self) -> int:
        """Returns what has been sent and not been read, here and, where it can be told, in the
        kernel, which takes more in large steps only."""
        here = int(self.transport.get_write_buffer_size())
        with contextlib.suppress(OSError, ValueError):
            fileno = self.transport.get_extra_info("socket").fileno()
            there = fcntl.ioctl(fileno, termios.TIOCOUTQ, bytes(4))
            return here + int.from_bytes(there, sys.byteorder)
        return here

    def end_if_idle(self) -> None:
        """Closes it unless a request is in hand."""
        if not self._answering:
            self.transport.close()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if self.worker.draining.has_begun:
            self._keepalive = 0  # gunicorn then says `Connection: close`
        self._timer.cancel()  # from here on gunicorn's keep-alive counts the time
        self._answering = True
        try:
            await self._application(scope, receive, send)
        finally:
            self._answering = False


class RefusedConnection(asyncio.Protocol):
    """Refused connection, one too many: it is told so, and read for a moment. One that is closed
    with bytes unread is reset, and its client would never see why."""

    def __init__(self, worker: Worker, transport: Any) -> None:
        self._worker = worker
        self._worker.refused += 1
        transport.set_protocol(self)
        transport.write(_REFUSAL)
        self._timer = worker.loop.call_later(_LAST_CALL_S, transport.abort)
        if transport.can_write_eof():
            with contextlib.suppress(OSError):  # it has gone already
                transport.write_eof()
        else:
            transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets it."""
        self._timer.cancel()
        self._worker.refused -= 1
