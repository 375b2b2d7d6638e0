"""Vitrine among the peers: a gateway by its defaults, with a model server behind it."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.gateway.bodies import PICTURES, Body, png
from benchmarks.gateway.peers import Running, await_answer
from harness.gateway import COMMAND, PREDICT, variables
from harness.model_server import flags, model_server
from harness.ports import free_port
from harness.processes import running

GATEWAY, SERVER = "gateway", "model server"
BINARY = "tensorflow_model_server"

ModelServer = AbstractContextManager[tuple[str, dict[str, int]]]
"""Gives its gRPC address, and its process if it is ours."""


@dataclass(frozen=True)
class Vitrine:
    """A gateway in front of what `serve` starts, given the version's directory and a folder."""

    name: str
    title: str
    serve: Callable[[Path, Path], ModelServer]
    lacks: str = ""
    family: str = "vitrine"
    takes_npy: bool = True

    def single(self, picture: bytes) -> Body:
        """How one picture is sent."""
        return png(picture)

    def prepare(self, venvs: Path, console: Console) -> str:  # noqa: ARG002
        """Returns what is missing here, or nothing."""
        return self.lacks

    @contextmanager
    def start(self, venvs: Path, version: Path, folder: Path) -> Iterator[Running]:  # noqa: ARG002
        """Serves the model in `version`, the newest of its own, and ends afterwards; the start
        is that of the gateway, with the model server up."""
        port = free_port()
        with self.serve(version, folder) as (address, pids):
            told = variables(port=port, model_server=address, models="mlp")
            told["GUNICORN_CMD_ARGS"] = "--log-level=warning"
            log = folder / "log"
            started = time.monotonic()
            with running(COMMAND, log, told) as gateway:
                url = f"http://127.0.0.1:{port}{PREDICT}"
                await_answer(url, png(PICTURES[0]), gateway, log)
                start_s = time.monotonic() - started
                yield Running(url, start_s, {GATEWAY: gateway.pid, **pids}, address)


@contextmanager
def embedded(version: Path, folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """The embedded model server."""
    told = (*flags(version.parent.parent), "--grpc_max_threads=64")
    with model_server(folder / "model-server.log", *told) as server:
        yield server.grpc_address, {SERVER: server.pid}


@contextmanager
def tensorflow_serving(version: Path, folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """TensorFlow Serving's own program, if it is on the PATH."""
    port = free_port()
    command = (BINARY, f"--port={port}", "--rest_api_port=0", *flags(version.parent.parent))
    with running(command, folder / "tensorflow-serving.log") as server:
        yield f"127.0.0.1:{port}", {SERVER: server.pid}


@contextmanager
def _running(address: str) -> Iterator[tuple[str, dict[str, int]]]:
    yield address, {}


def vitrines(tensorflow_serving_at: str | None) -> list[Vitrine]:
    """Returns Vitrine with either model server; TensorFlow Serving runs at an address, or here."""
    title = "Vitrine, TensorFlow Serving"
    if tensorflow_serving_at:
        behind = Vitrine("vitrine-tfs", title, lambda *_: _running(tensorflow_serving_at))
    else:
        lacks = "" if shutil.which(BINARY) else f"no {BINARY} on the PATH, and no address given"
        behind = Vitrine("vitrine-tfs", title, tensorflow_serving, lacks)
    return [Vitrine("vitrine", "Vitrine", embedded), behind]
