"""gunicorn's worker for ASGI, with what it lacks against slow clients, and a quick end."""

import signal
from functools import partial
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

_LAST_CALL_S = 1.0
"""How long a connection may still begin a request once the worker is to end."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s"
)
_FULL_BODY = (
    b'{"title":"Service Unavailable","status":503,"detail":"Too many connections; try again '
    b'later","error":"Too many connections"}'
)


class Worker(gasgi.ASGIWorker):
    """Idle connections do not hold up its end, and it knows how long headers may take."""

    header_timeout_s: float
    master_signals: Any

    def init_process(self) -> None:
        """Runs in the new process, until it ends."""
        self.open: set[Connection] = set()
        # The worker has no setting for it.
        gasgi.ASGIProtocol = Connection
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
        if self.cfg.is_ssl:
            # asyncio's own are 60 s, and 30 s for a goodbye that idle clients do not read.
            self.loop.create_server = partial(
                self.loop.create_server,
                ssl_handshake_timeout=self.header_timeout_s,
                ssl_shutdown_timeout=_LAST_CALL_S,
            )
        super().run()

    def handle_exit_signal(self) -> None:
        """SIGTERM: those that have a request in hand get their answer, the others go."""
        super().handle_exit_signal()
        self.loop.call_later(_LAST_CALL_S, self._end_idle)

    def _end_idle(self) -> None:
        for connection in list(self.open):
            connection.end_if_idle()


class Connection(ASGIProtocol):
    """Of one client. `app` is the application, or what stands for it."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._application = worker.asgi
        self.app = self._answer
        self._answering = False

    def connection_made(self, transport: Any) -> None:
        """Refuses one that is too many, and gives the others their time for headers."""
        super().connection_made(transport)
        self.worker.open.add(self)
        self._timer = self.worker.loop.call_later(self.worker.header_timeout_s, self.end_if_idle)
        if self.worker.nr_conns > self.cfg.worker_connections:
            transport.write(_FULL % (len(_FULL_BODY), _FULL_BODY))
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Forgets it."""
        self.worker.open.discard(self)
        self._timer.cancel()
        super().connection_lost(error)

    def end_if_idle(self) -> None:
        """Closes it unless a request is in hand."""
        if not self._answering:
            self.transport.close()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self._timer.cancel()  # from here on gunicorn's keep-alive counts the time
        self._answering = True
        try:
            await self._application(scope, receive, send)
        finally:
            self._answering = False
