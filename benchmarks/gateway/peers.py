"""Peers of the gateway: their requirements, their start, and how each is asked."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from rich.console import Console

from benchmarks.gateway import environments
from benchmarks.gateway.bodies import PICTURES, Body, form_of_one, png
from harness.ports import free_port
from harness.processes import NotStartedError, Process, running, wait_until_up

SERVERS = Path(__file__).parent / "servers"

_MODEL = ("tensorflow==2.20.0", "orjson==3.13.0", "pillow==13.0.0")
_FORMS = "python-multipart==0.0.34"
_TUNED = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    # A small model is done sooner than a second thread has woken up.
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
_UVICORN = ("uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0")


@dataclass(frozen=True)
class Running:
    """A server that answers: its address, seconds from its start until then, its processes by
    what they are, and the gRPC address of the model server behind it, if there is one."""

    url: str
    start_s: float
    pids: Mapping[str, int]
    grpc_address: str = ""


@dataclass(frozen=True)
class Peer:
    """A server with the model in its own process or its workers', in an environment of its own.

    `command` takes the environment's `bin` and a port. Peers with the same `environment` share it.
    `family` is of configurations of the same thing: the best of them is what counts.
    """

    name: str
    title: str
    family: str
    requirements: Sequence[str]
    command: Callable[[Path, int], Sequence[str]]
    single: Callable[[bytes], Body] = png
    takes_npy: bool = False
    variables: Mapping[str, str] = field(default_factory=lambda: _TUNED)

    def prepare(self, venvs: Path, console: Console) -> str:
        """Makes its environment; returns why it can't, or nothing."""
        return environments.prepare(venvs / self.family, self.requirements, console)

    @contextmanager
    def start(self, venvs: Path, version: Path, folder: Path) -> Iterator[Running]:
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
        command = self.command(venvs / self.family / "bin", port)
        started = time.monotonic()
        log = folder / "log"
        with running(command, log, environment, cwd=folder, start_new_session=True) as server:
            url = f"http://127.0.0.1:{port}/predict"
            await_answer(url, self.single(PICTURES[0]), server, log)
            yield Running(url, time.monotonic() - started, {self.title: server.pid})


def await_answer(url: str, body: Body, server: Process, log: Path) -> None:
    """Asks until there is an answer. Raises `NotStartedError`."""
    answered = ""

    def answers() -> bool:
        nonlocal answered
        headers = {"Content-Type": body.content_type}
        try:
            answer = requests.post(url, body.content, headers=headers, timeout=10)
        except requests.RequestException as error:
            answered = str(error)
            return False
        answered = answer.text
        return answer.ok

    try:
        wait_until_up(server, log, answers, "the server")
    except NotStartedError as error:
        raise NotStartedError(f"It does not answer: {answered}\n{error}") from None


def _fastapi(bin_: Path, port: int) -> list[str]:
    return [
        *(str(bin_ / "uvicorn"), "fastapi_app:app", f"--port={port}", "--loop=uvloop"),
        *("--http=httptools", "--no-access-log", "--log-level=warning"),
    ]


def _script(name: str) -> Callable[[Path, int], list[str]]:
    return lambda bin_, _: [str(bin_ / "python"), str(SERVERS / name)]


def _bentoml(bin_: Path, port: int) -> list[str]:
    return [
        *(str(bin_ / "bentoml"), "serve", "bentoml_app:Mlp", "--host=127.0.0.1"),
        *(f"--port={port}", f"--working-dir={SERVERS}"),
    ]


def _flask(bin_: Path, port: int) -> list[str]:
    return [
        *(str(bin_ / "gunicorn"), "flask_app:app", f"--bind=127.0.0.1:{port}"),
        *("--workers=2", "--log-level=warning"),
    ]


_FASTAPI = (*_MODEL, *_UVICORN, _FORMS, "fastapi==0.165.0")

PEERS = (
    Peer("fastapi", "FastAPI, tuned", "fastapi", _FASTAPI, _fastapi, takes_npy=True),
    Peer(
        "fastapi-2",
        "FastAPI, tuned, 2 processes",
        "fastapi",
        _FASTAPI,
        lambda bin_, port: [*_fastapi(bin_, port), "--workers=2"],
        takes_npy=True,
    ),
    Peer(
        "litserve",
        "LitServe",
        "litserve",
        (*_MODEL, *_UVICORN, _FORMS, "litserve==0.2.19"),
        _script("litserve_app.py"),
    ),
    Peer(
        "mlserver",
        "MLServer",
        "mlserver",
        (*_MODEL, _FORMS, "mlserver==1.7.1"),
        _script("mlserver_app.py"),
    ),
    Peer(
        "bentoml",
        "BentoML",
        "bentoml",
        (*_MODEL, "bentoml==1.4.40"),
        _bentoml,
        form_of_one,
        variables={**_TUNED, "BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "ray",
        "Ray Serve",
        "ray",
        (*_MODEL, _FORMS, "ray[serve]==2.60.0"),
        _script("ray_app.py"),
        variables={**_TUNED, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
    ),
    Peer(
        "flask",
        "Flask, untuned",
        "flask",
        (*_MODEL, "flask==3.1.3", "gunicorn==27.0.1"),
        _flask,
        variables={},
    ),
)
