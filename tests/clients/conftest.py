"""Service with a model of two versions, for official clients, without which all is skipped."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.paths import ROOT
from harness.ports import free_port
from harness.service import started_service
from tests.clients.official.checks import MODEL
from tests.conftest import VITRINE_TRAIN


class Addresses(NamedTuple):
    """Addresses of the service, host and port: the gateway's, and the model server's gRPC."""

    http: str
    grpc: str
    model_server: str


@pytest.fixture(scope="session")
def environment() -> Path:
    """The environment that the official clients are installed in."""
    folder = Path(os.environ.get("OFFICIAL_CLIENTS") or ROOT / ".no-clients")
    if not (folder / ".ready").exists():
        pytest.skip("official clients are for make test-clients, where they can be installed")
    return folder.absolute()


@pytest.fixture(scope="session")
def models_dir(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `make demo`, where that has run, else one that is quickly trained, under two
    version numbers."""
    folder = tmp_path_factory.mktemp("clients")
    trained = ROOT / "models" / MODEL / "1"
    if not trained.exists():
        words = (MODEL, "--epochs", "1", "--hard-pictures", "1", "--models-dir", folder / "made")
        done = subprocess.run([*VITRINE_TRAIN, *words], capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stdout + done.stderr
        trained = folder / "made" / MODEL / "1"
    for version in ("1", "2"):
        shutil.copytree(trained, folder / "models" / MODEL / version)
    return folder / "models"


@pytest.fixture(scope="session")
def addresses(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Addresses of the whole service, which runs until the last test."""
    (models_dir / "models.config").write_text(
        f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{models_dir / MODEL}" '
        'model_platform: "tensorflow" model_version_policy { all {} } } }'
    )
    log, port = tmp_path_factory.mktemp("service") / "log", free_port()
    with started_service(models_dir, log, v2_grpc_port=port) as service:
        http = service.url.removeprefix("http://")
        yield Addresses(http, f"127.0.0.1:{port}", service.grpc_address)
