"""Default model of a real service, with the list of models that Compose has, and no `photo` yet."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from harness.gateway import Gateway, gateway
from harness.model_server import model_server
from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from harness.waiting import wait_for
from vitrine_client import Client
from vitrine_client.http.default_model import DefaultModelWarning
from vitrine_client.model_server import ModelServerClient

CONFIG = (ROOT / "deploy/tensorflow_serving/models.config").read_text()
OF_BEFORE = ("softmax", "mlp")
FLAGS = (
    "--file_system_poll_wait_seconds=1",
    "--model_config_file_poll_wait_seconds=1",
    "--allow_version_labels_for_unavailable_models=true",
)
LONGEST_S = 120.0


@dataclass(frozen=True)
class Running:
    """A model server on a models.config, its directory, and a gateway that was told no models."""

    models_dir: Path
    grpc_address: str
    gateway: Gateway

    @property
    def config(self) -> Path:
        return self.models_dir / "models.config"


@pytest.fixture
def running(training_run, tmp_path: Path) -> Iterator[Running]:
    models_dir = tmp_path / "models"
    for name in OF_BEFORE:
        shutil.copytree(training_run.models_dir / name, models_dir / name)
    config = models_dir / "models.config"
    config.write_text(CONFIG.replace("/models/", f"{models_dir}/"))
    ports, flags = (free_port(), free_port()), [f"--model_config_file={config}", *FLAGS]
    with model_server(tmp_path / "model-server.log", *flags, ports=ports):
        address = f"127.0.0.1:{ports[0]}"
        with gateway(address, tmp_path / "gateway.log", models="") as made:
            yield Running(models_dir, address, made)


def vitrine(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vitrine_client", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def readiness(running: Running) -> tuple[int, dict[str, bool]]:
    answer = requests.get(f"{running.gateway.url}/readyz?models=1", timeout=10)
    return answer.status_code, answer.json()["models"]


@pytest.mark.slow
def test_photo_comes_later(running: Running):
    """Without it all is as ready as before there was one, mlp answers, and that is said; labels can
    be moved. Once it is published it is listed, and asked by who names no model."""
    assert readiness(running) == (200, dict.fromkeys(OF_BEFORE, True))
    with Client(running.gateway.url) as client:
        assert set(client.models()) == set(OF_BEFORE)
        with pytest.warns(DefaultModelWarning):
            assert client.predict(SAMPLES[0]).model == "mlp"
    with ModelServerClient(running.grpc_address) as past, pytest.warns(DefaultModelWarning):
        assert past.predict(SAMPLES[0]).model == "mlp"
    done = vitrine("predict", "--json", "--url", running.gateway.url, SAMPLES[0])
    assert json.loads(done.stdout)["model"] == "mlp"
    assert done.stderr.startswith("The model photo is not served here")
    told = ("--config", running.config, "--model-server", running.grpc_address)
    vitrine("promote", "mlp", 1, *told)
    with Client(running.gateway.url) as client, pytest.warns(DefaultModelWarning):
        assert client.predict(SAMPLES[0], label="stable").model == "mlp"

    photo = running.models_dir / "photo"
    shutil.copytree(running.models_dir / "mlp/1", photo / ".unfinished-1")
    (photo / ".unfinished-1").rename(photo / "1")
    everything = dict.fromkeys((*OF_BEFORE, "photo"), True)
    wait_for(lambda: readiness(running) == (200, everything), LONGEST_S, "photo")
    with Client(running.gateway.url) as client:
        assert client.predict(SAMPLES[0]).model == "photo"
    done = vitrine("predict", "--json", "--url", running.gateway.url, SAMPLES[0])
    assert (json.loads(done.stdout)["model"], done.stderr) == ("photo", "")
    assert "photo, of the default list, is not served" in running.gateway.log.read_text()
