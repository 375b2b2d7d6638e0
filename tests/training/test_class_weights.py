"""Class weights: each class weighs the same in the training loss, and nothing changes without."""

import numpy as np
import pytest

from vitrine_training.fit.loop import class_weights, fit
from vitrine_training.models.networks import MODELS, ImageSpec
from vitrine_training.models.recipes import RECIPES

SIDE = 6
RARE, OFTEN = 1, 0


@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        ([0, 1], [1, 1]),
        ([0, 0, 0, 1], [2 / 3, 2]),
        ([2, 2, 0, 2], [2, 0, 2 / 3]),  # a class without a row
        ([3], [0, 0, 0, 1]),
    ],
    ids=["as many", "3 : 1", "one is missing", "one row"],
)
def test_each_class_weighs_the_same(labels, weights):
    """And all rows one on the average."""
    found = class_weights(np.array(labels))
    assert found == pytest.approx(weights)
    assert np.mean(found[labels]) == pytest.approx(1)


def alike(count=400):
    """Rows that tell nothing of their class, nine in ten of which are of one."""
    labels = np.where(np.arange(count) % 10 == 0, RARE, OFTEN)
    return np.full((count, SIDE, SIDE), 128, np.uint8), labels


def shares(**settings):
    """Probabilities of a model that was trained by rows that are alike."""
    images, labels = alike()
    recipe = RECIPES["softmax"].varied({"epochs": 60, "learning_rate": 0.2, **settings})
    model = MODELS["softmax"](recipe, 0, ImageSpec((SIDE, SIDE), 2))
    fit(model, recipe, (images, labels), (images, labels), 0)
    logits = model(images[:1] / np.float32(255)).numpy()[0]
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("smoothing", [0, 0.1])
def test_a_rare_class_counts_as_much(smoothing):
    """Where nothing is to be seen, answers are even; without weights they follow the counts."""
    settings = {"label_smoothing": smoothing}
    assert shares(class_weights=True, **settings) == pytest.approx([0.5, 0.5], abs=0.03)
    assert shares(**settings)[OFTEN] > 0.8


def test_classes_of_one_size_train_as_without():
    """Weights of one change nothing."""
    images = np.random.default_rng(0).integers(0, 256, (200, SIDE, SIDE), np.uint8)
    labels = np.arange(200) % 2
    found = []
    for weighed in (False, True):
        recipe = RECIPES["softmax"].varied({"epochs": 2, "class_weights": weighed})
        model = MODELS["softmax"](recipe, 0, ImageSpec((SIDE, SIDE), 2))
        fit(model, recipe, (images, labels), (images, labels), 0)
        found.append(np.concatenate([each.ravel() for each in model.get_weights()]))
    np.testing.assert_allclose(*found, atol=1e-6)
