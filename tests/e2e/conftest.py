"""What tests of a running gateway share: a model server that costs nothing, and a log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.fake_model_server import FakeModelServer, classifying


@pytest.fixture(scope="module")
def model_server() -> Iterator[FakeModelServer]:
    """Knows what a brightest row is, and answers at once."""
    with FakeModelServer(classifying()) as server:
        yield server


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the gateway of a test writes."""
    return tmp_path / "log"
