"""An embedded model server of one's own, for as long as a benchmark lasts."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from tests.conftest import end, free_port, wait_for


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

    def rss_bytes(self) -> int:
        """Memory of the process that is in RAM (Linux)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * 4096


@contextmanager
def model_server(
    log: Path, *flags: str, ports: tuple[int, int] | None = None
) -> Iterator[ModelServer]:
    """Starts one with `flags`, waits until it listens, and ends it afterwards.

    `ports` are those of gRPC and REST; free ones unless they are given.
    """
    grpc_port, rest_port = ports or (free_port(), free_port())
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "vitrine_serving.model_server", *flags),
                *(f"--port={grpc_port}", f"--rest_api_port={rest_port}"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        return "Running gRPC" in log.read_text()

    try:
        wait_for(listens, 120, "the model server")
        yield ModelServer(f"127.0.0.1:{grpc_port}", f"127.0.0.1:{rest_port}", process.pid)
    finally:
        end(process)


PredictionStub = prediction_service_pb2_grpc.PredictionServiceStub
ModelStub = model_service_pb2_grpc.ModelServiceStub
