"""A classifier that takes no training, its card, and pictures as it knows them or not."""

import numpy as np
import pytest

from tests.serving.drift.asked import Asked
from vitrine_client.results.profiles.description import Description
from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.evaluation.drift_baseline import baseline


@pytest.fixture(scope="session")
def answer(dataset):
    """Says which class's mean image is nearest, as probabilities float32 [n, classes]."""
    pixels = dataset.train.images[:5_000].reshape(-1, 784) / 255
    labels = dataset.train.labels[:5_000]
    means = np.stack([pixels[labels == class_id].mean(axis=0) for class_id in range(10)])

    def answer(images):
        logits = images.reshape(-1, 784) / 255 @ (0.2 * means.T) - 0.1 * (means**2).sum(axis=1)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)

    return answer


@pytest.fixture(scope="session")
def card(answer, dataset):
    """Its baseline from the validation images."""
    split = dataset.validation
    return {"baseline": baseline(split.images, answer(split.images), split.labels)}


@pytest.fixture(scope="session")
def description(card):
    """What it says of itself."""
    return Description(tuple(LABELS), card)


@pytest.fixture
def asked(answer, description, dataset):
    """Somebody who shows it test images, as they are or changed."""
    return Asked(answer, description, dataset.test)
