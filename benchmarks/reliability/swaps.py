"""Swaps of versions under load: a model server's come, go, fail and come back.

Version n answers x / 2 + n, and says that it is version n: an answer that is not its own version's
is wrong. `make soak` runs it for long; a test runs it for 20 versions.
"""

import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import grpc
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import Progress
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from benchmarks import results
from harness.model_server import ModelServer, model_server
from harness.processes import rss_mb
from harness.waiting import wait_for

MODEL = "line"
WAIT_S = 60
WARM_UP = 3
"""Swaps before the first weighing, when everything has been done once."""
_STATES = get_model_status_pb2.ModelVersionStatus.State


@dataclass
class Outcome:
    """What the clients saw, and what the server weighed before and after."""

    answered: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    versions: set[int] = field(default_factory=set)
    rss_mb_before: float = 0.0
    rss_mb_after: float = 0.0

    @property
    def growth(self) -> float:
        """How much heavier the server is afterwards: 0.1 for a tenth."""
        return self.rss_mb_after / self.rss_mb_before - 1


class _Line(tf.Module):
    def __init__(self, version: int) -> None:
        self.offset = tf.Variable(float(version))
        self.weights = tf.Variable(tf.zeros([1000, 1000]))  # 4 MB, so that a leak would weigh

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x / 2 + self.offset + self.weights[0, 0]}


def publish(base: Path, number: int, *, broken: bool = False) -> None:
    """Makes `base/<number>`, whole or not there; `broken` cuts its graph in half."""
    module, unfinished = _Line(number), base / f".{number}"
    tf.saved_model.save(module, str(unfinished), {"serving_default": module.serve})
    if broken:
        graph = unfinished / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    unfinished.rename(base / str(number))


class _Clients:
    """Threads that predict without a pause, each over a connection of its own."""

    def __init__(self, server: ModelServer, outcome: Outcome, count: int) -> None:
        self._server, self._outcome = server, outcome
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(count)]

    def __enter__(self) -> "_Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, seed: int) -> None:
        x = np.arange(seed, seed + 3, dtype=np.float32)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = MODEL
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
        with self._server.channel() as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not self._stop.is_set():
                try:
                    response = stub.Predict(request, timeout=30)
                except grpc.RpcError as error:
                    with self._lock:
                        self._outcome.failed[f"{error.code().name}: {error.details()}"] += 1
                    continue
                version = response.model_spec.version.value
                right = np.array_equal(response.outputs["y"].float_val, x / 2 + version)
                with self._lock:
                    self._outcome.answered += 1
                    self._outcome.wrong += not right
                    self._outcome.versions.add(version)


_BROKEN = 1_000_000
"""Added to the number of a version that is broken."""


class _Publisher:
    """Changes what is in `base`, and waits each time until the server has followed."""

    def __init__(self, models: model_service_pb2_grpc.ModelServiceStub, base: Path) -> None:
        self._models, self._base = models, base

    def step(self, number: int) -> None:
        """Publishes version `number`: before every fifth a broken one comes and goes, of a number
        of its own as one that has failed is not tried again; every fourth is rolled back and
        restored."""
        if number % 5 == 0:
            publish(self._base, number + _BROKEN, broken=True)
            self._follow(number + _BROKEN, "END")
            self._retire(number + _BROKEN)
        publish(self._base, number)
        self._swapped(number, number - 1)
        if number % 4 == 0:
            self._retire(number)
            self._swapped(number - 1, number)
            (self._base / f".retired-{number}").rename(self._base / str(number))
            self._swapped(number, number - 1)
        shutil.rmtree(self._base / str(number - 2), ignore_errors=True)

    def _retire(self, number: int) -> None:
        shutil.rmtree(self._base / f".retired-{number}", ignore_errors=True)
        (self._base / str(number)).rename(self._base / f".retired-{number}")

    def _swapped(self, serving: int, ended: int) -> None:
        self._follow(serving, "AVAILABLE")
        self._follow(ended, "END")

    def _follow(self, number: int, state: str) -> None:
        wait_for(lambda: self._state(number) == state, WAIT_S, f"version {number} to be {state}")

    def _state(self, number: int) -> str:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = MODEL
        states = self._models.GetModelStatus(request, timeout=30).model_version_status
        return next((_STATES.Name(one.state) for one in states if one.version == number), "")


def swap_under_load(
    folder: Path, *, swaps: int, clients: int = 8, each: Callable[[], None]
) -> Outcome:
    """Swaps versions under load; `each` is called after each. Memory is weighed after the first
    `WARM_UP` swaps, and at the end."""
    base, outcome = folder / MODEL, Outcome()
    publish(base, 1)
    flags = [f"--model_name={MODEL}", f"--model_base_path={base}", "--max_num_load_retries=0"]
    flags += ["--file_system_poll_wait_seconds=0.1", f"--grpc_max_threads={2 * clients}"]
    with (
        model_server(folder / "log", *flags) as server,
        server.channel() as channel,
        _Clients(server, outcome, clients),
    ):
        publisher = _Publisher(model_service_pb2_grpc.ModelServiceStub(channel), base)
        for number in range(2, swaps + 2):
            if number == 2 + WARM_UP:
                outcome.rss_mb_before = sum(rss_mb(server.pid))
            publisher.step(number)
            each()
        outcome.rss_mb_after = sum(rss_mb(server.pid))
    return outcome


@click.command()
@click.option(
    "--swaps",
    default=500,
    type=click.IntRange(min=WARM_UP + 1),
    show_default=True,
    help="Versions to publish.",
)
@click.option("--clients", default=8, show_default=True, help="Requests in flight.")
def main(swaps: int, clients: int) -> None:
    """Publish, break, roll back and restore versions under load; fail if a client noticed."""
    console = Console(highlight=False)
    with TemporaryDirectory() as folder, Progress(console=console) as progress:
        task = progress.add_task("Versions", total=swaps)
        outcome = swap_under_load(
            Path(folder), swaps=swaps, clients=clients, each=lambda: progress.advance(task)
        )
    console.print(
        f"{swaps} versions: {outcome.answered:,} answers, {outcome.wrong} wrong, "
        f"{outcome.failed.total()} failed; {outcome.rss_mb_before:,.0f} MB before, "
        f"{outcome.rss_mb_after:,.0f} MB after ({outcome.growth:+.1%})"
    )
    for message, count in outcome.failed.most_common(5):
        console.print(f"{count} x {message}")
    results.write(
        "swaps",
        {
            "swaps": swaps,
            "answered": outcome.answered,
            "wrong": outcome.wrong,
            "failed": outcome.failed.total(),
            "rss_growth": outcome.growth,
        },
    )
    if outcome.wrong or outcome.failed or outcome.growth > 0.1:
        raise click.ClickException("a client noticed, or the server grew by more than a tenth")


if __name__ == "__main__":
    main()
