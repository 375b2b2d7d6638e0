"""What images go through on their way: moves, mirrors, views that are averaged, and dropout."""

import numpy as np
import pytest
import tensorflow as tf

from vitrine_training.augment import augmented
from vitrine_training.layers import Averaged, Dropout
from vitrine_training.models import MODELS
from vitrine_training.recipes import RECIPES


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    """A tenth of a million ones is left out, others every time, and the mean stays 1."""
    layer = Dropout(0.1, seed=3)
    ones = tf.ones([1000, 1000])
    first, second = layer(ones, training=True).numpy(), layer(ones, training=True).numpy()
    for outputs in (first, second):
        assert np.mean(outputs == 0) == pytest.approx(0.1, abs=0.002)
        assert outputs.mean() == pytest.approx(1, abs=0.003)
    both = np.mean((first == 0) & (second == 0))
    assert both == pytest.approx(0.01, abs=0.001)  # independent of each other
    rows, columns = (first == 0).mean(axis=1), (first == 0).mean(axis=0)
    for shares in (rows, columns):  # binomial: no stripes
        assert shares.std() == pytest.approx(np.sqrt(0.1 * 0.9 / 1000), rel=0.1)
    np.testing.assert_array_equal(layer(ones, training=False), ones)
    assert not np.array_equal(first, Dropout(0.1, seed=4)(ones, training=True))


def test_augmentation_moves_and_mirrors(few):
    """Each augmented image is the original, moved by up to a pixel, half of them mirrored."""
    (images, _), _ = few
    recipe = RECIPES["mlp"].varied({"flip": True, "shift": 1})
    found = (augmented(tf.constant(images[:200]), recipe, seed=[1, 2]).numpy() * 255).round()
    moves = []
    for image, moved in zip(images[:200], found, strict=True):
        padded = np.pad(image, 1)
        candidates = {
            (y, x, mirrored): one[:, ::-1] if mirrored else one
            for y in range(3)
            for x in range(3)
            for mirrored, one in (
                (False, padded[y : y + 28, x : x + 28]),
                (True, np.pad(image[:, ::-1], 1)[y : y + 28, x : x + 28][:, ::-1]),
            )
        }
        moves += [next(key for key, one in candidates.items() if np.array_equal(one, moved))]
    assert {move[:2] for move in moves} == {(y, x) for y in range(3) for x in range(3)}
    assert 60 < sum(move[2] for move in moves) < 140


def test_without_augmentation_images_are_as_they_are(few):
    """A recipe that says nothing of it gets the images themselves, scaled to 0..1."""
    (images, _), _ = few
    found = augmented(tf.constant(images[:2]), RECIPES["mlp"], seed=[0, 0])
    np.testing.assert_allclose(found, images[:2].astype(np.float32) / 255)


def test_averaging_over_views(few):
    """The answer is the mean over moved and mirrored images, divided by the temperature."""
    (images, _), _ = few
    model = MODELS["mlp"](RECIPES["mlp"], 0)
    x = images[:4].astype(np.float32) / 255
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1)])
    moves = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    views = [padded[:, y : y + 28, c : c + 28] for y, c in moves]
    for over, averaged in (("image", [x]), ("mirror", [x, x[:, :, ::-1]]), ("neighbours", None)):
        averaged = averaged or [*views, *(view[:, :, ::-1] for view in views)]
        expected = np.mean([model(view) for view in averaged], axis=0) / 2
        found = Averaged(model, over=over, temperature=2.0)(tf.constant(x))
        np.testing.assert_allclose(found, expected, atol=1e-6)
