"""What the embedded model server takes for a request, over gRPC and REST, and why its engine is
what it is. With --grpc and --rest the same load goes to a TensorFlow Serving that runs already."""

import asyncio
import contextlib
import json
import logging
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.embedded import model_server
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor

IN_FLIGHT = (1, 16, 64)
ROWS = (1, 32)

Send = Callable[[], Awaitable[None]]
Connect = Callable[[], Awaitable[Send]]


def images(rows: int) -> np.ndarray:
    """Returns float32 [rows, 28, 28]."""
    return np.random.default_rng(0).random((rows, 28, 28), np.float32)


def engines(path: Path, console: Console) -> dict[str, float]:
    """Returns microseconds a call of each way to run a signature, medians of rounds in turn."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["TF_ENABLE_ONEDNN_OPTS"] = "3", "0"
    import tensorflow as tf

    from vitrine_serving.model_server.runtime.servable import Servable

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    model = tf.saved_model.load(str(path))  # which owns the variables
    signature = model.signatures["serving_default"]
    compiled = tf.function(lambda images: signature(images=images), jit_compile=True)
    servable = Servable("mlp", 1, path)
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session()
        graph_def = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
    named = graph_def.signature_def["serving_default"]
    fetches = [info.name for info in named.outputs.values()]
    feed = named.inputs["images"].name

    def numbers(outputs: dict[str, Any]) -> list[Any]:
        return [tensor.numpy() for tensor in outputs.values()]

    ways: dict[str, Callable[[Any], Any]] = {
        "the loaded signature": lambda x: numbers(signature(images=tf.constant(x))),
        "the same under XLA": lambda x: numbers(compiled(tf.constant(x))),
        "session.run": lambda x: session.run(fetches, {feed: x}),
        "ours: a session's callable": lambda x: servable.run("serving_default", {"images": x}),
    }
    found: dict[str, float] = {}
    table = Table("one call, us", *(f"{rows} image{'s'[: rows > 1]}" for rows in ROWS), box=None)
    taken: dict[tuple[str, int], list[float]] = {(way, rows): [] for way in ways for rows in ROWS}
    for _ in range(5):
        for way, run in ways.items():
            for rows in ROWS:
                taken[way, rows].append(_median_us(run, images(rows)))
    for way in ways:
        found |= {f"{way}, {rows}": statistics.median(taken[way, rows]) for rows in ROWS}
        table.add_row(way, *(f"{found[f'{way}, {rows}']:,.0f}" for rows in ROWS))
    console.print(table)
    return found


def _median_us(run: Callable[[Any], Any], x: np.ndarray) -> float:
    took = []
    for _ in range(300):
        started = time.perf_counter()
        run(x)
        took.append(time.perf_counter() - started)
    return 1e6 * statistics.median(took)


def over_grpc(address: str, rows: int) -> Connect:
    """Returns how to connect a client that sends Predict with `rows` images."""
    request = wire.PredictRequest()
    request.model_spec.name = "mlp"
    request.inputs["images"].CopyFrom(to_tensor(images(rows)))
    body = request.SerializeToString()

    async def connect() -> Send:
        channel = grpc.aio.insecure_channel(address)
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

        async def send() -> None:
            await call(body)

        return send

    return connect


def over_rest(address: str, rows: int) -> Connect:
    """The same as JSON over HTTP/1.1, on a connection that stays open."""
    host, port = address.rsplit(":", 1)
    body = json.dumps({"instances": images(rows).round(4).tolist()}).encode()
    head = f"POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"

    async def connect() -> Send:
        reader, writer = await asyncio.open_connection(host, int(port))

        async def send() -> None:
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", answer)
            if not answer.startswith(b"HTTP/1.1 200") or not length:
                raise click.ClickException(answer.decode(errors="replace"))
            await reader.readexactly(int(length[1]))

        return send

    return connect


async def load(connect: Connect, in_flight: int, duration_s: float) -> tuple[float, float, float]:
    """Returns requests a second, p50 and p99 in ms, of a closed loop."""
    sends = [await connect() for _ in range(in_flight)]
    took: list[float] = []
    until = time.perf_counter() + duration_s

    async def work(send: Send) -> None:
        await send()
        while (started := time.perf_counter()) < until:
            await send()
            took.append(time.perf_counter() - started)

    await asyncio.gather(*map(work, sends))
    p50, p99 = 1e3 * np.percentile(took, (50, 99))
    return len(took) / duration_s, float(p50), float(p99)


def measure(addresses: dict[str, str], duration_s: float, console: Console) -> list[Any]:
    """Loads gRPC and REST in turn and prints a line for each load."""
    table = Table("", "images", "in flight", "requests/s", "p50 ms", "p99 ms", box=None)
    found = []
    for rows in ROWS:
        for in_flight in IN_FLIGHT:
            for name, transport in (("gRPC", over_grpc), ("REST", over_rest)):
                connect = transport(addresses[name], rows)
                rate, p50, p99 = asyncio.run(load(connect, in_flight, duration_s))
                table.add_row(
                    *(name, str(rows), str(in_flight)), f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}"
                )
                found.append([name, rows, in_flight, rate, p50, p99])
    console.print(table)
    return found


@click.command()
@click.option("--models-dir", default="models", show_default=True, help="Where the mlp is.")
@click.option("--duration-s", default=3.0, show_default=True, help="How long each load lasts.")
@click.option("--grpc", "grpc_address", help="Another server's gRPC port, host:port.")
@click.option("--rest", "rest_address", help="Another server's REST port, host:port.")
def main(
    models_dir: str, duration_s: float, grpc_address: str | None, rest_address: str | None
) -> None:
    """Measure the engines, then the server under load."""
    console = Console(highlight=False)
    base = (Path(models_dir) / "mlp").absolute()
    versions = [int(one.name) for one in base.glob("*") if one.name.isdecimal()]
    if not versions:
        raise click.ClickException(f"There is no mlp in {models_dir}; train it with `make train`")
    figures: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if grpc_address and rest_address:
            addresses = {"gRPC": grpc_address, "REST": rest_address}
        else:
            figures["engines_us"] = engines(base / str(max(versions)), console)
            log = Path(stack.enter_context(TemporaryDirectory())) / "log"
            flags = ("--model_name=mlp", f"--model_base_path={base}", "--grpc_max_threads=64")
            server = stack.enter_context(model_server(log, *flags, "--rest_api_num_threads=64"))
            addresses = {"gRPC": server.grpc_address, "REST": server.rest_address}
        figures["load"] = measure(addresses, duration_s, console)
    results.write("model_server", figures)


if __name__ == "__main__":
    main()
