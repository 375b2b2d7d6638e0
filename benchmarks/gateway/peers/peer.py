"""Peer of the gateway: a server with the model in it, how it is started, asked and read."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from benchmarks.gateway.bodies import PICTURES, Body, form, png
from benchmarks.gateway.peers import environments
from harness.ports import free_port
from harness.processes import NotStartedError, Process, running, wait_until_up

SERVERS = Path(__file__).parent.parent / "servers"

THREADS = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    # A small model is done sooner than a second thread has woken up.
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
"""TensorFlow's settings for a small model."""

DECODER = {"PEER_DECODER": "pyspng"}
"""A decoder of PNGs alone, where it is faster than Pillow."""

CALL = {"PEER_CALL": "session"}
"""The session's callable, as our model server has it, for the loaded signature: a private name of
TensorFlow's, and so no setting."""

TUNED = {**THREADS, **DECODER}


def predictions(answer: requests.Response) -> list[dict[str, Any]]:
    """Returns the predictions of an answer as Vitrine gives it, or of those alone."""
    content = answer.json()
    found: list[dict[str, Any]] = content if isinstance(content, list) else content["predictions"]
    return found


@dataclass(frozen=True)
class WireFormat:
    """Wire format of a server: where and how pictures are sent, singly and many, and how its answer
    is read. `array` is of pictures as pixels, where they are taken so."""

    path: str = "/predict"
    single: Callable[[bytes], Body] = png
    batch: Callable[[Sequence[bytes]], Body] = form
    array: Callable[[Sequence[bytes]], Body] | None = None
    read: Callable[[requests.Response], list[dict[str, Any]]] = predictions


@dataclass(frozen=True)
class Running:
    """A server that answers.

    `start_s` is the time from its start to the first answer; `pids` are the processes that it is,
    without those below them, none where one of them is elsewhere. `gateway` is the process of the
    gateway, `grpc_address` that of the model server behind it, where there are any, and
    `environment` has variables with which another gateway is of the same build.
    """

    url: str
    start_s: float
    pids: Sequence[int]
    gateway: int = 0
    grpc_address: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """A server with the model in its own process or its workers', in an environment of its own.

    `command` takes the environment's `bin` and a port. `family` is of configurations of the same
    thing, which share an `environment`: the best of them is what counts.
    """

    name: str
    title: str
    family: str
    requirements: Sequence[str]
    command: Callable[[Path, int], Sequence[str]]
    wire: WireFormat = field(default_factory=WireFormat)
    variables: Mapping[str, str] = field(default_factory=lambda: TUNED)
    environment: str = ""

    def with_our_call(self) -> "Peer":
        """Returns the same with the way to run a model that our model server has, as a family of
        its own: it is shown, and no aim is set against it."""
        return replace(
            self,
            name=f"{self.name}-session",
            title=f"{self.title}, Vitrine's way to run a model",
            family=f"{self.family}-session",
            variables={**self.variables, **CALL},
            environment=self._environment,
        )

    @property
    def _environment(self) -> str:
        return self.environment or self.family

    def without(self, name: str, title: str, settings: Mapping[str, str]) -> "Peer":
        """Returns the same without some of its settings, as a peer of its family."""
        left = {key: value for key, value in self.variables.items() if key not in settings}
        return replace(
            self, name=f"{self.name}-{name}", title=f"{self.title}, {title}", variables=left
        )

    def prepare(self, cache: Path, console: Console) -> str:
        """Makes its environment; returns why it can't, or nothing."""
        return environments.prepare(cache / self._environment, self.requirements, console)

    @contextmanager
    def start(self, cache: Path, version: Path, folder: Path) -> Iterator[Running]:
        """Serves the model in `version`, and ends afterwards. Raises `NotStartedError`."""
        port = free_port()
        environment = {
            "PEER_MODEL": str(version),
            "PEER_PORT": str(port),
            "PEER_PORT_2": str(free_port()),
            "PYTHONPATH": str(SERVERS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **self.variables,
        }
        command = self.command(cache / self._environment / "bin", port)
        started = time.monotonic()
        log = folder / "log"
        with running(command, log, environment, cwd=folder, start_new_session=True) as server:
            url = f"http://127.0.0.1:{port}{self.wire.path}"
            await_answer(url, self.wire.single(PICTURES[0]), server, log)
            yield Running(url, time.monotonic() - started, (server.pid,))


def await_answer(url: str, body: Body, server: Process, log: Path) -> None:
    """Asks until there is an answer. Raises `NotStartedError`."""
    answered = ""

    def answers() -> bool:
        nonlocal answered
        try:
            answer = requests.post(url, body.content, headers=body.headers, timeout=10)
        except requests.RequestException as error:
            answered = str(error)
            return False
        answered = answer.text
        return answer.ok

    try:
        wait_until_up(server, log, answers, "the server")
    except NotStartedError as error:
        raise NotStartedError(f"It does not answer: {answered}\n{error}") from None
