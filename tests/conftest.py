"""What the tests share: the real data, models trained by the real command, a running service."""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tests import turns
from vitrine_client import Client
from vitrine_client.errors import VitrineError
from vitrine_training.data.fashion_mnist import Dataset, load

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Of a job that a shell put into the background, and so of all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
VITRINE_TRAIN = (sys.executable, "-m", "vitrine_training", "train")
SAMPLES = sorted((ROOT / "samples").glob("*.png"))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # waiting is no part of what a test may take
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keeps other processes' tests away from one that is marked `alone`."""
    with turns.turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Writes captured halves of surrogate pairs as `\\udcff`: between processes goes UTF-8 only."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first, so that all processes are done at about the same time, and
    those last in which all tests are to be alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    shared = {item.path for item in items if not item.get_closest_marker("alone")}
    items.sort(key=lambda item: (item.path not in shared, item.path not in slow))


def _own_ports() -> list[int]:
    """Ports that neither another process of this run nor, on Linux, a connection is given."""
    mine = range(20_000 + turns.PROCESS, 32_000, turns.PROCESSES)
    start = random.randrange(len(mine))  # others may run tests on this machine, too
    return [*mine[start:], *mine[:start]]


_ports = itertools.cycle(_own_ports())


def free_port() -> int:
    """Returns a port that nobody listens on, another one each time."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Blocks until `condition()` holds; fails the test after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        pause.wait(0.05)


def measured(measure: Callable[[], T], check: Callable[[T], None]) -> None:
    """Checks times that were measured, and measures anew where they are wrong, up to five times: a
    machine that stands still meanwhile spoils one measurement, and code that is wrong all."""
    for _ in range(4):
        found = measure()
        with contextlib.suppress(AssertionError):
            check(found)
            return
    check(measure())


def predicts(client: Client, label: str = "Ankle boot") -> bool:
    """Says whether a gateway answers a picture, and by this label unless that is empty."""
    try:
        return label in ("", client.predict(SAMPLES[0]).label)
    except VitrineError:
        return False


def end(process: "subprocess.Popen[str]", timeout_s: float = 30) -> None:
    """Ends a process that a test started, and waits for it."""
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Real Fashion-MNIST."""
    return load()


@dataclass(frozen=True)
class TrainingRun:
    """A run of `vitrine-train train`: where it published, and what it printed."""

    models_dir: Path
    output: str


@pytest.fixture(scope="session")
def training_run(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> TrainingRun:
    """Both models of the text, trained by their recipes in the first process that asks."""
    folder = turns.shared(tmp_path_factory)
    models_dir, output = folder / "models", folder / "training.log"
    words = ("softmax", "mlp", "--hard-pictures", "1")
    with turns.locked(folder):
        if not output.exists():
            done = subprocess.run(
                [*VITRINE_TRAIN, *words, "--models-dir", models_dir],
                capture_output=True,
                text=True,
                timeout=280,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            output.write_text(done.stdout)
    return TrainingRun(models_dir, output.read_text())


@dataclass(frozen=True)
class Service:
    """A running `vitrine-serve up`."""

    url: str
    grpc_address: str
    rest_url: str
    process: "subprocess.Popen[str]"
    models_dir: Path

    def client(self) -> Client:
        return Client(self.url)


def start_service(models_dir: Path, log: Path) -> Service:
    """Starts the whole service on free ports and waits until it is ready."""
    port, grpc_port, rest_port = free_port(), free_port(), free_port()
    command = [
        *(sys.executable, "-m", "vitrine_serving", "up", f"--models-dir={models_dir}"),
        *(f"--port={port}", f"--grpc-port={grpc_port}", f"--rest-port={rest_port}"),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(
            lambda: process.poll() is not None or "Ready: " in log.read_text(), 120, "the service"
        )
        assert process.poll() is None, log.read_text()
    except BaseException:
        end(process)
        raise
    return Service(
        f"http://127.0.0.1:{port}",
        f"127.0.0.1:{grpc_port}",
        f"http://127.0.0.1:{rest_port}",
        process,
        models_dir,
    )


@pytest.fixture(scope="session")
def service(
    training_run: TrainingRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The whole service, for tests that leave it as it is."""
    running = start_service(training_run.models_dir, tmp_path_factory.mktemp("service") / "log")
    yield running
    end(running.process)


def children_of(pid: int) -> list[int]:
    """Returns the processes that descend from `pid`, from Linux' /proc."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found += below
        queue += below
    return found


def is_running(pid: int) -> bool:
    """Says whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
