"""gunicorn's gevent worker, which here does not wait for idle connections when it is to end."""

from types import FrameType, TracebackType
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

_LAST_CALL_S = 1.0
"""How long a connection may still begin a request once the worker is to end."""


class Worker(GeventWorker):
    """gevent's worker; connections that are kept alive would hold up its end for `keepalive`."""

    def init_process(self) -> None:
        """Runs in the new process."""
        self._idle: set[_NextRequest] = set()
        super().init_process()

    def timeout_ctx(self) -> "_NextRequest":
        """Returns what gunicorn enters to wait for the next request of a connection."""
        return _NextRequest(self._idle, self.cfg.keepalive if self.alive else _LAST_CALL_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: those that have a request in hand get their answer, the others go."""
        super().handle_exit(sig, frame)
        gevent.spawn_later(_LAST_CALL_S, self._end_idle)

    def _end_idle(self) -> None:
        for connection in list(self._idle):
            connection.end()


class _NextRequest:
    """A wait that ends without a word after `seconds`, or when it is told to."""

    def __init__(self, idle: "set[_NextRequest]", seconds: float) -> None:
        self._idle = idle
        self._timeout = gevent.Timeout(seconds, False)

    def __enter__(self) -> None:
        self._greenlet = gevent.getcurrent()
        self._idle.add(self)
        self._timeout.start()

    def __exit__(
        self, kind: Any, value: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._idle.discard(self)
        self._timeout.close()
        return value is self._timeout

    def end(self) -> None:
        """Ends the wait now."""
        gevent.kill(self._greenlet, self._timeout)
