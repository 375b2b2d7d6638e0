"""gRPC server of a process of the gateway, in the loop of its HTTP, by the Open Inference Protocol.

Each process listens at the port by itself (SO_REUSEPORT), as gRPC takes no socket from another: the
kernel deals out connections, and a client's calls are all answered by the process that has its
connection.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import grpc

from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.gateway.server.grpc_bounds import OpenStreams
from vitrine_serving.gateway.server.grpc_calls import QUIET_S, ClientCalls
from vitrine_serving.gateway.server.grpc_health import GatewayHealth, reflection_handlers
from vitrine_serving.gateway.server.grpc_stream import GrpcStreams

_KEEPALIVE_MS = 60_000
_KEEPALIVE_TIMEOUT_MS = 20_000
_PINGS_APART_MS = 5_000
"""Milliseconds after which a quiet client is asked whether it is still there, in which it has to
say so, and between the pings that a client may send."""

_LONGEST = 1.1
"""Age of the oldest connection, in those of the setting."""


class GrpcLimits(NamedTuple):
    """Limits of a gRPC server: calls, and connections, at a time; seconds to set a connection up,
    until an idle one is closed, and to read an answer; those of requests; and seconds after which a
    connection is to end, 0 for never."""

    most: int
    header_s: float
    keepalive_s: float
    answer_s: float
    requests: RequestSettings
    max_age_s: float = 0.0


class GrpcServer:
    """gRPC server, bound to an address and started in the running event loop.

    `pems` are a key, its certificate and the CA of clients' certificates, None without TLS; `note`
    is told of each call. Raises `OSError` where it cannot listen.
    """

    def __init__(
        self,
        gateway: Any,
        address: str,
        limits: GrpcLimits,
        pems: tuple[bytes, bytes, bytes | None] | None = None,
        note: Callable[[], None] = lambda: None,
    ) -> None:
        bounds, timeout_s = OpenStreams(limits.most), limits.requests.body_timeout_s
        self._health = GatewayHealth(gateway.open_inference.is_ready, bounds, timeout_s)
        calls = self._calls = ClientCalls(gateway, limits.requests, limits.answer_s, note)
        self._streams = GrpcStreams(calls, bounds, limits.max_age_s)
        handlers = {
            path: (self._streams if method.failed else calls).handler(method)
            for path, method in gateway.grpc_methods.items()
        }
        handlers |= self._health.handlers | reflection_handlers(bounds, timeout_s)
        self._server = grpc.aio.server(
            handlers=(_Handlers(handlers),),
            options=_options(limits),
            maximum_concurrent_rpcs=limits.most,
        )
        self.address = address
        self._bind(address, pems)

    async def start(self) -> None:
        """Takes calls from now on."""
        await self._server.start()

    async def end(self, grace_s: float, quiet_s: float = QUIET_S) -> None:
        """Takes no more calls once none came for `quiet_s`, and answers those in hand within
        `grace_s`; streams end after the requests that were read."""
        self._health.end()
        self._streams.end()
        if grace_s:
            await self._calls.hold(quiet_s)
        stopping = asyncio.create_task(self._server.stop(grace_s))
        await asyncio.sleep(0)  # it has told the clients by then
        self._calls.send()
        await stopping

    def _bind(self, address: str, pems: tuple[bytes, bytes, bytes | None] | None) -> None:
        try:
            if pems:
                key, cert, ca = pems
                credentials = grpc.ssl_server_credentials(
                    [(key, cert)], ca, require_client_auth=ca is not None
                )
                bound = self._server.add_secure_port(address, credentials)
            else:
                bound = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {address}: {error}") from error
        if not bound:
            raise OSError(f"gRPC cannot listen on {address}")


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handlers by the paths of methods; any other method is UNIMPLEMENTED."""

    def __init__(self, by_path: Mapping[str, grpc.RpcMethodHandler]) -> None:
        self._by_path = by_path

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler | None:
        """Returns the handler of a call, None without one; gRPC calls it."""
        return self._by_path.get(handler_call_details.method)


def _options(limits: GrpcLimits) -> list[tuple[str, int]]:
    return [
        *_age_options(limits),
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.requests.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_allowed_incoming_connections", limits.most),
        ("grpc.max_concurrent_streams", limits.most),
        ("grpc.server_handshake_timeout_ms", int(1e3 * limits.header_s)),
        ("grpc.max_connection_idle_ms", int(1e3 * limits.keepalive_s)),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", _PINGS_APART_MS),
    ]


def _age_options(limits: GrpcLimits) -> list[tuple[str, int]]:
    """A connection that is old is told so (GOAWAY), and takes no more calls; those that it has go
    on, streams for as long as one may be open. gRPC itself adds a tenth to the age, or takes it
    off: `kMaxConnectionAgeJitter` in its legacy_channel_idle_filter.cc.
    """
    age_s = limits.max_age_s
    if not age_s:
        return []
    grace_s = _LONGEST * age_s + limits.requests.request_timeout_s + limits.answer_s
    return [
        ("grpc.max_connection_age_ms", max(int(1e3 * age_s), 1)),
        ("grpc.max_connection_age_grace_ms", int(1e3 * grace_s)),
    ]
