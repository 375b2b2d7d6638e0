"""The gateway's statistics are those of training, which baselines are made of."""

import numpy as np
import pytest

from vitrine_serving.gateway.telemetry import drift
from vitrine_training.evaluation import shift


def pixel(row, column):
    image = np.zeros((28, 28), np.uint8)
    image[row, column] = 255
    return image


RNG = np.random.default_rng(0)
HOSTILE = {
    "black": np.zeros((28, 28)),
    "white": np.full((28, 28), 255),
    "almost white": np.full((28, 28), 254) + np.eye(28),
    "grey": np.full((28, 28), 127),
    "noise": RNG.integers(0, 256, (28, 28)),
    "columns": np.tile([0, 255], (28, 14)),
    "rows": np.tile([0, 255], (28, 14)).T,
    "first pixel": pixel(0, 0),
    "last pixel": pixel(27, 27),
    "end of a row": pixel(3, 27),
    "start of a row": pixel(4, 0),
}


def same(images, outputs):
    np.testing.assert_allclose(
        drift.statistics(images, outputs), shift.statistics(images, outputs), rtol=0, atol=1e-6
    )


def test_the_names_are_the_same():
    """In the same order."""
    assert drift.STATISTICS == shift.STATISTICS


@pytest.mark.parametrize("image", HOSTILE.values(), ids=HOSTILE)
def test_hostile_images(image):
    """Each alone, and each after white, which must not show."""
    alone = image.astype(np.uint8)[np.newaxis]
    white = np.full((1, 28, 28), 255, np.uint8)
    same(alone, np.array([[0.25, 0.75]]))
    same(np.concatenate([white, alone, white]), np.full((3, 2), 0.5))


def test_real_images(dataset, answer):
    """As they are, and seen through a mirror, where they do not lie in a row in memory."""
    images = dataset.test.images[:1000]
    outputs = answer(images)
    same(images, outputs)
    same(images[:, :, ::-1], outputs)


@pytest.mark.parametrize(
    ("images", "outputs", "says"),
    [
        (np.zeros((2, 28, 28)), np.ones((2, 2)), "float64"),
        (np.zeros((2, 32, 32), np.uint8), np.ones((2, 2)), r"\[2, 32, 32\]"),
        (np.zeros((2, 28, 28), np.uint8), np.ones((3, 2)), r"\[3, 2\] for 2 images"),
        (np.zeros((2, 28, 28), np.uint8), np.ones(2), r"\[2\] for 2 images"),
    ],
)
def test_what_does_not_fit_is_refused(images, outputs, says):
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=says):
        drift.statistics(images, outputs)
