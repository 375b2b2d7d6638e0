"""Whole service, `vitrine-serve up`, as a process of one's own."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.gateway import variables
from harness.ports import free_port
from harness.processes import Process, running, wait_until_up
from vitrine_client import Client


@dataclass(frozen=True)
class Service:
    """A running `vitrine-serve up`."""

    url: str
    grpc_address: str
    rest_url: str
    process: Process
    models_dir: Path
    log: Path

    @property
    def local_address(self) -> str:
        """Its model server's local socket, as an address."""
        found = re.search(r"ttrpc at (\S+)", self.log.read_text())
        assert found, self.log.read_text()
        return f"ttrpc:{found[1]}"

    def client(self) -> Client:
        """A client of its gateway."""
        return Client(self.url)


@contextmanager
def started_service(
    models_dir: Path, log: Path, *options: str, **settings: object
) -> Iterator[Service]:
    """Runs the whole service on free ports, ready, until the end of the block; `options` are the
    command's, and `settings` the gateway's, by their names in lower case. It has no gRPC in front
    unless they name a port."""
    port, grpc_port, rest_port = free_port(), free_port(), free_port()
    command = [
        *(sys.executable, "-m", "vitrine_serving", "up", f"--models-dir={models_dir}"),
        *(f"--port={port}", f"--grpc-port={grpc_port}", f"--rest-port={rest_port}"),
        *options,
    ]
    told = {"v2_grpc_port": 0} | settings  # by itself the port after its own, which others may have
    with running(command, log, variables(**told)) as process:
        wait_until_up(process, log, lambda: "Ready: " in log.read_text(), "the service")
        yield Service(
            f"http://127.0.0.1:{port}",
            f"127.0.0.1:{grpc_port}",
            f"http://127.0.0.1:{rest_port}",
            process,
            models_dir,
            log,
        )
