"""The files that containers are made from and configured by; none of this needs an engine."""

import re
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from harness.paths import ROOT
from harness.ports import free_port
from tests.containers.conftest import EMBEDDED, call
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.model_server.flags import Flags
from vitrine_serving.model_server.repository.config import read_config
from vitrine_serving.model_server.runtime.batching import read_parameters

CONFIG = ROOT / "deploy/tensorflow_serving"
COMPOSE = (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize("profile", ["", "monitoring", "train"])
@pytest.mark.parametrize("files", [(), EMBEDDED], ids=["TensorFlow Serving", "embedded"])
def test_compose_accepts_the_files(compose, files, profile):
    """`docker compose config` for each profile, with either model server."""
    chosen = ["--profile", profile] if profile else []
    found = call(*compose, *files, *chosen, "config")
    image = "vitrine-model-server" if files else "tensorflow/serving:2.20.0"
    assert f"image: {image}\n" in found


def test_the_embedded_server_is_given_the_same_flags():
    """The override leaves TensorFlow Serving's command as it is, and ours knows each flag of it."""
    flags = set(re.findall(r"- --(\w+)=", COMPOSE.split("healthcheck:")[0]))
    assert {"model_config_file", "monitoring_config_file", "grpc_max_threads"} <= flags
    assert flags <= set(Flags.__dataclass_fields__)
    assert "command:" not in (ROOT / "deploy/docker-compose.embedded.yml").read_text()


def test_the_configuration_is_what_model_servers_read():
    """models.config names where Compose mounts the models; batching waits for nobody."""
    found = {config.name: str(config.base_path) for config in read_config(_text("models.config"))}
    assert found == {name: f"/models/{name}" for name in Settings().listed.models}
    parameters = read_parameters(CONFIG / "batching.config")
    assert parameters.batch_timeout_s == 0
    assert "--enable_batching=" not in COMPOSE


def test_the_gateway_reads_the_files_beside_models():
    """Compose mounts the same directory for it as for the model server, read-only, and says where:
    TensorFlow Serving hands out no profile.json."""
    services = yaml.safe_load(COMPOSE)["services"]
    gateway = services["gateway"]
    (models,) = gateway["volumes"]
    assert models in services["model-server"]["volumes"]
    assert models["read_only"] is True
    assert gateway["environment"]["VITRINE_MODELS_DIR"] == models["target"]


def _text(name: str) -> str:
    return (CONFIG / name).read_text()


def health_check(port: int) -> list[str]:
    """Returns the model server's health check as Compose runs it, for another port."""
    folded = re.findall(r"- >-\n((?: {10}.*\n)+)", COMPOSE)[0]
    script = " ".join(folded.split()).replace("$$", "$")
    assert "/8501" in script
    return ["bash", "-c", script.replace("/8501", f"/{port}")]


def test_the_health_check_tells_who_answers():
    """bash alone, as TensorFlow Serving's image has no curl: 0 for HTTP of any status, else not."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert subprocess.run(health_check(server.server_port), timeout=60).returncode == 0
        server.shutdown()
    nobody = subprocess.run(health_check(free_port()), timeout=60, capture_output=True)
    assert nobody.returncode != 0
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        mute = subprocess.run(health_check(silent.getsockname()[1]), timeout=60)
    assert mute.returncode != 0
