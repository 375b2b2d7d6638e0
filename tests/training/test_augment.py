"""What images go through on their way: moves, mirrors, views that are averaged, and dropout."""

import numpy as np
import pytest
import tensorflow as tf

from vitrine_training.fit.augment import augmented, warped
from vitrine_training.models.layers import Averaged, Convolution, Dropout
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES


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


def bar() -> np.ndarray:
    """A white bar from the centre to the right, on black, which tells by how much it was turned."""
    image = np.zeros((28, 28), np.uint8)
    image[13:15, 14:24] = 255
    return image


def test_warps_without_a_turn_mirror_and_move_exactly(few):
    """With the smallest of scales, an image is the original or its mirror image, moved by whole
    pixels; each move is as likely, and half of the images are mirrored."""
    (images, _), _ = few
    recipe = RECIPES["mlp"].varied({"flip": True, "shift": 2, "scale": 1e-9})
    found = warped(tf.constant(images[:500]), recipe, seed=[1, 2]).numpy()
    assert found.dtype == np.uint8
    moves = []
    for image, moved in zip(images[:500], found, strict=True):
        candidates = {
            (y, x, mirrored): np.pad(one, 2)[y : y + 28, x : x + 28]
            for y in range(5)
            for x in range(5)
            for mirrored, one in ((False, image), (True, image[:, ::-1]))
        }
        near = [key for key, one in candidates.items() if np.abs(one - moved.astype(int)).max() < 2]
        moves += near[:1]
    assert len(moves) == 500
    assert {move[:2] for move in moves} == {(y, x) for y in range(5) for x in range(5)}
    assert 200 < sum(move[2] for move in moves) < 300


def test_warps_turn_by_no_more_than_the_recipe_says():
    """A bar points up or down by up to 15 degrees, some nearly so; 4 in 10 stay as they are."""
    images = tf.constant(np.stack([bar()] * 1000))
    found = warped(images, RECIPES["mlp"].varied({"turn": 15.0}), seed=[3, 4]).numpy().astype(float)
    y, x = np.mgrid[:28, :28] - 13.5
    weights = found.sum(axis=(1, 2))
    tilt = (found * y).sum(axis=(1, 2)) / weights, (found * x).sum(axis=(1, 2)) / weights
    angles = np.degrees(np.arctan2(*tilt))
    assert np.abs(angles).max() < 15.5
    assert angles.max() > 13
    assert angles.min() < -13
    assert np.mean(np.abs(angles) < 0.1) == pytest.approx(0.4, abs=0.08)


def test_warps_scale_height_and_width_each_for_itself():
    """A square of 12 pixels gets sides from 12 / 1.25 to 12 * 1.25, in any proportion."""
    image = np.zeros((28, 28), np.uint8)
    image[8:20, 8:20] = 255
    recipe = RECIPES["mlp"].varied({"scale": 0.25})
    found = warped(tf.constant(np.stack([image] * 1000)), recipe, seed=[5, 6]).numpy() / 255
    heights, widths = found[:, :, 14].sum(axis=1), found[:, 14].sum(axis=1)
    for sides in (heights, widths):
        assert 9 < sides.min() < 10.5
        assert 14 < sides.max() < 15.5
    assert np.abs(np.corrcoef(heights, widths)[0, 1]) < 0.2


def test_warps_repeat_with_their_seed(few):
    """The same seed draws the same images, another one others."""
    (images, _), _ = few
    batch, recipe = tf.constant(images[:50]), RECIPES["photo"]
    first = warped(batch, recipe, seed=[1, 1])
    np.testing.assert_array_equal(first, warped(batch, recipe, seed=[1, 1]))
    assert not np.array_equal(first, warped(batch, recipe, seed=[1, 2]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "stride"), [(5, 3), (3, 2), (3, 1)])
def test_convolution_is_kerass_own_after_a_border(few, side, stride, channels):
    """Outputs and gradients are those of Conv2D on the image with a border of zeros."""
    rows = few[0][0][: 4 * channels, :, :27].reshape(4, channels, 28, 27)  # no squares
    images = tf.constant(np.moveaxis(rows, 1, 3) / np.float32(255))
    ours = Convolution(6, side, stride, seed=1)
    with tf.GradientTape() as tape:
        found = ours(images)
        loss = tf.reduce_sum(found**2)
    kernel, bias = ours.trainable_variables
    bias.assign(np.arange(6))
    border = side // 2
    padded = tf.pad(images, [[0, 0], [border, border], [border, border], [0, 0]])
    with tf.GradientTape() as other_tape:
        expected = tf.nn.conv2d(padded, kernel.value, stride, "VALID")
        other_loss = tf.reduce_sum(expected**2)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(ours(images), expected + bias, atol=1e-5)
    gradient, other_gradient = tape.gradient(loss, kernel), other_tape.gradient(other_loss, kernel)
    np.testing.assert_allclose(gradient, other_gradient, rtol=1e-3, atol=1e-3)


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
