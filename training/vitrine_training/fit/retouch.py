"""Retouching of training images: other lines, other light, leftovers of a background, grain.

A model is asked about the item as a cut-out of a photo, a scan or a drawing leaves it. Each
function takes and returns float32 [n, height, width], 0..1, and changes a share of the images. All
is arithmetic on whole batches, which XLA turns into a few loops.
"""

import tensorflow as tf

from vitrine_training.models.recipes import Recipe

EDGE = 20.0
"""How steeply a threshold cuts: over a twentieth of the range."""

LIGHTEST, DARKEST = -0.3, 0.5
"""By which share the pixels of a relit image are lowered."""

HOLES = 0.3
"""Of the images with leftovers, those that lack something there, as where an item has the colour of
its background."""

GRAIN = 0.6
"""The widest range that the grain of a pixel is from."""


def retouched(
    images: tf.Tensor, leftovers: tf.Tensor, recipe: Recipe, seed: tf.Tensor
) -> tf.Tensor:
    """Does to images all that the recipe says; `leftovers`, float32 [n, 2, height, width], 0..1,
    are dirt and grain, an own one for each image."""
    seeds = tf.random.split(seed, 4)
    dirt, grain = tf.unstack(leftovers, axis=1)
    images = redrawn(images, grain, recipe.redraw, seeds[0])
    images = relit(images, recipe.relight, seeds[1])
    images = soiled(images, dirt, recipe.dirt, seeds[2])
    return grained(images, grain, recipe.grain, seeds[3])


def redrawn(images: tf.Tensor, grain: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws a share of the images in one of five other ways: as its outline, thinned by a pixel,
    blurred, as a silhouette (in one level, cut at some brightness, at times dithered), or with the
    tones inside its silhouette turned round."""
    which, strength, cut, dithers = _chosen(4, images, seed)

    def chosen(low: float, high: float) -> tf.Tensor:
        """1 for the images whose lot falls between two shares of `share`, 0 for the others."""
        return tf.cast((which >= low * share) & (which < high * share), tf.float32)

    outlined, thinned = chosen(0, 0.2) * (1 + strength), chosen(0.2, 0.3)
    blurs = chosen(0.3, 0.5) * (0.2 + strength)
    flat, turned = chosen(0.5, 0.85), chosen(0.85, 1)
    level = 0.03 + 0.6 * tf.square(cut) * (1 - turned)
    dithered = flat * tf.cast(dithers < 0.3, tf.float32)
    level += dithered * (0.5 - level + 0.6 * (grain - 0.5))
    silhouettes = tf.clip_by_value((images - level) * EDGE, 0, 1)
    # Each way is a sum of the image, its thinned and blurred selves, and its silhouette.
    own = 1 - chosen(0, 0.3) - blurs - flat + outlined - 2 * turned
    inside = flat * (0.4 + 0.6 * strength) + turned * (1 + 0.3 * strength)
    mixed = own * images + (thinned - outlined) * eroded(images) + blurs * blurred(images)
    return tf.clip_by_value(mixed + inside * silhouettes, 0, 1)


def relit(images: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Bends the tones of a share of the images up or down (by x(1 - x), as a gamma of 0.5 to 2
    would) and makes them lighter or darker as a whole."""
    which, bend, lower = _chosen(3, images, seed)
    lit = tf.cast(which < share, tf.float32)
    images += lit * (2 * bend - 1) * images * (1 - images)
    images *= 1 - lit * (LIGHTEST + (DARKEST - LIGHTEST) * lower)
    return tf.clip_by_value(images, 0, 1)


def soiled(images: tf.Tensor, dirt: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Leaves dirt beside the items of a share of the images, or holes of its shape in them."""
    which, lacks, strength = _chosen(3, images, seed)
    dirty, holes = tf.cast(which < share, tf.float32), tf.cast(lacks < HOLES, tf.float32)
    more = (1 - holes) * (1 - images) - 1.5 * holes
    return tf.clip_by_value(images + dirty * strength * dirt * more, 0, 1)


def grained(images: tf.Tensor, grain: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Adds the noise of a sensor to a share of the images, background included."""
    which, strength = _chosen(2, images, seed)
    noisy = tf.cast(which < share, tf.float32)
    return tf.clip_by_value(images + noisy * strength * GRAIN * (grain - 0.5), 0, 1)


def eroded(images: tf.Tensor) -> tf.Tensor:
    """Returns the darkest of each pixel and its four neighbours."""
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1]])
    down = tf.minimum(padded[:, :-2, 1:-1], padded[:, 2:, 1:-1])
    across = tf.minimum(padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    return tf.minimum(images, tf.minimum(down, across))


def blurred(images: tf.Tensor) -> tf.Tensor:
    """Returns images under a binomial filter of five pixels, about a Gaussian of one pixel."""
    padded = tf.pad(images, [[0, 0], [2, 2], [2, 2]])
    rows = _binomial(
        padded[:, :-4], padded[:, 1:-3], padded[:, 2:-2], padded[:, 3:-1], padded[:, 4:]
    )
    return _binomial(
        rows[:, :, :-4], rows[:, :, 1:-3], rows[:, :, 2:-2], rows[:, :, 3:-1], rows[:, :, 4:]
    )


def _binomial(*parts: tf.Tensor) -> tf.Tensor:
    first, second, middle, fourth, last = parts
    return (first + last + 4 * (second + fourth) + 6 * middle) / 16


def _chosen(count: int, images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    """Returns so many uniform numbers for each image, each float32 [n, 1, 1]."""
    shape = [count, images.shape[0], 1, 1]
    return tf.unstack(tf.random.stateless_uniform(shape, seed=seed))
