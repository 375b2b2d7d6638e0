"""What the tests share: the real data, models trained by the real command, a running service."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from harness.service import Service, started_service
from tests import turns
from vitrine_training.data.fashion_mnist import Dataset, load

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Of a job that a shell put into the background, and so of all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Or a service's would be the port after its own, which another test may be given.
os.environ.setdefault("VITRINE_V2_GRPC_PORT", "0")

T = TypeVar("T")

VITRINE_TRAIN = (sys.executable, "-m", "vitrine_training", "train")


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
    those last in which all tests are to be alone.

    One that wants trained models is the very first, so that a process trains them while the other
    has files that do not wait for them.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    shared = {item.path for item in items if not item.get_closest_marker("alone")}
    trained = {
        item.path: None for item in items if "training_run" in getattr(item, "fixturenames", ())
    }
    first = next((path for path in trained if path in slow & shared), None)
    items.sort(
        key=lambda item: (
            item.path not in shared,
            item.path not in slow,
            item.path != first,
            item.path in trained,
        )
    )


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Gives each test its environment back: a command's `main` that it runs in this process sets
    variables for TensorFlow, which processes of later tests would inherit."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def measured(measure: Callable[[], T], check: Callable[[T], None]) -> None:
    """Checks times that were measured, and measures anew where they are wrong, up to five times: a
    machine that stands still meanwhile spoils one measurement, and code that is wrong all."""
    for _ in range(4):
        found = measure()
        with contextlib.suppress(AssertionError):
            check(found)
            return
    check(measure())


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


@pytest.fixture(scope="session")
def service(
    training_run: TrainingRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The whole service, for tests that leave it as it is."""
    log = tmp_path_factory.mktemp("service") / "log"
    with started_service(training_run.models_dir, log) as running:
        yield running
