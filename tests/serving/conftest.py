"""What the tests of model management share: a directory with a version, and faked loads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.fake_models import FakeLoader, publish, starting


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
