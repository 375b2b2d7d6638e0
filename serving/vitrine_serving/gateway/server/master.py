"""Master process: gunicorn's, with the exit codes that all commands have."""

import signal
import sys
import time
from typing import Any

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from vitrine_client.process.exit_codes import NOT_BEGUN
from vitrine_client.process.signals import Terminal, exit_code
from vitrine_serving.gateway.server.draining import Draining

_NO_EXIT_CODE = -1
_LOOK_EVERY_S = 0.5
_SAME_S = 0.3
"""Time in which a second SIGTERM is a copy of the first."""


class Master(Arbiter):  # type: ignore[misc]
    """SIGTERM drains it, which is exit code 0; Ctrl-C ends it with 130.

    Before it drains, its workers go on for `drain_s`, while balancers see that it is not ready;
    Ctrl-C or another SIGTERM ends that. `look` is called twice a second, and when a child ends, and
    may read files and start processes; `end_helpers` ends these after the last worker.

    Once some worker has served (`is_served`), no worker that cannot be started ends the others.

    SIGHUP has it read certificates and keys again, unless that came from its terminal, which was
    closed: then it drains, and ends with 129.
    """

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__(app)
        self.look: Any = lambda: None
        self.end_helpers: Any = lambda: None
        self.draining = Draining()
        self.drain_s = 0.0
        self._told_to_end_at_s: float | None = None
        self._ended_by: int | None = None
        self.is_served: Any = lambda: False
        self.release: Any = lambda _: None
        self.unborn: Any = None
        self._not_spawned = ""
        self._has_served = False
        self._terminal = Terminal()

    def handle_int(self) -> None:
        """Handles SIGINT."""
        self._ended_by = signal.SIGINT
        super().handle_int()

    def handle_hup(self) -> None:
        """Handles SIGHUP."""
        if self._terminal.is_closed:
            self._ended_by = signal.SIGHUP
            raise StopIteration
        if self._told_to_end_at_s is None:
            super().handle_hup()

    def handle_term(self) -> None:
        """Handles SIGTERM; make and timeout(1) send it twice in a row, which counts once."""
        now_s = time.monotonic()
        if self._told_to_end_at_s is None and self.drain_s:
            self._told_to_end_at_s = now_s
            self.draining.begin()
        elif self._told_to_end_at_s is None or now_s > self._told_to_end_at_s + _SAME_S:
            super().handle_term()

    def wait_for_signals(self, timeout: float = _LOOK_EVERY_S) -> list[int]:
        """Returns the signals that have come, after `timeout` at most. Raises `StopIteration` when
        the time for balancers is over."""
        self.look()
        self._has_served = self._has_served or self.is_served()
        if self._told_to_end_at_s is None:
            return list(super().wait_for_signals(min(timeout, _LOOK_EVERY_S)))
        left_s = self._told_to_end_at_s + self.drain_s - time.monotonic()
        if left_s <= 0:
            raise StopIteration
        return list(super().wait_for_signals(min(left_s, _LOOK_EVERY_S)))

    def spawn_worker(self) -> int | None:
        """Starts a worker, or says why it cannot be started now: gunicorn tries again."""
        try:
            pid: int = super().spawn_worker()
        except OSError as error:
            if self.unborn is not None:
                self.release(self.unborn)
                self.unborn = None
            if not self._has_served:
                print(f"Error: {error}", file=sys.stderr)
                raise HaltServer("No process can be started", NOT_BEGUN) from error
            if str(error) != self._not_spawned:
                self._not_spawned = str(error)
                self.log.warning("A process that answers cannot be started now: %s", error)
            return None
        self.unborn, self._not_spawned = None, ""
        return pid

    def reap_workers(self) -> None:
        """Takes note of processes that have ended."""
        if self._has_served:
            self.WORKER_BOOT_ERROR = self.APP_LOAD_ERROR = _NO_EXIT_CODE
        super().reap_workers()

    def stop(self, graceful: bool = True) -> None:
        """Ends the workers: each takes what waits at the socket before it closes it."""
        self.draining.begin()
        super().stop(graceful)
        self.end_helpers()

    def run(self) -> None:
        """Serves, and raises `SystemExit`."""
        try:
            super().run()
        except SystemExit as end:
            if end.code or self._ended_by is None:
                raise
            sys.exit(exit_code(self._ended_by))


class Gunicorn(WSGIApplication):  # type: ignore[misc]
    """gunicorn with this master."""

    def run(self) -> None:
        """Reads the configuration that the command line names, and serves."""
        Master(self).run()
