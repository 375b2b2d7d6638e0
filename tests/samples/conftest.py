"""Pictures that others made, which `make test-samples` fetches; without them all is skipped."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Sample = Callable[[str], Path]


@pytest.fixture
def sample() -> Sample:
    """Returns the path of a data set by its name in `fetching.SETS`, or skips the test."""

    def path(name: str) -> Path:
        folder = os.environ.get("VITRINE_SAMPLES")
        if not folder:
            pytest.skip("pictures that others made are for make test-samples")
        if not Path(folder, name).exists():
            pytest.skip(f"{name} could not be had")
        return Path(folder, name)

    return path
