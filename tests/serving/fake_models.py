"""Model directories to publish and remove, and a loader of them that a test can hold up."""

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from harness.waiting import wait_for
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.repository.repository import Repository


@dataclass(eq=False)
class FakeServable:
    """Knows whether it was closed while somebody used it."""

    name: str
    version: int
    closes: int = 0

    def close(self) -> None:
        self.closes += 1


@dataclass
class FakeLoader:
    """Loads anything but a directory with `broken` in it, and raises `errors` by version.

    A load of a version with a gate waits until the gate is set. `tries` counts what began, and
    `failures` what has found out that it fails.
    """

    gates: dict[int, threading.Event] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    tries: Counter = field(default_factory=Counter)
    failures: Counter = field(default_factory=Counter)
    loaded: list[FakeServable] = field(default_factory=list)

    def __call__(self, name: str, version: int, path: Path) -> FakeServable:
        self.tries[name, version] += 1
        if gate := self.gates.get(version):
            assert gate.wait(30), f"nobody opened the gate of {name}/{version}"
        error = self.errors.get(version)
        if (path / "broken").exists():
            error = error or ValueError("no graph")
        if error:
            self.failures[name, version] += 1
            raise error
        self.loaded.append(FakeServable(name, version))
        return self.loaded[-1]

    def closes(self) -> dict[int, int]:
        return {servable.version: servable.closes for servable in self.loaded}


def publish(base: Path, version: int, *, broken: bool = False) -> None:
    """Renames a version into its place, as training does."""
    unfinished = base / f".unfinished-{version}"
    unfinished.mkdir(parents=True)
    if broken:
        (unfinished / "broken").touch()
    unfinished.rename(base / str(version))


def remove(base: Path, version: int) -> None:
    shutil.rmtree(base / str(version))


def states(repository: Repository, name: str = "mlp") -> dict[int, str]:
    return {version.number: version.state for version in repository.versions(name)}


def reach(repository: Repository, expected: dict[int, str], name: str = "mlp") -> None:
    """Blocks until the versions of a model are known and have these states."""

    def reached() -> bool:
        with suppress(ServingError):
            return states(repository, name) == expected
        return False

    try:
        wait_for(reached, 30, "states")
    except AssertionError:
        assert states(repository, name) == expected  # says what they are


@contextmanager
def starting(load: FakeLoader) -> Iterator[Callable[..., Repository]]:
    """Gives a maker of configured repositories, which stop at the end."""
    made = []

    def start(*configs: ModelConfig, wait: bool = True, **options) -> Repository:
        made.append(Repository(load, **{"load_retries": 0, **options}))
        made[-1].configure(configs, wait=wait)
        return made[-1]

    try:
        yield start
    finally:
        for gate in load.gates.values():
            gate.set()
        for repository in made:
            repository.stop()


def answers(repository: Repository, *asked, **by) -> int:
    """Returns the version of mlp that answers."""
    with repository.use("mlp", *asked, **by) as servable:
        return servable.version


def refusal(call: Callable, *arguments, **named) -> tuple[grpc.StatusCode, str]:
    """Returns the code and the words of the error that a call raises."""
    with pytest.raises(ServingError) as caught:
        call(*arguments, **named)
    return caught.value.code, str(caught.value)
