"""Embedded model server: its ways to run a model, compared, and its load over gRPC and REST.

With --grpc and --rest the same load goes to a TensorFlow Serving that runs already.
"""

import contextlib
import logging
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.gateway.bodies import PICTURES
from benchmarks.published import newest_version
from harness.model_server import flags, model_server
from vitrine_client.loadtest.plan import Closed, Plan, Workload, WorkloadKind
from vitrine_client.loadtest.run import run

IN_FLIGHT = (1, 16, 64)
ROWS = (1, 32)
WARM_UP_S = 0.5


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
        for way, call in ways.items():
            for rows in ROWS:
                taken[way, rows].append(_median_us(call, images(rows)))
    for way in ways:
        found |= {f"{way}, {rows}": statistics.median(taken[way, rows]) for rows in ROWS}
        table.add_row(way, *(f"{found[f'{way}, {rows}']:,.0f}" for rows in ROWS))
    console.print(table)
    return found


def _median_us(call: Callable[[Any], Any], x: np.ndarray) -> float:
    took = []
    for _ in range(300):
        started = time.perf_counter()
        call(x)
        took.append(time.perf_counter() - started)
    return 1e6 * statistics.median(took)


def workload(transport: str, address: str, rows: int) -> Workload:
    """Returns requests with `rows` pictures: messages, or JSON over HTTP."""
    kind: WorkloadKind = "grpc" if transport == "gRPC" else "rest"
    at = address if kind == "grpc" else f"http://{address}"
    return Workload(kind, at, "mlp", tuple(PICTURES), batch_size=rows)


def measure(addresses: dict[str, str], duration_s: float, console: Console) -> list[Any]:
    """Loads gRPC and REST in turn, each in a closed loop, and prints a line for each load."""
    table = Table("", "images", "in flight", "requests/s", "p50 ms", "p99 ms", box=None)
    found = []
    for rows in ROWS:
        for in_flight in IN_FLIGHT:
            for name, address in addresses.items():
                load = Closed(in_flight, WARM_UP_S + duration_s)
                seen = run(Plan(workload(name, address, rows), load, WARM_UP_S))
                if seen.errors:
                    raise click.ClickException(f"{name}: {seen.errors}")
                rate = seen.throughput
                p50, p99 = map(seen.latency.percentile_ms, (50, 99))
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
    figures: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if grpc_address and rest_address:
            addresses = {"gRPC": grpc_address, "REST": rest_address}
        else:
            figures["engines_us"] = engines(newest_version(models_dir), console)
            log = Path(stack.enter_context(TemporaryDirectory())) / "log"
            told = (*flags(Path(models_dir)), "--grpc_max_threads=64", "--rest_api_num_threads=64")
            server = stack.enter_context(model_server(log, *told))
            addresses = {"gRPC": server.grpc_address, "REST": server.rest_address}
        figures["load"] = measure(addresses, duration_s, console)
    results.write("model_server", figures)


if __name__ == "__main__":
    main()
