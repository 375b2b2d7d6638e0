"""Vitrine among the peers: builds of the whole service, and a gateway before a given server."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from benchmarks.gateway.bodies import PICTURES
from benchmarks.gateway.peers.builds import BEFORE, VITRINE_WIRE, Build, builds
from benchmarks.gateway.peers.peer import Running, WireFormat, await_answer
from harness.gateway import COMMAND, variables
from harness.model_server import flags, model_server
from harness.ports import free_port
from harness.processes import running

BINARY = "tensorflow_model_server"
THREADS = ("--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=1")
"""Flags of a model server for small models, as Compose and `vitrine-serve up` have them."""

ModelServer = AbstractContextManager[tuple[str, int]]
"""Gives its gRPC address, and its process; 0 if that is not ours."""


@dataclass(frozen=True)
class Vitrine:
    """A gateway alone, before what `serve` starts, given the version's directory and a folder."""

    name: str
    title: str
    serve: Callable[[Path, Path], ModelServer]
    lacks: str = ""
    family: str = "vitrine"
    wire: WireFormat = VITRINE_WIRE

    def prepare(self, cache: Path, console: Console) -> str:  # noqa: ARG002
        """Returns what is missing here, or nothing."""
        return self.lacks

    @contextmanager
    def start(self, cache: Path, version: Path, folder: Path) -> Iterator[Running]:  # noqa: ARG002
        """Serves the model in `version`, the newest of its own, and ends afterwards; the start
        is that of the gateway, with the model server up."""
        with (
            self.serve(version, folder) as (address, server),
            gateway(address, folder) as (url, start_s, pid),
        ):
            yield Running(url, start_s, (pid, server) if server else (), pid, address)


@contextmanager
def gateway(
    model_server: str, folder: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[str, float, int]]:
    """A gateway by its defaults before a model server that is up: where it answers pictures, the
    seconds until it did, and its process. `environment` says which build it is of."""
    port = free_port()
    told = {**environment, **variables(port=port, model_server=model_server, models="mlp")}
    told["GUNICORN_CMD_ARGS"] = "--log-level=warning"
    log = folder / "gateway-log"
    started = time.monotonic()
    with running(COMMAND, log, told) as process:
        url = f"http://127.0.0.1:{port}{VITRINE_WIRE.path}"
        await_answer(url, VITRINE_WIRE.single(PICTURES[0]), process, log)
        yield url, time.monotonic() - started, process.pid


@contextmanager
def embedded(version: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """The embedded model server."""
    told = (*flags(version.parent.parent), "--grpc_max_threads=64", *THREADS)
    with model_server(folder / "model-server.log", *told) as server:
        yield server.grpc_address, server.pid


@contextmanager
def tensorflow_serving(version: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """TensorFlow Serving's own program, if it is on the PATH."""
    port = free_port()
    command = (BINARY, f"--port={port}", "--rest_api_port=0", *THREADS)
    told = (*command, *flags(version.parent.parent))
    tuned = {"TF_ENABLE_ONEDNN_OPTS": "0"}
    with running(told, folder / "tensorflow-serving.log", tuned) as server:
        yield f"127.0.0.1:{port}", server.pid


@contextmanager
def _running(address: str) -> Iterator[tuple[str, int]]:
    yield address, 0


def vitrines(tensorflow_serving_at: str | None, before: str = BEFORE) -> list[Build | Vitrine]:
    """Returns the working tree first, then earlier builds, and a gateway before TensorFlow Serving:
    one at an address, or here."""
    title = "Vitrine, TensorFlow Serving"
    if tensorflow_serving_at:
        behind = Vitrine("vitrine-tfs", title, lambda *_: _running(tensorflow_serving_at))
    else:
        lacks = "" if shutil.which(BINARY) else f"no {BINARY} on the PATH, and no address given"
        behind = Vitrine("vitrine-tfs", title, tensorflow_serving, lacks)
    return [*builds(before), behind]
