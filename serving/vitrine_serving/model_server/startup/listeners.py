"""Listeners of the model server: gRPC, REST and the local socket, from their ports to their end."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import grpc

from vitrine_client.process.addresses import bracketed, unbracketed
from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.api.health import Health
from vitrine_serving.model_server.api.local import answer_with
from vitrine_serving.model_server.api.open_inference import OpenInferenceApi
from vitrine_serving.model_server.api.open_inference_grpc import OpenInferenceService
from vitrine_serving.model_server.api.tensorflow_grpc import make_server
from vitrine_serving.model_server.api.tensorflow_rest import make_app
from vitrine_serving.model_server.flags import Flags
from vitrine_serving.model_server.local_server import LocalServer
from vitrine_serving.model_server.local_socket import LocalSocket, check_grpc_path
from vitrine_serving.model_server.metrics import ServingMetrics
from vitrine_serving.model_server.rest_server import RestServer
from vitrine_serving.model_server.startup.settings import ModelServerSettings

GRACE_S = 10
"""Seconds that requests in hand have to end when the server is told to."""


@dataclass
class Listeners:
    """The servers of one process, and where they listen, in words."""

    grpc_server: grpc.Server
    health: Health | None
    open_inference: OpenInferenceService
    rest_server: RestServer | None
    local_server: LocalServer | None
    described: str

    @classmethod
    def bound(
        cls,
        flags: Flags,
        settings: ModelServerSettings,
        api: ModelServerApi,
        metrics: ServingMetrics,
        open_inference: OpenInferenceApi,
    ) -> Self:
        """Returns them bound and not yet running. Raises `OSError` where one cannot listen."""
        calls = Calls(api, flags.grpc_max_threads, open_inference.methods)
        own_socket = (
            LocalSocket(flags.local_socket, flags.local_socket_group)
            if flags.local_socket
            else None
        )
        local_server = _local_server(own_socket, calls) if own_socket else None
        health = Health() if flags.enable_grpc_healthcheck_service else None
        service = OpenInferenceService(open_inference, calls)
        return cls(
            _grpc_server(flags, settings, own_socket, calls, health, service),
            health,
            service,
            _rest_server(flags, api, metrics, settings.monitoring_path),
            local_server,
            _described(flags, own_socket),
        )

    def start(self) -> None:
        """Takes requests from now on."""
        self.grpc_server.start()
        if self.local_server:
            self.local_server.start()
        if self.rest_server:
            in_background("rest", self.rest_server.run)

    def end_idle(self) -> None:
        """Ends REST connections that have been idle for too long."""
        if self.rest_server:
            self.rest_server.end_idle()

    def end(self) -> None:
        """Answers the requests in hand, and takes no more; all within `GRACE_S`."""
        deadline = time.monotonic() + GRACE_S
        if self.rest_server:
            self.rest_server.close()
        if self.health:
            self.health.end()
        self.open_inference.end()
        stopped = self.grpc_server.stop(GRACE_S)
        if self.local_server:
            self.local_server.stop(GRACE_S)
        stopped.wait()
        if self.rest_server:
            self.rest_server.shut_down(max(0.0, deadline - time.monotonic()))


def in_background(name: str, target: Callable[[], Any]) -> None:
    """Runs something in a thread that ends with the process."""
    threading.Thread(target=target, daemon=True, name=name).start()


def _grpc_addresses(flags: Flags) -> list[str]:
    port = [f"{bracketed(unbracketed(flags.bind_address))}:{flags.port}"] if flags.port else []
    return port + ([f"unix:{flags.grpc_socket_path}"] if flags.grpc_socket_path else [])


def _described(flags: Flags, own_socket: LocalSocket | None) -> str:
    secured = flags.ssl_config_file or flags.use_alts_credentials
    parts = [f"gRPC{' by TLS' if secured else ''} at {' and '.join(_grpc_addresses(flags))}"]
    if not _grpc_addresses(flags):
        parts = ["gRPC at no port"]
    parts += [f"REST at port {flags.rest_api_port}" if flags.rest_api_port else "no REST"]
    if own_socket:
        parts.append(f"ttrpc at {own_socket.path}")
    return f"Running {', '.join(parts)}"


def _local_server(own_socket: LocalSocket, calls: Calls) -> LocalServer:
    """Returns the server of the gateway on this machine, bound and not yet running."""
    return LocalServer(
        own_socket.listen(),
        answer_with(calls),
        max_threads=calls.max_threads,
        same_user=not own_socket.is_shared,
    )


def _grpc_server(
    flags: Flags,
    settings: ModelServerSettings,
    own_socket: LocalSocket | None,
    calls: Calls,
    health: Health | None,
    open_inference: OpenInferenceService,
) -> grpc.Server:
    """Returns the gRPC side, bound and not yet running: at a port, at a socket, and beside the
    local socket."""
    if flags.grpc_socket_path:
        check_grpc_path(flags.grpc_socket_path)
    try:
        with own_socket.creating() if own_socket else nullcontext():
            made = make_server(
                calls,
                _grpc_addresses(flags),
                health=health,
                open_inference=open_inference,
                credentials=settings.credentials,
                local_address=own_socket.grpc_address if own_socket else "",
                arguments=settings.channel_arguments,
            )
    except OSError as error:
        if flags.use_alts_credentials:
            raise OSError(f"{error} --use_alts_credentials is for Google's cloud alone") from error
        raise
    if own_socket:
        own_socket.share_grpc()
    return made


def _rest_server(
    flags: Flags, api: ModelServerApi, metrics: ServingMetrics, monitoring_path: str | None
) -> RestServer | None:
    """Returns the REST side, bound and not yet running; None where there is to be none."""
    if not flags.rest_api_port:
        return None
    app = make_app(
        api,
        timeout_s=flags.rest_api_timeout_in_ms / 1e3,
        metrics=(monitoring_path, metrics.text) if monitoring_path else None,
        observe=api.observe_request,
        shortest_floats=flags.rest_api_shortest_floats,
        cors=flags.rest_api_enable_cors_support,
    )
    host = unbracketed(flags.bind_address)
    # waitress' sockets of IPv6 are of that alone, gRPC's of both.
    hosts = ["0.0.0.0", "[::]"] if host == "::" else [bracketed(host)]  # noqa: S104
    listen = [f"{each}:{flags.rest_api_port}" for each in hosts]
    return RestServer(app, listen, threads=flags.rest_api_num_threads)
