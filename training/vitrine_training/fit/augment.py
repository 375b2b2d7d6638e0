"""Data augmentation: training images mirrored, moved, turned, scaled and retouched at random.

Images are mirrored and moved by whole pixels inside the compiled step, by the indices that their
pixels are read at (`augmented`). Where they are turned or scaled, too, one TensorFlow operation
does it all for a whole epoch before the step (`warped`), since XLA on a CPU gathers one number
after the other.
Retouching is arithmetic, and belongs to the compiled step (`retouch`).
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from vitrine_training.fit.retouch import retouched
from vitrine_training.models.recipes import Recipe

Seed = Sequence[int | tf.Tensor]
"""Two int32; the same ones draw the same numbers."""

WARPED_SHARE = 0.6
"""Of the images that a recipe turns and scales; the others are mirrored and moved alone, by whole
pixels, and so stay as sharp as the models' inputs."""


def scaled(inputs: tf.Tensor) -> tf.Tensor:
    """Turns uint8 pixels into the float32 0..1 that models take; lets features be."""
    return tf.cast(inputs, tf.float32) / 255.0 if inputs.dtype == tf.uint8 else inputs


def warps(recipe: Recipe) -> bool:
    """Whether `warped` changes anything."""
    return bool(recipe.turn or recipe.scale)


def warped(images: tf.Tensor, recipe: Recipe, seed: Seed) -> tf.Tensor:
    """Returns `images`, uint8 [n, height, width], each mirrored and moved as `augmented` does it,
    and most of them turned by up to `recipe.turn` degrees and scaled by up to `recipe.scale`, in
    height and in width, around the centre.

    Pixels from outside are black. XLA has no such operation.
    """
    if not warps(recipe):
        return images
    rows, height, width, *channels = images.shape
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=images if channels else images[..., tf.newaxis],
        transforms=_inverse_maps(rows, height, width, recipe, seed),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return warped if channels else warped[..., 0]


def _inverse_maps(rows: int, height: int, width: int, recipe: Recipe, seed: Seed) -> tf.Tensor:
    """Returns where the pixel of each place comes from, float32 [n, 8], as the operation takes it:
    the first two rows of a matrix for (x, y, 1), then zeros."""
    chosen = tf.random.stateless_uniform([7, rows], seed=seed, minval=-1.0)
    warped = tf.cast(chosen[0] < 2 * WARPED_SHARE - 1, tf.float32)
    angle = warped * chosen[1] * math.radians(recipe.turn)
    across, down = tf.unstack((1 + recipe.scale) ** (warped * chosen[2:4]))
    if recipe.flip:
        across *= tf.where(chosen[4] < 0, -1.0, 1.0)
    most = recipe.shift + 0.5
    left, up = tf.unstack(tf.clip_by_value(tf.round(chosen[5:] * most), -most + 0.5, most - 0.5))
    x, y = (width - 1) / 2, (height - 1) / 2
    a, b = tf.cos(angle) * across, -tf.sin(angle) * down
    c, d = tf.sin(angle) * across, tf.cos(angle) * down
    zero = tf.zeros_like(a)
    maps = [a, b, x - a * x - b * y + left, c, d, y - c * x - d * y + up, zero, zero]
    return tf.stack(maps, axis=1)


def augmented(
    batch: tf.Tensor, recipe: Recipe, seed: Seed, leftovers: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns a batch as models take it, mirrored, moved and retouched as `recipe` says.

    Each image is moved by up to `recipe.shift` pixels up, down and sideways, and mirrored half of
    the time if the recipe says `flip`, unless `warped` has done so. Pixels from outside are
    black. `leftovers`, uint8 [n, 2, height, width], is drawn from `leftovers.bank` where the recipe
    retouches.
    """
    if (recipe.flip or recipe.shift) and not warps(recipe):
        batch = _moved(batch, recipe, seed)
    if leftovers is None or not recipe.retouches:
        return scaled(batch)
    return retouched(scaled(batch), scaled(leftovers), recipe, seed)


def _moved(batch: tf.Tensor, recipe: Recipe, seed: Seed) -> tf.Tensor:
    rows, height, width, *channels = batch.shape
    chosen = tf.random.stateless_uniform([3, rows, 1], seed=seed)
    border = [recipe.shift, recipe.shift]
    padded = tf.pad(batch, [[0, 0], border, border, *([0, 0] for _ in channels)])
    reach = 2 * recipe.shift
    top, left = tf.unstack(reach - tf.cast(chosen[:2] * (reach + 1), tf.int32))
    columns = tf.range(width)[tf.newaxis]
    if recipe.flip:
        columns = tf.where(chosen[2] < 0.5, width - 1 - columns, columns)
    y, x = (tf.range(height)[tf.newaxis] + top)[..., tf.newaxis], (columns + left)[:, tf.newaxis]
    first = tf.reshape(tf.range(rows) * padded.shape[1], [rows, 1, 1])
    return tf.gather(tf.reshape(padded, [-1, *channels]), (first + y) * padded.shape[2] + x)
