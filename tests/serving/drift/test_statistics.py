"""Drift statistics: the quick ones are those that NumPy has by its plain functions."""

import tracemalloc

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
    grey = images @ [0.299, 0.587, 0.114] if images.ndim == 4 else images
    pixels, both = grey.astype(np.float64) / 255, (1, 2)
    columns, rows, total = pixels.sum(axis=1), pixels.sum(axis=2), pixels.sum(axis=both)
    total[total == 0] = 1  # a black image has its centre at 0, 0
    middles = [(np.arange(count) + 0.5) * 28 / count - 0.5 for count in pixels.shape[:0:-1]]
    centre = [sums @ at / total for sums, at in zip((columns, rows), middles, strict=True)]
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
        (np.zeros((2, 784), np.uint8), np.ones((2, 2)), r"\[2, 784\]"),
        (np.zeros((2, 0, 28), np.uint8), np.ones((2, 2)), r"\[2, 0, 28\]"),
        (np.zeros((2, 3, 28, 28), np.uint8), np.ones((2, 2)), r"\[2, 3, 28, 28\]"),
        (np.zeros((2, 28, 28, 3, 1), np.float32), np.ones((2, 2)), r"\[2, 28, 28, 3, 1\]"),
        (np.array([b"png", b"png"], object), np.ones((2, 2)), r"object \[2\]"),
        (np.zeros((2, 28, 28), np.uint8), np.ones((3, 2)), r"\[3, 2\] for 2 images"),
        (np.zeros((2, 28, 28), np.uint8), np.ones(2), r"\[2\] for 2 images"),
    ],
)
def test_what_does_not_fit_is_refused(images, outputs, says):
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=says):
        drift.statistics(images, outputs)


SHAPES = [(28, 28), (28, 28, 3), (32, 32), (32, 32, 3), (40, 90), (96, 96, 3), (2, 7), (2, 3, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_levels_of_any_size(shape, dtype):
    """Bytes and floats; each alone, as where sizes are free, and together."""
    levels = (256 * RNG.random((9, *shape)) ** 2).astype(np.uint8)
    images = levels if dtype == np.uint8 else (levels * 0.99).astype(np.float32)
    outputs = RNG.dirichlet(np.ones(3), 9)
    same(images, outputs)
    for one in range(9):
        same(images[one : one + 1], outputs[one : one + 1])


def test_how_levels_lie_does_not_matter():
    """Grey with an axis for its channel, as floats, or in another order in memory is what bytes
    [n, 28, 28] are; those are the same to the bit."""
    images = RNG.integers(0, 256, (40, 28, 28), np.uint8)
    outputs = np.full((40, 2), 0.5)
    known = drift.statistics(images, outputs)
    np.testing.assert_array_equal(drift.statistics(images[..., np.newaxis], outputs), known)
    for other in (images.astype(np.float32), images.astype(np.float32)[..., np.newaxis]):
        np.testing.assert_allclose(drift.statistics(other, outputs), known, rtol=0, atol=1e-6)
    colours = RNG.integers(0, 256, (5, 30, 20, 3), np.uint8)
    same(np.asfortranarray(colours), outputs[:5])


def test_alpha_is_left_out_and_colours_in_another_order_show():
    """How much of a picture shines through says nothing of what it looks like."""
    colours = RNG.integers(0, 200, (5, 30, 20, 3), np.uint8)
    colours[..., 0] //= 4
    outputs = np.full((5, 2), 0.5)
    known = drift.statistics(colours, outputs)
    alpha = RNG.integers(0, 256, (5, 30, 20, 1), np.uint8)
    with_alpha = np.concatenate([colours, alpha], axis=3)
    np.testing.assert_array_equal(drift.statistics(with_alpha, outputs), known)
    swapped = drift.statistics(colours[..., ::-1], outputs)
    assert (np.abs(swapped - known)[:, 0] > 0.05).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 9, 3)], ids=str)
def test_an_image_without_neighbours(shape):
    """It has none to differ from in a direction; nothing is divided by zero."""
    (row,) = drift.statistics(np.full((1, *shape), 51, np.uint8), np.array([[1.0]]))
    assert row == pytest.approx([0.2, 0, 0.2, 13.5, 13.5, 0, 1], abs=1e-6)


LARGE = [(512, 512, 3), (300, 1400), (224, 224, 3), (5000, 2), (97, 20)]


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_large_images_by_some_of_their_pixels(shape):
    """About the figures of all of them, neighbours included, and in a little memory."""
    down, across = np.mgrid[: shape[0], : shape[1]]
    scene = 100 + 60 * np.sin(down / 41) * np.cos(across / 67) + 40 * across / shape[1]
    noise = np.random.default_rng(1).normal(0, 15, (4, *shape))
    images = noise + scene.reshape(*shape[:2], *[1] * (len(shape) - 2))
    images = images.clip(0, 255).astype(np.uint8)
    outputs = np.full((4, 2), 0.5)
    tracemalloc.start()
    found = drift.statistics(images, outputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 2**20
    apart = np.abs(found - plain(images, outputs)).max(axis=0)
    assert (apart < [0.02, 0.02, 0.2, 0.2, 0.2, 0.01, 1e-9, 1e-9]).all(), apart


def test_a_scene_has_its_centre_where_it_is_in_any_size():
    """The same picture, larger: the centre is told as if all were 28 pixels wide and high."""
    small = np.zeros((1, 28, 28), np.uint8)
    small[0, 3:9, 14:25] = 200
    outputs = np.array([[1.0]])
    known = drift.statistics(small, outputs)[0]
    for times in (2, 4, 20):
        larger = small.repeat(times, axis=1).repeat(times, axis=2)
        found = drift.statistics(larger, outputs)[0]
        assert found[:5] == pytest.approx(known[:5], abs=0.06)
