"""What tests of the monitoring share: a model server that costs nothing."""

from collections.abc import Iterator

import pytest

from tests.fake_model_server import FakeModelServer, classifying


@pytest.fixture(scope="module")
def model_server() -> Iterator[FakeModelServer]:
    """Knows what a brightest row is, and answers at once."""
    with FakeModelServer(classifying()) as server:
        yield server
