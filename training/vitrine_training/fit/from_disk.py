"""Epochs of rows on disk: batches are read while the one before is trained on, and no more."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_training.data.rows_on_disk import RowsOnDisk
from vitrine_training.fit.augment import warped
from vitrine_training.models.recipes import Recipe

AHEAD = 2
"""Batches that are read before they are asked for."""

Step = Callable[[list[tf.Tensor], tf.Tensor], None]
"""Function of the rows of a batch and of the step's number."""


def epoch_from_disk(
    step: Step,
    recipe: Recipe,
    images: RowsOnDisk,
    targets: npt.NDArray[Any],
    seed: int,
) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """Returns a function of the order of the rows and of the epoch's number, as `compiled_epoch`.

    Its steps have the same rows and draw the same numbers, but where images are turned or scaled:
    that is drawn for a batch here, and for a whole epoch there. Own data is not retouched.
    """
    size = min(recipe.batch_size, len(targets))
    steps = -(-len(targets) // size)
    whole = len(targets) // size
    compiled = tf.function(step, jit_compile=recipe.compiles)
    prepared = tf.function(lambda rows, own: warped(rows, recipe, tf.unstack(own)))
    batches = _Batches(images, targets, size)

    def epoch(order: tf.Tensor, number: tf.Tensor) -> None:
        first = (int(number) - 1) * (whole + 1)
        ahead = batches.of(np.asarray(order, np.int64))
        for index, (pixels, classes) in zip(range(steps), ahead, strict=True):
            own = tf.constant([-1 - seed, first + index])  # no seed of a step, nor of the order
            compiled([prepared(pixels, own), classes], tf.constant(first + index))

    return epoch


class _Batches:
    """Batches of rows in the order of an epoch.

    One data set reads for all epochs: TensorFlow keeps the function of each one made by a generator
    for as long as the process lives, with all that it holds.
    """

    def __init__(self, images: RowsOnDisk, targets: npt.NDArray[Any], size: int) -> None:
        self._images, self._targets, self._size = images, targets, size
        self._order = np.empty(0, np.int64)
        signature = (
            tf.TensorSpec([None, *images.shape[1:]], tf.uint8),
            tf.TensorSpec([None], targets.dtype),
        )
        # A generator's shapes are open; a step is compiled for those of the tensors it is given.
        batches = tf.data.Dataset.from_generator(self._read, output_signature=signature)
        self._batches = batches.prefetch(AHEAD)

    def of(self, order: npt.NDArray[np.int64]) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Reads ahead in this order; the one before has been read."""
        self._order = order
        return iter(self._batches)

    def _read(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        order = self._order
        for start in range(0, len(order), self._size):
            rows = order[start : start + self._size]
            yield self._images[rows], self._targets[rows]
