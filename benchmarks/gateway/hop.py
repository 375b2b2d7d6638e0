"""Hop through the gateway: the same picture by gRPC to the model server, and by HTTP.

`python -m benchmarks.gateway.hop` compares the gateway's roads to the model server.
"""

import asyncio
import re
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import grpc
import numpy as np

from benchmarks.gateway.bodies import PICTURES, png
from harness import model_server
from vitrine_client.images import to_instance
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.upstream.local import LocalChannel

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


def compare_roads(models_dir: Path) -> Iterator[str]:
    """Yields a line for 1 and 16 rows: a Predict as the gateway calls it, over grpcio and over the
    local socket, in turn; p50, and processor time of caller and model server."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "socket"
        flags = model_server.flags(models_dir)
        with model_server.model_server(
            Path(folder) / "log", *flags, f"--local_socket={path}"
        ) as server:
            for rows in (1, 16):
                yield from asyncio.run(_compared(server, str(path), rows))


async def _compared(server: model_server.ModelServer, path: str, rows: int) -> list[str]:
    request = messages.instances_request("mlp", np.zeros((rows, 28, 28), np.uint8))
    options = messages.channel_options()
    roads = {
        "grpcio": grpc.aio.insecure_channel(server.grpc_address, options=options),
        "local socket": LocalChannel(path),
    }
    taken: dict[str, list[list[float]]] = {road: [] for road in roads}
    for number in range(ROUNDS + 1):
        for road, channel in roads.items():
            ask = channel.unary_unary(messages.path_of(messages.PREDICT))
            before = time.process_time(), _spent_s(server.pid)
            took = []
            for _ in range(8 * CALLS):
                started = time.perf_counter()
                await ask(request, timeout=10)
                took.append(time.perf_counter() - started)
            spent = time.process_time() - before[0], _spent_s(server.pid) - before[1]
            if number:  # the first round warms up
                per_call = (each / len(took) for each in spent)
                taken[road].append([statistics.median(took), *per_call])
    for channel in roads.values():
        await channel.close()
    medians = {
        road: [1e6 * statistics.median(column) for column in zip(*rounds, strict=True)]
        for road, rounds in taken.items()
    }
    return [
        f"{rows:3} rows, {road:12}: p50 {p50:4.0f} us; processor time: caller {own:4.0f} us, "
        f"server {its:4.0f} us"
        for road, (p50, own, its) in medians.items()
    ]


def _spent_s(pid: int) -> float:
    """Returns the processor time of a process that runs, by Linux' scheduler."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9


if __name__ == "__main__":
    for line in compare_roads(Path("models")):
        print(line)
