"""Embedded model server as a process of one's own."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from harness.ports import free_port
from harness.processes import running, wait_until_up

COMMAND = (sys.executable, "-m", "vitrine_serving.model_server")


@dataclass(frozen=True)
class ModelServer:
    """A running model server: `host:port` of both ports, and its process."""

    grpc_address: str
    rest_address: str
    pid: int

    def channel(self) -> grpc.Channel:
        """A connection of one's own, whatever other channels there are."""
        return grpc.insecure_channel(
            self.grpc_address, options=[("grpc.use_local_subchannel_pool", 1)]
        )


@contextmanager
def model_server(
    log: Path,
    *flags: str,
    ports: tuple[int, int] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[ModelServer]:
    """Starts one with `flags`, waits until it listens, and ends it afterwards.

    `ports` are those of gRPC and REST, free ones unless they are given; `variables` are added to
    its environment.
    """
    grpc_port, rest_port = ports or (free_port(), free_port())
    listen = (f"--port={grpc_port}", f"--rest_api_port={rest_port}")
    with running((*COMMAND, *flags, *listen), log, variables) as process:
        wait_until_up(process, log, lambda: "Running gRPC" in log.read_text(), "the model server")
        yield ModelServer(f"127.0.0.1:{grpc_port}", f"127.0.0.1:{rest_port}", process.pid)


def flags(models_dir: Path, model: str = "mlp") -> tuple[str, str]:
    """Returns the flags for one model of a directory of published ones."""
    return f"--model_name={model}", f"--model_base_path={(models_dir / model).absolute()}"
