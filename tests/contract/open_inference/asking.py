"""Asking a server the rows of the table, over HTTP and gRPC."""

import socket
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import grpc
from google.protobuf.message import Message

from tests.contract.open_inference import seen
from tests.contract.open_inference.calls import Http, Rpc
from tests.contract.open_inference.row import Row
from tests.contract.open_inference.seen import Seen
from vitrine_client.open_inference import wire_pb2 as wire

TIMEOUT_S = 30
SERVICE = "/inference.GRPCInferenceService/"
ANSWERS: dict[str, type[Message]] = {
    "ServerLive": wire.ServerLiveResponse,
    "ServerReady": wire.ServerReadyResponse,
    "ServerMetadata": wire.ServerMetadataResponse,
    "ModelReady": wire.ModelReadyResponse,
    "ModelMetadata": wire.ModelMetadataResponse,
    "ModelConfig": wire.ModelConfigResponse,
    "ModelStatistics": wire.ModelStatisticsResponse,
    "ModelInfer": wire.ModelInferResponse,
    "ModelStreamInfer": wire.ModelStreamInferResponse,
    "RepositoryIndex": wire.RepositoryIndexResponse,
}
"""The message that a method answers; the others' are left as bytes."""


@dataclass
class Target:
    """A server: `host:port` of HTTP, where it has that, and of gRPC."""

    http_address: str
    grpc_address: str
    _channels: list[Any] = field(default_factory=list)

    def ask(self, row: Row, transport: str) -> Seen:
        """Asks a row over HTTP or gRPC, and returns the answer."""
        call = row.call.http if transport == "http" else row.call.grpc
        assert call is not None, row.id
        return self.http(call) if isinstance(call, Http) else self.rpc(call)

    def http(self, call: Http) -> Seen:
        """Sends a request over HTTP, on a connection of its own."""
        if call.sent is not None:
            return self._by_hand(call.sent)
        connection = HTTPConnection(self.http_address, timeout=TIMEOUT_S)
        try:
            # `Accept-Encoding: identity` would be sent otherwise.
            connection.putrequest(call.method, call.path, skip_accept_encoding=True)
            body = call.body
            if body is not None or call.method in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(body or b"")))
            for name, value in call.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            return _read(connection.getresponse(), call.method)
        finally:
            connection.close()

    def rpc(self, call: Rpc) -> Seen:
        """Calls a method of gRPC; of a stream, the answers are a list."""
        path = call.method if call.method.startswith("/") else SERVICE + call.method
        answer = ANSWERS.get(call.method)
        read = answer.FromString if answer else bytes
        is_stream = call.is_stream or "Reflection" in call.method
        channel = self._channel()
        make = channel.stream_stream if is_stream else channel.unary_unary
        ask = partial(make(path, _serialised, read), timeout=TIMEOUT_S, **call.options)
        try:
            if is_stream:
                return Seen("grpc", 200, json=list(map(_told, ask(iter(call.requests)))), code="OK")
            return seen.of_grpc(ask(call.requests[0]))
        except grpc.RpcError as error:
            return seen.of_error(error)

    def close(self) -> None:
        """Closes the channel."""
        for each in self._channels:
            each.close()

    def _channel(self) -> grpc.Channel:
        if not self._channels:
            options = [("grpc.use_local_subchannel_pool", 1)]
            self._channels.append(grpc.insecure_channel(self.grpc_address, options))
        return self._channels[0]

    def _by_hand(self, sent: bytes) -> Seen:
        host, _, port = self.http_address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), TIMEOUT_S) as connection,
            HTTPResponse(connection) as response,
        ):
            connection.sendall(sent)
            response.begin()
            return _read(response, "GET")


def _read(response: HTTPResponse, method: str) -> Seen:
    headers = {name.lower(): value for name, value in response.getheaders()}
    content = b"" if method == "HEAD" else response.read()
    return seen.of_http(response.status, headers, content)


def _serialised(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


def _told(message: Message | bytes) -> Any:
    return message if isinstance(message, bytes) else seen.as_json(message)
