"""gunicorn's configuration, from the gateway's settings; each worker makes its own application."""

import sys

from pydantic import ValidationError

from vitrine_serving.gateway.settings import Settings, explain

try:
    _settings = Settings()
except ValidationError as error:
    sys.exit(explain(error))

bind = f"{_settings.host}:{_settings.port}"
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads
wsgi_app = "vitrine_serving.gateway:create_app()"
keepalive = 30  # seconds; longer than clients pause between two requests
graceful_timeout = 30  # seconds for requests in hand after SIGTERM
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeats on a disk can block a worker
control_socket_disable = True
