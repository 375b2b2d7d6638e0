"""Training images, mirrored and moved at random by the indices that their pixels are read at."""

from collections.abc import Sequence

import tensorflow as tf

from vitrine_training.recipes import Recipe


def scaled(inputs: tf.Tensor) -> tf.Tensor:
    """Turns uint8 pixels into the float32 0..1 that models take; lets features be."""
    return tf.cast(inputs, tf.float32) / 255.0 if inputs.dtype == tf.uint8 else inputs


def augmented(batch: tf.Tensor, recipe: Recipe, seed: Sequence[int | tf.Tensor]) -> tf.Tensor:
    """Returns a batch as models take it, each image moved by up to `recipe.shift` pixels up, down
    and sideways, and mirrored half of the time if the recipe says `flip`.

    What comes in at an edge is black. The same `seed`, two int32, moves in the same way.
    """
    if not (recipe.flip or recipe.shift):
        return scaled(batch)
    rows, height, width = batch.shape
    chosen = tf.random.stateless_uniform([3, rows, 1], seed=seed)
    border = [recipe.shift, recipe.shift]
    padded = tf.pad(batch, [[0, 0], border, border])
    reach = 2 * recipe.shift
    top, left = tf.unstack(reach - tf.cast(chosen[:2] * (reach + 1), tf.int32))
    columns = tf.range(width)[tf.newaxis]
    if recipe.flip:
        columns = tf.where(chosen[2] < 0.5, width - 1 - columns, columns)
    y, x = (tf.range(height)[tf.newaxis] + top)[..., tf.newaxis], (columns + left)[:, tf.newaxis]
    first = tf.reshape(tf.range(rows) * padded.shape[1], [rows, 1, 1])
    return scaled(tf.gather(tf.reshape(padded, [-1]), (first + y) * padded.shape[2] + x))
