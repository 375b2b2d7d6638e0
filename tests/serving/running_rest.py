"""REST server of the model server in a thread, for tests that speak to its port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.ports import free_port
from vitrine_serving.model_server.rest_server import RestServer

END_S = 30


@contextmanager
def running_rest(app: Any, **options: Any) -> Iterator[tuple[RestServer, int]]:
    """Runs an application at a free port until the end of the block; yields the server and it."""
    port = free_port()
    server = RestServer(app, [f"127.0.0.1:{port}"], **options)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server, port
    finally:
        server.close()
        server.shut_down(END_S)
        thread.join(END_S)
