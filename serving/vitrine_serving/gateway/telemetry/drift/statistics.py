"""What drift is looked for in: six figures of each image, and the model's answer."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STATISTICS = ("brightness", "contrast", "brightest", "column", "row", "sharpness")
"""Of each image: mean, standard deviation and maximum of its pixels (0..1), the centre of its
brightness (pixels from the left and from the top), and the mean difference of neighbours."""

_SIDE = 28
_PIXELS = _SIDE * _SIDE
_WHITE = 255
_STEPS = _SIDE * (_SIDE - 1)  # pairs of neighbours in a direction

# All of these sums are of integers that float32 holds exactly (below 2**24), in any order.
_SQUARES = 4  # parts that the sum of squares is taken in
_COLUMN = np.tile(np.arange(_SIDE, dtype=np.float32), _SIDE)
_ROW = np.repeat(np.arange(_SIDE, dtype=np.float32), _SIDE)
_SUMS = np.column_stack([np.ones(_PIXELS, np.float32), _COLUMN, _ROW])
_HAS_RIGHT = (_COLUMN < _SIDE - 1).astype(np.float32)
_HAS_BELOW = (_ROW < _SIDE - 1).astype(np.float32)


def statistics(images: npt.NDArray[np.uint8], probabilities: npt.NDArray[Any]) -> Floats:
    """Returns a row for each image, float64 [n, 6 + classes]: `STATISTICS`, then the outputs.

    `images` are uint8 [n, 28, 28], `probabilities` [n, classes]. The same as those of training,
    which the baseline in a model card is made of, at about 2 us an image in batches. Raises
    `ValueError` where the arrays do not fit together.
    """
    count = len(images)
    if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(f"images are {images.dtype} {list(images.shape)}, not uint8 [n, 28, 28]")
    if probabilities.ndim != 2 or len(probabilities) != count:
        raise ValueError(f"outputs are {list(probabilities.shape)} for {count} images")
    levels = np.ascontiguousarray(images).reshape(count, _PIXELS)
    pixels = levels.astype(np.float32)
    total, column, row = (pixels @ _SUMS).astype(np.float64).T
    parts = pixels.reshape(count, _SQUARES, 1, -1)
    squares = np.matmul(parts, parts.transpose(0, 1, 3, 2)).sum(axis=(1, 2, 3), dtype=np.float64)
    steps = _to_neighbour(pixels, 1) @ _HAS_RIGHT + _to_neighbour(pixels, _SIDE) @ _HAS_BELOW
    rows = np.empty((count, len(STATISTICS) + probabilities.shape[1]))
    rows[:, 0] = total / (_PIXELS * _WHITE)
    rows[:, 1] = np.sqrt(_PIXELS * squares - total**2) / (_PIXELS * _WHITE)
    rows[:, 2] = levels.max(axis=1) / _WHITE
    total[total == 0] = 1  # a black image has its centre at 0, 0
    rows[:, 3], rows[:, 4] = column / total, row / total
    rows[:, 5] = steps / (2 * _STEPS * _WHITE)
    rows[:, len(STATISTICS) :] = probabilities
    return rows


def _to_neighbour(pixels: npt.NDArray[np.float32], distance: int) -> npt.NDArray[np.float32]:
    """Returns how far each pixel is from the one at a distance in memory, [n, 784]; what that is
    for the last column or row, which have no neighbour there, is not said."""
    flat, apart = pixels.reshape(-1), np.zeros(pixels.size, np.float32)
    np.subtract(flat[distance:], flat[:-distance], out=apart[:-distance])
    return np.abs(apart, out=apart).reshape(pixels.shape)
