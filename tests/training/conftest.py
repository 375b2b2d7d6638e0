"""What tests of training and of its reports share."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.made_versions import built, make_card, write_card
from vitrine_training.data.fashion_mnist import Dataset, Split
from vitrine_training.models.tasks import Classification


@pytest.fixture(scope="session")
def few(dataset):
    """1,000 images to train on, 500 to validate on; no multiple of the batch size."""
    train, validation = dataset.train, dataset.validation
    return (
        (train.images[:1000], train.labels[:1000]),
        (validation.images[:500], validation.labels[:500]),
    )


@pytest.fixture(scope="session")
def test_images(dataset):
    return Split(dataset.test.images[:600], dataset.test.labels[:600])


@pytest.fixture(scope="session")
def softmax_dir(tmp_path_factory, dataset):
    """A version that answers with the class whose mean image is nearest; nothing to train."""
    pixels = dataset.train.images[:5_000].reshape(-1, 784) / 255
    labels = dataset.train.labels[:5_000]
    means = np.stack([pixels[labels == class_id].mean(axis=0) for class_id in range(10)])
    directory = tmp_path_factory.mktemp("softmax") / "7"
    model, archive = built([keras.layers.Dense(10)])
    model.set_weights([0.2 * means.T, -0.1 * (means**2).sum(axis=1)])
    archive.write_out(str(directory), verbose=False)
    write_card(directory, make_card())
    return directory


@pytest.fixture
def copied(softmax_dir, tmp_path):
    """A version whose card a test may change."""
    return Path(shutil.copytree(softmax_dir, tmp_path / "7"))


@pytest.fixture(scope="session")
def small_task(dataset) -> Classification:
    """2,000 images to train on, and 500 to validate and to test."""
    small = Dataset(
        train=Split(dataset.train.images[:2000], dataset.train.labels[:2000]),
        validation=Split(dataset.validation.images[:500], dataset.validation.labels[:500]),
        test=Split(dataset.test.images[:500], dataset.test.labels[:500]),
        checksums=dataset.checksums,
    )
    return Classification.of(small, pictures=1)
