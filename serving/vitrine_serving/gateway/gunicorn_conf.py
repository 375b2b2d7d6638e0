"""gunicorn's configuration, from the gateway's settings; each worker makes its own application."""

import sys
import warnings

from gevent import get_hub
from gevent.monkey import MonkeyPatchWarning
from pydantic import ValidationError

from vitrine_serving.gateway.settings import Settings, explain

try:
    _settings = Settings()
except ValidationError as error:
    sys.exit(explain(error))

# It is about TLS in modules that were imported before, and none of them connects to anything here.
warnings.simplefilter("ignore", MonkeyPatchWarning)

bind = f"{_settings.host}:{_settings.port}"
# One thread runs all requests of a worker, so that a slow client holds a few kilobytes and no
# thread; measured against threads: docs/architecture.md.
worker_class = "vitrine_serving.gateway.worker.Worker"
workers = _settings.workers
worker_connections = _settings.connections
wsgi_app = "vitrine_serving.gateway:create_app()"
keepalive = 30  # seconds; longer than clients pause between two requests
graceful_timeout = 30  # seconds for requests in hand after SIGTERM
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeats on a disk can block a worker
control_socket_disable = True


def post_worker_init(_: object) -> None:
    """Makes room for calls that block: a model server that hangs must not hold all of it."""
    get_hub().threadpool.maxsize = 32
