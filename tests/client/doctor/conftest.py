"""A clean machine with published models."""

import shutil

import pytest

from tests.client.doctor.diagnosed import Place


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def published(place, training_run) -> Place:
    """With `mlp` and `softmax`, each in version 1, and nothing else in its models directory."""
    for name in ("mlp", "softmax"):
        shutil.copytree(training_run.models_dir / name, place.models / name)
    return place
