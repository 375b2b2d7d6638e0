"""The `embedded` stack, built and run by the container engine; skipped where none answers."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.paths import ROOT
from harness.ports import free_port
from harness.waiting import wait_for
from tests.conftest import TrainingRun
from vitrine_client import Client

EMBEDDED = ("-f", "docker-compose.yml", "-f", "deploy/docker-compose.embedded.yml")
BUILD_S = 1500


def call(*command: str, timeout_s: float = 120, **environment: str) -> str:
    """Returns what a command that must succeed wrote to standard output."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def succeeds(*command: str) -> bool:
    """Says whether a command exists and exits with 0."""
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(scope="session")
def compose() -> tuple[str, ...]:
    """The command of Compose v2, or of v1."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if succeeds(*command, "version"):
            return command
    pytest.skip("no docker compose here")


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where no container engine answers."""
    if not succeeds("docker", "version"):
        pytest.skip("no container engine answers; tests/containers/README.md says how to have one")


def inspect(name: str) -> Any:
    """Returns what the engine knows of a container or an image."""
    return json.loads(call("docker", "inspect", name))[0]


@dataclass(frozen=True)
class Stack:
    """A running Compose project and where it can be reached."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    grpc_address: str
    rest_url: str
    models_dir: Path

    def compose(self, *words: str, timeout_s: float = 120) -> str:
        """Runs a command of Compose and returns what it prints."""
        return call(*self.command, *words, timeout_s=timeout_s, **self.environment)

    def container(self, service: str) -> str:
        """Returns the id of a service's container, running or not."""
        found = call(
            *("docker", "ps", "--all", "--quiet", "--no-trunc"),
            *("--filter", f"label=com.docker.compose.project={self.command[-1]}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        )
        return found.strip()

    def python(self, service: str, code: str) -> Any:
        """Runs code in a service's container, and returns what it prints, as JSON."""
        return json.loads(call("docker", "exec", self.container(service), "python3", "-c", code))

    def wait_until_healthy(self, service: str, timeout_s: float = 120) -> None:
        """Blocks until the service's health check is content."""
        container = self.container(service)
        wait_for(
            lambda: inspect(container)["State"]["Health"]["Status"] == "healthy",
            timeout_s,
            f"the health of {service}",
        )

    def client(self) -> Client:
        """Returns a client of the gateway."""
        return Client(self.url)


def answers(url: str, status: int = 200) -> bool:
    """Says whether a GET of `url` has that status."""
    try:
        return requests.get(url, timeout=5).status_code == status
    except requests.RequestException:
        return False


def readable_copy(models_dir: Path, copy: Path) -> Path:
    """Copies models to where the containers' user may read them: pytest's own are closed."""
    shutil.copytree(models_dir, copy)
    copy.chmod(0o755)
    return copy


@pytest.fixture(scope="module")  # what only checks its health costs the tests after these
def stack(
    engine: None,
    compose: tuple[str, ...],
    training_run: TrainingRun,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Gateway and embedded model server on free ports, healthy; for tests that leave them so."""
    models_dir = readable_copy(
        training_run.models_dir, tmp_path_factory.mktemp("containers") / "models"
    )
    port, grpc_port, rest_port = free_port(), free_port(), free_port()
    project = f"vitrine-test-{os.getpid()}"
    running = Stack(
        (*compose, *EMBEDDED, "--project-name", project),
        {
            "VITRINE_MODELS_DIR": str(models_dir),
            "VITRINE_PORT": str(port),
            "VITRINE_GRPC_PORT": str(grpc_port),
            "VITRINE_REST_PORT": str(rest_port),
            "VITRINE_V2_GRPC_PORT": str(free_port()),
        },
        f"http://127.0.0.1:{port}",
        f"127.0.0.1:{grpc_port}",
        f"http://127.0.0.1:{rest_port}",
        models_dir,
    )
    try:
        running.compose("build", timeout_s=BUILD_S)
        running.compose("up", "--detach")
        running.wait_until_healthy("model-server")
        running.wait_until_healthy("gateway")
        wait_for(lambda: answers(f"{running.url}/readyz?models=1"), 30, "the gateway")
        yield running
    finally:
        print(running.compose("logs", "--no-color", "--tail", "50"))
        running.compose("down", "--volumes")
