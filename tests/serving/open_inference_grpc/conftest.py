"""Models of these tests, made once, and servers of them."""

from pathlib import Path

import pytest
import tensorflow as tf

from tests.contract.models import export, publish
from tests.serving.open_inference_grpc.served import Served, repository_of
from vitrine_serving.model_server.repository.repository import Repository


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    kinds, models = tmp_path_factory.mktemp("kinds"), tmp_path_factory.mktemp("models")
    export(kinds, "half_plus_two", "half_plus_three", "echo", "images", "broken")
    publish(kinds, "half_plus_two", models / "half_plus_two", 1)
    publish(kinds, "half_plus_three", models / "half_plus_two", 2)
    publish(kinds, "echo", models / "echo", 7)
    publish(kinds, "images", models / "images", 1)
    publish(kinds, "broken", models / "broken", 1)
    (models / "empty").mkdir()
    _save_deep(models / "deep" / "1")
    return models


def _save_deep(directory: Path) -> None:
    module = tf.Module()
    flat = tf.TensorSpec([None], tf.float32, "x")
    module.deep = tf.function(
        lambda x: {"deep": tf.reshape(x, [1] * 70 + [-1]), "y": x}, input_signature=[flat]
    )
    tf.saved_model.save(module, str(directory), {"serving_default": module.deep})


@pytest.fixture(scope="module")
def repository(folder):
    made = repository_of(folder, "half_plus_two", "echo", "images", "deep")
    yield made
    made.stop()


@pytest.fixture
def served(repository):
    made = Served(repository)
    yield made
    made.close()


@pytest.fixture
def serve(repository):
    """Starts servers with options."""
    made = []

    def start(of: Repository = repository, **options) -> Served:
        made.append(Served(of, **options))
        return made[-1]

    yield start
    for each in made:
        each.close()
