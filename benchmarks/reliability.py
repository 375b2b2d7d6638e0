"""The gateway when things go badly: too much load, a model server that dies, workers that are
ended, a long day. Each is a function; tests run them for seconds, `make bench-reliability` for
minutes."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import grpc
from rich.console import Console

from benchmarks import results
from benchmarks.embedded import model_server
from benchmarks.gateway.processes import rss_mb
from benchmarks.http_load import Reply, closed_loop, open_loop, percentile_ms, statuses
from tests.conftest import free_port, predicts, wait_for
from tests.fake_model_server import Call, FakeModelServer, classifying
from tests.running_gateway import PICTURE, PREDICT, Gateway, gateway
from vitrine_client import Client

LABEL = b'"label":"Ankle boot"'
_START_S = 60


def workers_mb(running: Gateway) -> float:
    """Memory of a gateway's workers together."""
    return sum(rss_mb(running.process.pid)[1:])


def await_predictions(url: str, label: str = "Ankle boot") -> None:
    """Blocks until a gateway predicts."""

    def answers() -> bool:
        with Client(url) as client:
            return predicts(client, label)

    wait_for(answers, _START_S, "the gateway to predict")


def for_s(duration_s: float) -> Callable[[], bool]:
    """Returns what says whether `duration_s` are over, counted from now."""
    over = time.monotonic() + duration_s
    return lambda: time.monotonic() > over


# --- too much -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Overload:
    """What a gateway did with more than its model server can take; times in milliseconds."""

    capacity: float
    offered: float
    answered: float
    share_of_capacity: float
    statuses: dict[int, int]
    answered_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    deadline_ms: float
    rss_mb_before: float
    rss_mb_at_most: float
    normal_again_s: float


def overload(
    duration_s: float, *, times: float = 3.0, batch: int = 8, batch_s: float = 0.02
) -> Overload:
    """Sends `times` as much as a model server takes that needs `batch_s` for each batch.

    The model server is a simulated one, over real gRPC, so that its capacity is known and the
    gateway's processor is not what is short.
    """
    deadline_s = 1.0
    turn = threading.Lock()
    classify = classifying()

    def slowly(call: Call, context: grpc.ServicerContext) -> bytes:
        with turn:
            time.sleep(batch_s)
        return classify(call, context)

    with (
        FakeModelServer(slowly) as server,
        gateway(server.address, max_batch_size=batch, request_timeout_s=deadline_s) as started,
    ):
        url = started.url + PREDICT
        await_predictions(started.url, "")
        usual = asyncio.run(closed_loop(url, PICTURE, connections=64, until=for_s(duration_s / 4)))
        capacity = sum(reply.status == 200 for reply in usual) / (duration_s / 4)
        before_mb = workers_mb(started)
        with _Weigher(started) as weigher:
            replies = asyncio.run(
                open_loop(
                    url,
                    PICTURE,
                    rate=times * capacity,
                    duration_s=duration_s,
                    connections=1500,
                )
            )
        normal_again_s = _until_normal(url, 4 * batch_s)
    answered = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 503]
    rate = len(answered) / duration_s
    return Overload(
        capacity,
        times * capacity,
        rate,
        rate / capacity,
        statuses(replies),
        percentile_ms(answered, 99),
        percentile_ms(refused, 50),
        percentile_ms(refused, 99),
        1e3 * deadline_s,
        before_mb,
        weigher.at_most_mb,
        normal_again_s,
    )


def _until_normal(url: str, usual_s: float) -> float:
    """Returns the seconds until requests, one by one, are answered in the usual time again."""
    started = time.monotonic()
    fast = 0

    def three_in_a_row() -> bool:
        return fast >= 3 or time.monotonic() - started > 30

    while not three_in_a_row():
        (reply,) = asyncio.run(closed_loop(url, PICTURE, connections=1, until=_once()))
        fast = fast + 1 if reply.status == 200 and reply.latency_s < usual_s else 0
    return time.monotonic() - started


def _once() -> Callable[[], bool]:
    answers = iter([False])
    return lambda: next(answers, True)


class _Weigher:
    """Looks at the memory of a gateway's workers while its block lasts."""

    def __init__(self, started: Gateway) -> None:
        self._gateway = started
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.at_most_mb = 0.0

    def __enter__(self) -> "_Weigher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            self.at_most_mb = max(self.at_most_mb, workers_mb(self._gateway))


# --- ends of processes ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """What clients saw while processes were ended again and again."""

    ends: int
    statuses: dict[int, int]
    wrong: int
    longest_ms: float
    back_after_s: list[float]


def _loaded(url: str, disturb: Callable[[], list[float]], ends: int) -> Ends:
    """Runs `disturb` in a thread while 16 connections ask without a pause."""
    done = threading.Event()
    back_after_s: list[float] = []

    def work() -> None:
        try:
            back_after_s.extend(disturb())
        finally:
            done.set()

    thread = threading.Thread(target=work)
    thread.start()
    replies = asyncio.run(closed_loop(url, PICTURE, connections=16, until=done.is_set))
    thread.join()
    return Ends(
        ends,
        statuses(replies),
        sum(reply.status == 200 and LABEL not in reply.body for reply in replies),
        1e3 * max(reply.latency_s for reply in replies),
        back_after_s,
    )


def kills(models_dir: Path, folder: Path, count: int) -> Ends:
    """Kills the model server `count` times under load, and starts it again each time."""
    ports = free_port(), free_port()
    base = (models_dir / "mlp").absolute()
    flags = ("--model_name=mlp", f"--model_base_path={base}")

    with ExitStack() as stack:
        started = stack.enter_context(gateway(f"127.0.0.1:{ports[0]}", request_timeout_s=3))
        servers = ExitStack()
        stack.callback(lambda: servers.close())
        server = servers.enter_context(model_server(folder / "log", *flags, ports=ports))
        await_predictions(started.url)

        def disturb() -> list[float]:
            nonlocal server
            back = []
            for _ in range(count):
                time.sleep(0.5)
                os.kill(server.pid, signal.SIGKILL)
                servers.close()
                server = servers.enter_context(model_server(folder / "log", *flags, ports=ports))
                listens = time.monotonic()
                await_predictions(started.url)
                back.append(time.monotonic() - listens)
            return back

        return _loaded(started.url + PREDICT, disturb, count)


def terms(models_dir: Path, folder: Path, count: int) -> Ends:
    """Ends a worker of the gateway `count` times with SIGTERM under load."""
    base = (models_dir / "mlp").absolute()
    with (
        model_server(folder / "log", "--model_name=mlp", f"--model_base_path={base}") as server,
        gateway(server.grpc_address) as started,
    ):
        await_predictions(started.url)

        def disturb() -> list[float]:
            back = []
            for index in range(count):
                wait_for(lambda: len(started.workers) == 2, 60, "two workers")
                victim = sorted(started.workers)[index % 2]
                began = time.monotonic()
                os.kill(victim, signal.SIGTERM)
                wait_for(
                    lambda victim=victim: (
                        victim not in started.workers and len(started.workers) == 2
                    ),
                    60,
                    "another worker",
                )
                back.append(time.monotonic() - began)
            return back

        return _loaded(started.url + PREDICT, disturb, count)


# --- a long day -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Soak:
    """What a long load left behind."""

    duration_s: float
    statuses: dict[int, int]
    wrong: int
    rss_mb_before: float
    rss_mb_after: float

    @property
    def growth(self) -> float:
        """How much heavier the workers are: 0.1 for a tenth."""
        return self.rss_mb_after / self.rss_mb_before - 1


def soak(models_dir: Path, folder: Path, duration_s: float, warm_up_s: float) -> Soak:
    """Asks over 16 connections without a pause; memory is weighed after `warm_up_s` and at the
    end."""
    base = (models_dir / "mlp").absolute()
    with (
        model_server(folder / "log", "--model_name=mlp", f"--model_base_path={base}") as server,
        gateway(server.grpc_address) as started,
    ):
        await_predictions(started.url)
        url = started.url + PREDICT
        asyncio.run(closed_loop(url, PICTURE, connections=16, until=for_s(warm_up_s)))
        before_mb = workers_mb(started)
        counted: dict[int, int] = {}
        wrong = 0
        over = for_s(duration_s)
        while not over():  # in pieces, so that replies need not be kept
            replies = asyncio.run(closed_loop(url, PICTURE, connections=16, until=for_s(5)))
            for status, count in statuses(replies).items():
                counted[status] = counted.get(status, 0) + count
            wrong += _wrong(replies)
        return Soak(duration_s, counted, wrong, before_mb, workers_mb(started))


def _wrong(replies: list[Reply]) -> int:
    return sum(reply.status == 200 and LABEL not in reply.body for reply in replies)


@click.command()
@click.option("--models-dir", default="models", show_default=True, help="Where the mlp is.")
@click.option("--overload-s", default=60.0, show_default=True, help="Seconds of overload.")
@click.option("--kills", "kill_count", default=10, show_default=True, help="Of the model server.")
@click.option("--terms", "term_count", default=50, show_default=True, help="Of a worker.")
@click.option("--soak-s", default=600.0, show_default=True, help="Seconds of the long load.")
def main(
    models_dir: str, overload_s: float, kill_count: int, term_count: int, soak_s: float
) -> None:
    """Overload a gateway, kill its model server, end its workers, and load it for long."""
    console = Console(highlight=False)
    models = Path(models_dir)
    found: dict[str, object] = {}
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        scenarios: dict[str, Callable[[], object]] = {
            "overload": lambda: overload(overload_s),
            "kills": lambda: kills(models, scratch, kill_count),
            "terms": lambda: terms(models, scratch, term_count),
            "soak": lambda: soak(models, scratch, soak_s, min(60.0, soak_s / 4)),
        }
        for name, run in scenarios.items():
            with console.status(f"{name} ..."):
                outcome = run()
            console.print(name, outcome)
            found[name] = asdict(outcome)  # type: ignore[call-overload]
    results.write("reliability", found)


if __name__ == "__main__":
    main()
