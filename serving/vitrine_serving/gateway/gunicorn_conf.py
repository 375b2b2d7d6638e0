"""gunicorn's configuration, from the gateway's settings; each worker makes its own application."""

import ssl
import sys
from collections.abc import Callable
from math import ceil
from typing import Any

from gunicorn import glogging

from vitrine_client.open_inference.names import shared_paths
from vitrine_client.process.exit_codes import NOT_BEGUN
from vitrine_serving import ports
from vitrine_serving.gateway.application import TASKS, Gateway, create_app
from vitrine_serving.gateway.server import allocation, descriptors
from vitrine_serving.gateway.server.grpc_server import GrpcLimits, GrpcServer
from vitrine_serving.gateway.server.worker import unheeded
from vitrine_serving.gateway.settings import SettingsError, checked_settings
from vitrine_serving.gateway.shared_state import SharedState
from vitrine_serving.gateway.telemetry import logs, prediction_log
from vitrine_serving.gateway.telemetry.feedback import log as feedback_log
from vitrine_serving.ports import PortError

try:
    _settings = checked_settings()
    # The command did so; meanwhile another program may have come, and gunicorn would try for 5 s.
    _server = _settings.server
    ports.check_gateway(_server.host, _server.port, _server.v2_grpc_port)
    # It is held from here on: no other program gets it while processes are replaced.
    _held = _server.v2_grpc_port and ports.reserved(_server.host, _server.v2_grpc_port)
except (SettingsError, PortError) as error:
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(NOT_BEGUN)

_shared = SharedState(_settings, TASKS)


class logger_class(glogging.Logger):  # type: ignore[misc]  # noqa: N801 - gunicorn's name for it
    """Logger of gunicorn's own lines, which are like all others from the first. Its setup in the
    master configures what workers inherit.

    Not `logconfig_dict`, which turns on gunicorn's access log and turns off `--log-level`.
    """

    def setup(self, cfg: Any) -> None:
        """Formats gunicorn's lines, and configures all others."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.formatter(_settings.logs))
        logs.configure(_settings.logs)


def make_app() -> Gateway:
    """Returns the application of a worker."""
    return create_app(_settings, shared=_shared)


def on_starting(master: Any) -> None:
    """Hands the master what gunicorn has no setting for, and says what it cannot have."""
    if said := unheeded(master.cfg):
        print(f"Error: {said}", file=sys.stderr)
        sys.exit(NOT_BEGUN)
    fitting = descriptors.warning(_settings.shedding.connections, worker_connections)
    no_predictions = prediction_log.unused(_settings.prediction_log)
    no_feedback = feedback_log.unused(_settings.feedback)
    no_zone = _settings.upstream.zones.warning()
    for said in filter(None, (fitting, no_predictions, no_feedback, no_zone)):
        master.log.warning(said)
    for name in _settings.listed.models:
        if said := shared_paths(name):
            master.log.warning("Model %s: %s", name, said)
    master.look = _shared.look
    master.draining = _shared.draining
    master.drain_s = _settings.server.drain_s
    master.is_served = _shared.shares.is_anybody_there
    master.release = _shared.release
    master.end_helpers = _shared.decoding.end
    allocation.return_large_blocks()
    _shared.decoding.look()  # before the sockets are there, and before the first worker


def pre_fork(master: Any, worker: Any) -> None:
    """Chooses, in the master, the slot of shared memory that the next worker goes on with, and
    reads keys and certificates again: it starts with those that were good last."""
    _shared.guard.look()
    _shared.tls.renew()
    worker.slot = master.unborn = _shared.slots.take()


def post_fork(arbiter: Any, worker: Any) -> None:
    """Hands a new worker what gunicorn has no setting for."""
    worker.master_signals = arbiter.SIG_QUEUE
    worker.shares = _shared.shares
    worker.draining = _shared.draining
    worker.look = _shared.guard.look
    worker.header_timeout_s = _settings.server.header_timeout_s
    worker.answer_timeout_s = _settings.server.answer_timeout_s
    worker.connection_max_age_s = _settings.server.connection_max_age_s
    if _settings.server.v2_grpc_port:
        worker.make_grpc = _make_grpc


def _make_grpc(gateway: Gateway, note: Callable[[], None]) -> GrpcServer:
    """Returns the gRPC server of a worker, with the certificates that were good at its fork."""
    server = _settings.server
    return GrpcServer(
        gateway,
        ports.bind_address(server.host, server.v2_grpc_port),
        GrpcLimits(
            worker_connections,
            server.header_timeout_s,
            server.keepalive_s,
            server.answer_timeout_s,
            _settings.requests,
            server.connection_max_age_s,
        ),
        _shared.tls.front_pems(),
        note,
    )


def child_exit(_: object, worker: Any) -> None:
    """Runs in the master when a worker has ended, however that was."""
    _shared.release(worker.slot)


bind = ports.bind_address(_settings.server.host, _settings.server.port)
# One thread runs all requests of a worker, so that a slow client holds a few kilobytes and no
# thread; measured against others: docs/architecture.md.
worker_class = "vitrine_serving.gateway.server.worker.Worker"
workers = _settings.server.workers
# gRPC takes as many beside them, if it is on.
_SIDES = 2 if _settings.server.v2_grpc_port else 1
worker_connections = (
    descriptors.fitting_connections(_SIDES * _settings.shedding.connections) // _SIDES or 1
)
wsgi_app = f"{__name__}:make_app"
keepalive = ceil(_settings.server.keepalive_s)  # idle timeout; gunicorn's are whole seconds
graceful_timeout = 30  # seconds for requests in hand after SIGTERM
control_socket_disable = True

certfile = _settings.tls.tls_cert and str(_settings.tls.tls_cert)  # tells of TLS; the rest is:


def ssl_context(_: object, __: object) -> ssl.SSLContext | None:
    """Returns what HTTPS needs; gunicorn's own would go on without TLS where it fails."""
    return _shared.tls.front()
