"""What tests share: a version and faked loads; a gateway without a socket; time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.asked_gateway import FakeServers, Http
from tests.serving.clock import Clock
from tests.serving.fake_models import FakeLoader, publish, starting
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where `mlp` has version 1."""
    publish(tmp_path / "mlp", 1)
    return tmp_path / "mlp"


@pytest.fixture
def load() -> FakeLoader:
    """The loader of `start`'s repositories."""
    return FakeLoader()


@pytest.fixture
def start(load: FakeLoader) -> Iterator:
    """Makes configured repositories, which stop at the end."""
    with starting(load) as start:
        yield start


@pytest.fixture
def servers() -> FakeServers:
    """The model servers of `http`'s gateway."""
    return FakeServers()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for one test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def http(servers: FakeServers, runner: asyncio.Runner) -> Http:
    """Somebody who asks a gateway that takes little at once."""
    settings = Settings(models=("softmax", "mlp"), max_images=4, max_body_bytes=100_000)
    return Http(create_app(settings, servers), runner)


@pytest.fixture
def clock() -> Clock:
    """Time that passes as a test says."""
    return Clock()
