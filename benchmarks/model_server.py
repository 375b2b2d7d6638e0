"""Embedded model server: its threads, its ways to run a model, and its load over gRPC and REST.

With --grpc and --rest the same load goes to a TensorFlow Serving that runs already, and with
--before to an earlier build of the embedded one, in turn.
"""

import contextlib
import logging
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.gateway.bodies import PICTURES
from benchmarks.gateway.peers.builds import import_path, prepare_build
from benchmarks.gateway.peers.environments import CACHE
from benchmarks.published import newest_version
from harness.model_server import ModelServer, flags, model_server
from vitrine_client.loadtest.plan import Closed, Plan, Workload, WorkloadKind
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run
from vitrine_client.tfserving.messages import predict_request

IN_FLIGHT = (1, 16, 64)
ROWS = (1, 32)
CALL_ROWS = (1, 16, 64)
MODELS = ("softmax", "mlp", "photo")
CALLS_S = 0.2
"""How long each call is repeated, in seconds."""

SAMPLES = 40

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


@dataclass(frozen=True)
class ThreadSettings:
    """Settings of threads: those of an operation, and oneDNN's kernels, for a process each."""

    intra_op: int
    onednn: bool

    def __str__(self) -> str:
        return f"{self.intra_op or 'a core each'}, oneDNN {'on' if self.onednn else 'off'}"


def calls(folder: Path, how: ThreadSettings) -> dict[str, list[float]]:
    """Returns for each model and number of rows what a Predict takes from its bytes to those of its
    answer: the median in microseconds, the processor time, and the share of the time in which two
    callers both run.

    For a process of its own: TensorFlow heeds its settings once.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(how.onednn))
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    from vitrine_serving.model_server.runtime import inference
    from vitrine_serving.model_server.runtime.servable import Servable
    from vitrine_serving.model_server.runtime.sessions import begin, session_config

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    config = session_config(how.intra_op, 1)
    begin(config)
    found: dict[str, list[float]] = {}
    for model in (name for name in MODELS if (folder / name).is_dir()):
        servable = Servable(model, 1, newest_version(folder, model), config=config)
        (name, info), *_ = servable.signature_defs["serving_default"].inputs.items()
        row = [dim.size for dim in info.tensor_shape.dim][1:]
        for rows in CALL_ROWS:
            pictures = np.random.default_rng(0).random((rows, *row), np.float32)
            sent = predict_request(model, {name: pictures}, output_filter=["probabilities"])

            def call(sent: bytes = sent, servable: Servable = servable) -> bytes:
                answer = inference.predict(servable, PredictRequest.FromString(sent))
                return bytes(answer.SerializeToString())

            found[f"{model}, {rows}"] = [*_costs_us(call), _side_by_side(call)]
    return found


def _costs_us(call: Callable[[], Any]) -> tuple[float, float]:
    """Median and processor time of a call, in microseconds."""
    took: list[float] = []
    for _ in range(3):  # what is made once
        call()
    used_s = time.process_time()
    while sum(took) < CALLS_S:
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return 1e6 * statistics.median(took), 1e6 * (time.process_time() - used_s) / len(took)


def _side_by_side(call: Callable[[], Any]) -> float:
    """Share of the time in which two callers both run, and none waits for the other. It is that of
    the kernel's states, and so the same on a machine that has no two cores to spare."""
    ended = threading.Event()
    callers = [threading.Thread(target=_call_until, args=(call, ended)) for _ in range(2)]
    for caller in callers:
        caller.start()
    both = 0
    for _ in range(SAMPLES):
        ended.wait(CALLS_S / SAMPLES)
        both += all(_runs(caller) for caller in callers)
    ended.set()
    for caller in callers:
        caller.join()
    return both / SAMPLES


def _call_until(call: Callable[[], Any], ended: threading.Event) -> None:
    while not ended.is_set():
        call()


def _runs(thread: threading.Thread) -> bool:
    state = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(") ")[2]
    return state.startswith("R")


def compare_threads(folder: Path, console: Console) -> dict[str, dict[str, list[float]]]:
    """Measures calls with each setting, in turn, and returns the medians of the rounds."""
    settings = [ThreadSettings(*each) for each in ((0, True), (0, False), (1, True), (1, False))]
    taken: dict[ThreadSettings, list[dict[str, list[float]]]] = {each: [] for each in settings}
    for _ in range(3):
        for each in settings:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                taken[each].append(alone.submit(calls, folder, each).result())
    table = Table("threads of an operation", "model, rows", "p50 us", "processor us", "both run")
    table.box = None
    found: dict[str, dict[str, list[float]]] = {}
    for each, rounds in taken.items():
        found[str(each)] = {
            key: [
                statistics.median(values)
                for values in zip(*(one[key] for one in rounds), strict=True)
            ]
            for key in rounds[0]
        }
        for key, (p50, used, both) in found[str(each)].items():
            table.add_row(str(each), key, f"{p50:,.0f}", f"{used:,.0f}", f"{both:.2f}")
    console.print(table)
    return found


def workload(transport: str, address: str, rows: int) -> Workload:
    """Returns requests with `rows` pictures: messages, or JSON over HTTP."""
    kind: WorkloadKind = "grpc" if transport == "gRPC" else "rest"
    at = address if kind == "grpc" else f"http://{address}"
    return Workload(kind, at, "mlp", tuple(PICTURES), batch_size=rows)


@contextlib.contextmanager
def served(models_dir: Path, variables: Mapping[str, str] | None = None) -> Iterator[ModelServer]:
    """Starts the embedded model server of the build that `variables` name, for the load's mlp."""
    told = (*flags(models_dir), "--grpc_max_threads=64", "--rest_api_num_threads=64")
    with (
        TemporaryDirectory() as folder,
        model_server(Path(folder) / "log", *told, variables=variables) as server,
    ):
        yield server


def compare_builds(
    models_dir: Path, before: str, rounds: int, duration_s: float, console: Console
) -> list[list[Any]]:
    """Loads the servers of the working tree and of the commit `before`, in turn, and prints the
    requests/s of both (medians) and the median of the ratios within a round.

    Returns rows of transport, images, in flight, ratio, and the requests/s of each round.
    """
    if reason := prepare_build(before, CACHE, console):
        raise click.ClickException(reason)
    rates: dict[tuple[str, int, int], list[tuple[float, float]]] = {}
    with served(models_dir) as now, served(models_dir, import_path(before, CACHE)) as earlier:
        for turn in range(rounds):
            for rows, in_flight, transport in product(ROWS, IN_FLIGHT, ("gRPC", "REST")):
                servers = (now, earlier) if turn % 2 == 0 else (earlier, now)
                seen = {
                    server: load(
                        transport, _address(server, transport), rows, in_flight, duration_s
                    )
                    for server in servers
                }
                pair = seen[now].throughput, seen[earlier].throughput
                rates.setdefault((transport, rows, in_flight), []).append(pair)
    table = Table("", "images", "in flight", "requests/s", before, "ratio", box=None)
    found: list[list[Any]] = []
    for (transport, rows, in_flight), pairs in rates.items():
        ratio = statistics.median(new / old for new, old in pairs)
        medians = (f"{statistics.median(each):,.0f}" for each in zip(*pairs, strict=True))
        table.add_row(transport, str(rows), str(in_flight), *medians, f"{ratio:.2f}")
        found.append([transport, rows, in_flight, ratio, pairs])
    console.print(table)
    return found


def _address(server: ModelServer, transport: str) -> str:
    return server.grpc_address if transport == "gRPC" else server.rest_address


def load(transport: str, address: str, rows: int, in_flight: int, duration_s: float) -> Result:
    """Loads one server in a closed loop. Raises `ClickException` for an answer that is an error."""
    closed = Closed(in_flight, WARM_UP_S + duration_s)
    seen = run(Plan(workload(transport, address, rows), closed, WARM_UP_S))
    if seen.errors:
        raise click.ClickException(f"{transport}: {seen.errors}")
    return seen


def measure(addresses: dict[str, str], duration_s: float, console: Console) -> list[Any]:
    """Loads gRPC and REST in turn, each in a closed loop, and prints a line for each load."""
    table = Table("", "images", "in flight", "requests/s", "p50 ms", "p99 ms", box=None)
    found = []
    for rows in ROWS:
        for in_flight in IN_FLIGHT:
            for name, address in addresses.items():
                seen = load(name, address, rows, in_flight, duration_s)
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
@click.option("--threads-only", is_flag=True, help="Measure the threads, and no more.")
@click.option("--grpc", "grpc_address", help="Another server's gRPC port, host:port.")
@click.option("--rest", "rest_address", help="Another server's REST port, host:port.")
@click.option("--before", help="A commit: load its server and this one in turn, and no more.")
@click.option("--rounds", default=5, show_default=True, help="How often, with --before.")
def main(
    models_dir: str,
    duration_s: float,
    threads_only: bool,
    grpc_address: str | None,
    rest_address: str | None,
    before: str | None,
    rounds: int,
) -> None:
    """Measure threads and engines, then the server under load."""
    console = Console(highlight=False)
    if before:
        compared = compare_builds(Path(models_dir), before, rounds, duration_s, console)
        results.write("model_server_builds", {"before": before, "load": compared})
        return
    if threads_only:
        compare_threads(Path(models_dir).absolute(), console)
        return
    figures: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if grpc_address and rest_address:
            addresses = {"gRPC": grpc_address, "REST": rest_address}
        else:
            figures["threads"] = compare_threads(Path(models_dir).absolute(), console)
            figures["engines_us"] = engines(newest_version(models_dir), console)
            server = stack.enter_context(served(Path(models_dir)))
            addresses = {each: _address(server, each) for each in ("gRPC", "REST")}
        figures["load"] = measure(addresses, duration_s, console)
    results.write("model_server", figures)


if __name__ == "__main__":
    main()
