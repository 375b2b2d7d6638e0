"""Worker process: gunicorn's for ASGI, with time limits against slow clients and a quick end."""

import gc
import os
import signal
from collections.abc import Callable
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from vitrine_serving.gateway.server import heartbeats
from vitrine_serving.gateway.server.draining import Draining
from vitrine_serving.gateway.server.listener import Listener, Shares
from vitrine_serving.gateway.shedding import CONNECTIONS, RETRY_AFTER_S

_LAST_CALL_S = 1.0
"""How long a connection may still begin a request once the worker is to end."""

_LOOK_EVERY_S = 0.5

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nConnection: close\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s"
)
_FULL_BODY = (
    b'{"title":"Service Unavailable","status":503,"detail":"Too many connections; try again '
    b'later","error":"Too many connections"}\n'
)


class Worker(gasgi.ASGIWorker):
    """Idle connections do not hold up its end, and it knows how long headers may take."""

    header_timeout_s: float
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
        """Runs in the new process, until it ends."""
        self.open: set[ClientConnection] = set()
        super().init_process()

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
        )

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


class ClientConnection(ASGIProtocol):
    """Client connection: one client's. `app` is the application, or a stand-in for it."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._application = worker.asgi
        self.app = self._answer
        self._answering = False

    def connection_made(self, transport: Any) -> None:
        """Refuses one that is too many, and gives the others their time for headers."""
        super().connection_made(transport)
        self.worker.open.add(self)
        self.worker.note_connections()
        patience_s = self.worker.header_timeout_s if self.worker.alive else _LAST_CALL_S
        self._timer = self.worker.loop.call_later(patience_s, self.end_if_idle)
        if self.worker.nr_conns > self.cfg.worker_connections:
            self._application.metrics.count_shed(CONNECTIONS)
            transport.write(_FULL % (RETRY_AFTER_S, len(_FULL_BODY), _FULL_BODY))
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Forgets it."""
        self.worker.open.discard(self)
        self._timer.cancel()
        super().connection_lost(error)
        self.worker.note_connections()

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
