"""Retouching of training images: what each way does to them, and within which bounds."""

import numpy as np
import pytest
import tensorflow as tf

from vitrine_training.fit import retouch
from vitrine_training.fit.augment import augmented
from vitrine_training.fit.leftovers import SIZE, STAINS, bank
from vitrine_training.models.recipes import RECIPES

ALL = 0.999
"""As good as every image: shares are below 1."""


@pytest.fixture(scope="module")
def images(few):
    return tf.constant(few[0][0][:256] / np.float32(255))


@pytest.fixture(scope="module")
def leftovers():
    return tf.constant(bank(0)[:256])


@pytest.fixture(scope="module")
def grain(leftovers):
    return tf.cast(leftovers[:, 1], tf.float32) / 255


def changed(found, images) -> np.ndarray:
    return np.abs(found - images).max(axis=(1, 2)) > 0.01


def correlation(one, other) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_the_bank_has_dirt_and_noise():
    """Every piece of dirt is there and differs from the next; noise covers the whole range."""
    found = bank(7)
    assert found.shape == (SIZE, 2, 28, 28)
    assert found.dtype == np.uint8
    dirt, noise = found[:, 0], found[:, 1]
    assert (dirt.max(axis=(1, 2)) > 0).mean() > 0.9
    assert 5 < dirt.mean() < 60
    assert abs(noise.mean() - 127.5) < 0.5
    np.testing.assert_array_equal(found, bank(7))
    assert not np.array_equal(found, bank(8))


@pytest.mark.parametrize("stain", STAINS, ids=lambda stain: stain.__name__)
def test_each_stain_is_an_image_that_is_not_negative(stain):
    """28 by 28, no less than black, and something is to be seen."""
    rng = np.random.default_rng(0)
    drawn = np.stack([stain(rng) for _ in range(50)])
    assert drawn.shape == (50, 28, 28)
    assert drawn.min() >= 0
    assert (drawn.max(axis=(1, 2)) > 0.02).mean() > 0.8


def test_photo_gives_what_models_take(images, leftovers, few):
    """float32 0..1 of the same shape; the same seed the same images, another one others."""
    batch, recipe = tf.constant(few[0][0][:256]), RECIPES["photo"]
    found = augmented(batch, recipe, [1, 2], leftovers).numpy()
    assert found.shape == images.shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_array_equal(found, augmented(batch, recipe, [1, 2], leftovers))
    assert not np.array_equal(found, augmented(batch, recipe, [1, 3], leftovers))


@pytest.mark.parametrize("setting", ["redraw", "relight", "dirt", "grain"])
def test_a_share_of_the_images_is_changed(images, leftovers, few, setting):
    """Of 256 images with a share of a quarter, about a quarter; the others stay as they are."""
    recipe = RECIPES["mlp"].varied({setting: 0.25})
    found = augmented(tf.constant(few[0][0][:256]), recipe, [1, 2], leftovers)
    assert 0.12 < changed(found, images.numpy()).mean() < 0.35


def test_ways_to_redraw(images, grain):
    """Among redrawn images some are thinner, some blurred, some have one level only, some have the
    dark parts bright, and the background stays black in nearly all."""
    found = retouch.redrawn(images, grain, ALL, tf.constant([0, 1])).numpy()
    plain = images.numpy()
    assert found.min() >= 0
    assert found.max() <= 1
    thinner = [
        np.allclose(one, thin) for one, thin in zip(found, retouch.eroded(plain), strict=True)
    ]
    assert 0.04 < np.mean(thinner) < 0.18
    flat = [len(np.unique(one.round(3))) < 12 for one in found]
    assert 0.1 < np.mean(flat) < 0.5
    inside = plain > 0.15
    turned = [
        inside[n].any()
        and before.std() > 0
        and one[inside[n]].std() > 0.01
        and correlation(one[inside[n]], before) < -0.9
        for n, one in enumerate(found)
        for before in [plain[n][inside[n]]]
    ]
    assert 0.05 < np.mean(turned) < 0.3


def test_eroded_and_blurred(images):
    """The darkest of five pixels, and a mean that keeps the sum of what is far from an edge."""
    plain = images.numpy()[0]
    eroded = retouch.eroded(images).numpy()[0]
    y, x = 12, 15
    neighbours = [plain[y, x], plain[y - 1, x], plain[y + 1, x], plain[y, x - 1], plain[y, x + 1]]
    assert eroded[y, x] == min(neighbours)
    assert (eroded <= plain).all()
    point = np.zeros((1, 28, 28), np.float32)
    point[0, 10, 10] = 1
    blurred = retouch.blurred(tf.constant(point)).numpy()[0]
    assert blurred.sum() == pytest.approx(1)
    np.testing.assert_allclose(blurred[10, 8:13], np.array([1, 4, 6, 4, 1]) * 6 / 256)


def test_light_keeps_the_order_of_tones(images):
    """Black stays black, and what was brighter stays brighter, or as bright."""
    found = retouch.relit(images, ALL, tf.constant([0, 1])).numpy()
    plain = images.numpy()
    assert not found[plain == 0].any()
    for one, before in zip(found, plain, strict=True):
        order = np.argsort(before, axis=None)
        assert (np.diff(one.ravel()[order]) > -1e-6).all()
    means = found.mean(axis=(1, 2)) / plain.mean(axis=(1, 2))
    assert means.min() < 0.6
    assert means.max() > 1.2


def test_dirt_comes_beside_the_item_or_takes_of_it(images, leftovers):
    """No image is both brighter and darker than it was; three in ten have holes."""
    dirt = tf.cast(leftovers[:, 0], tf.float32) / 255
    found = retouch.soiled(images, dirt, ALL, tf.constant([0, 1])).numpy() - images.numpy()
    brighter, darker = (found > 1e-6).any(axis=(1, 2)), (found < -1e-6).any(axis=(1, 2))
    assert not (brighter & darker).any()
    assert 0.5 < brighter.mean() < 0.8
    assert 0.15 < darker.mean() < 0.4
