"""Drift statistics: the quick ones are those that NumPy has by its plain functions."""

import numpy as np
import pytest

from vitrine_client.results import drift_statistics
from vitrine_serving.gateway.telemetry import drift
from vitrine_training.evaluation import drift_baseline


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


def plain(images, outputs):
    """The statistics as their definition has them, image by image, by NumPy's own functions."""
    pixels, both = images / 255, (1, 2)
    columns, rows, total = pixels.sum(axis=1), pixels.sum(axis=2), pixels.sum(axis=both)
    total[total == 0] = 1  # a black image has its centre at 0, 0
    centre = [sums @ np.arange(28) / total for sums in (columns, rows)]
    steps = [np.abs(np.diff(pixels, axis=axis)).mean(axis=both) for axis in both]
    levels = pixels.mean(axis=both), pixels.std(axis=both), pixels.max(axis=both)
    return np.column_stack([*levels, *centre, sum(steps) / 2, outputs])


def same(images, outputs):
    found = drift_statistics.statistics(images, outputs)
    np.testing.assert_allclose(found, plain(images, outputs), rtol=0, atol=1e-6)


def test_gateway_and_training_have_the_same_ones(dataset, answer):
    """A baseline is compared with what the gateway sees."""
    images = dataset.test.images[:100]
    outputs = answer(images)
    assert drift.STATISTICS == drift_baseline.STATISTICS == drift_statistics.STATISTICS
    np.testing.assert_array_equal(
        drift.statistics(images, outputs), drift_baseline.statistics(images, outputs)
    )


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
