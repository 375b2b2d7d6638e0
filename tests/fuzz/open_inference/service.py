"""Service under fuzz: a gateway with both transports, and models of every datatype behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2 as config_pb2

from harness.gateway import Gateway
from harness.gateway import gateway as running_gateway
from harness.model_server import model_server
from harness.ports import free_port
from harness.waiting import wait_for
from tests.contract.open_inference import models
from tests.fuzz import classifier


@contextmanager
def service(base: Path, workers: int) -> Iterator[tuple[Gateway, str]]:
    """Runs one in the folder `base`; yields it and its address of gRPC. Its models are those of
    the table, and `clothes`, which takes pictures and whose rows share calls."""
    names, config = [*models.export(base), "clothes"], base / "models.config"
    classifier.export(base / "clothes" / "1")
    told = text_format.Parse(config.read_text(), config_pb2.ModelServerConfig())
    told.model_config_list.config.add(
        name="clothes", base_path=str(base / "clothes"), model_platform="tensorflow"
    )
    config.write_text(text_format.MessageToString(told))
    flags, port = f"--model_config_file={config}", free_port()
    settings = {"models": ",".join(names), "v2_grpc_port": port}
    with (
        model_server(base / "model_server.log", flags) as server,
        running_gateway(
            server.grpc_address, base / "gateway.log", workers=workers, **settings
        ) as gateway,
    ):
        wait_for(lambda: requests.get(f"{gateway.url}/v2/health/ready", timeout=5).ok, 180, "it")
        yield gateway, f"127.0.0.1:{port}"
