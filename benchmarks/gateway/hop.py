"""Hop through the gateway: the same picture by gRPC to the model server, and by HTTP."""

import re
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import grpc
import numpy as np

from benchmarks.gateway.bodies import PICTURES, png
from vitrine_client.images import to_instance
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor

ROUNDS = 10
CALLS = 50

Send = Callable[[], None]


@contextmanager
def direct(address: str) -> Iterator[Send]:
    """Predict over gRPC, the message made beforehand, its answer left as it is."""
    request = wire.PredictRequest(output_filter=["probabilities"])
    request.model_spec.name = "mlp"
    instance = to_instance(PICTURES[0])[np.newaxis].astype(np.float32) / 255
    request.inputs["images"].CopyFrom(to_tensor(instance))
    message = request.SerializeToString()
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        yield lambda: call(message, timeout=10)


@contextmanager
def through(url: str) -> Iterator[Send]:
    """The gateway's `:predict`, on a connection that stays open."""
    parts, body = urlsplit(url), png(PICTURES[0])
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: {body.content_type}\r\nContent-Length: {len(body.content)}\r\n\r\n"
    )
    request = head.encode() + body.content
    with socket.create_connection((parts.hostname or "", parts.port or 80), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send() -> None:
            connection.sendall(request)
            said = b""
            while b"\r\n\r\n" not in said:
                said += _received(connection)
            answer, _, content = said.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", answer)
            assert answer.startswith(b"HTTP/1.1 200"), said
            assert length, said
            while len(content) < int(length[1]):
                content += _received(connection)

        yield send


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the gateway hung up"
    return data


def measure(url: str, grpc_address: str) -> tuple[float, float]:
    """Returns the p50 in ms of a direct Predict and of one through the gateway, called in turn."""
    with direct(grpc_address) as call, through(url) as ask:
        ways: dict[Send, list[float]] = {call: [], ask: []}
        for number in range(ROUNDS + 1):
            for send, took in ways.items():
                for _ in range(CALLS):
                    started = time.perf_counter()
                    send()
                    if number:  # the first round warms up
                        took.append(time.perf_counter() - started)
    by_grpc, by_http = (1e3 * statistics.median(took) for took in ways.values())
    return by_grpc, by_http
