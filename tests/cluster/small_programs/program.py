"""Small program of a pod: an HTTP server, ready `READY_AFTER_S` seconds after its start.

It writes its variables into the file `VARIABLES`, ends on SIGTERM, and ignores it if it is
`STUBBORN`. `python -m tests.cluster.small_programs.program PORT`
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

_STARTED_S = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    """Answers 200 once it is ready, and 503 before."""

    def do_GET(self) -> None:
        """Answers."""
        age_s = time.monotonic() - _STARTED_S
        self.send_response(200 if age_s >= float(os.environ.get("READY_AFTER_S", "0")) else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main(port: str) -> None:
    """Serves until it is ended."""
    if "STUBBORN" not in os.environ:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if "VARIABLES" in os.environ:
        Path(os.environ["VARIABLES"]).write_text(json.dumps(dict(os.environ)))
    HTTPServer(("", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
