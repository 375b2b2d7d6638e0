"""The servers of the table that are ours: one embedded model server, and one gateway before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.gateway import gateway
from harness.model_server import model_server
from harness.ports import free_port
from tests.contract.open_inference.asking import Target


@contextmanager
def running(models: Path, names: list[str], folder: Path) -> Iterator[dict[str, Target]]:
    """Runs both for models that were exported; yields them by their names."""
    flags = (
        f"--model_config_file={models / 'models.config'}",
        "--enable_batching=true",
        "--enable_per_model_batching_parameters=true",
        "--enable_grpc_healthcheck_service=true",
    )
    with model_server(folder / "model-server.log", *flags) as embedded:
        port = free_port()
        with gateway(
            embedded.grpc_address,
            folder / "gateway.log",
            workers=1,
            models=",".join(names),
            v2_grpc_port=port,
        ) as before:
            targets = {
                "gateway": Target(before.address, f"127.0.0.1:{port}"),
                "embedded": Target("", embedded.grpc_address),
            }
            yield targets
            for each in targets.values():
                each.close()
