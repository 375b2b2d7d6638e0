"""Master process: gunicorn's, with the exit codes that all commands have."""

import signal
import sys

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter

from vitrine_client.process.signals import Terminal, exit_code


class Master(Arbiter):  # type: ignore[misc]
    """SIGTERM drains it, which is exit code 0; Ctrl-C ends it with 130.

    SIGHUP has it read certificates and keys again, unless that came from its terminal, which was
    closed: then it drains, and ends with 129.
    """

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__(app)
        self._ended_by: int | None = None
        self._terminal = Terminal()

    def handle_int(self) -> None:
        """Handles SIGINT."""
        self._ended_by = signal.SIGINT
        super().handle_int()

    def handle_hup(self) -> None:
        """Handles SIGHUP."""
        if not self._terminal.is_closed:
            super().handle_hup()
            return
        self._ended_by = signal.SIGHUP
        self.handle_term()

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
