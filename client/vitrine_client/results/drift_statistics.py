"""Drift statistics: six figures of each image, and the model's outputs.

Training makes the baseline of a model card of them, and the gateway looks for drift in them. Images
are the levels 0..255 that a model sees, of any size. Colours are first made grey as Pillow's `L`
does it (ITU-R BT.601), so that red and blue in each other's place show; alpha is left out.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STATISTICS = ("brightness", "contrast", "brightest", "column", "row", "sharpness")
"""Of each image: mean, standard deviation and maximum of its pixels (0..1), the centre of its
brightness (from the left and from the top, in pixels of an image that is made 28 wide and 28 high),
and the mean difference of neighbours (0..1), in the image as it is."""

MOST_CLASSES = 64
"""More than that are not watched: a window's place in memory has a fixed size."""

MOST_LINES = 96
"""Rows, and columns, that are looked at of a larger image: every second, or every third..., with
the true neighbours of each pixel. So it takes less than 1 ms, however large it is."""

_TOGETHER = 4 * MOST_LINES**2  # pixels of smaller images that are looked at together
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_DTYPES = (np.uint8, np.float32)
_CHANNELS = (1, 3, 4)

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


def statistics(images: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> Floats:
    """Returns a row for each image, float64 [n, 6 + classes]: `STATISTICS`, then the outputs.

    `images` are levels 0..255, uint8 or float32 [n, height, width] or [n, height, width, channels]
    with 1, 3 or 4 channels; `probabilities` [n, classes] may be scores. About 2 us an image in
    batches of uint8 [n, 28, 28]. Raises `ValueError` where the arrays do not fit together.
    """
    count = len(images)
    if probabilities.ndim != 2 or len(probabilities) != count:
        raise ValueError(f"outputs are {list(probabilities.shape)} for {count} images")
    if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE):
        return _of_any_size(images, probabilities)
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


def _of_any_size(images: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> Floats:
    """Does what `statistics` does, by NumPy's plain functions and in bounded memory."""
    count, sides, channels = len(images), images.shape[1:3], images.shape[3:]
    is_shape = len(sides) == 2 and (not channels or channels[0] in _CHANNELS)
    if images.dtype not in _DTYPES or images.ndim > 4 or not is_shape or 0 in sides:
        raise ValueError(
            f"images are {images.dtype} {list(images.shape)}, not levels 0..255, uint8 or float32 "
            "[n, height, width] or [n, height, width, channels]"
        )
    if channels == (1,):
        return statistics(images[..., 0], probabilities)
    at_once = max(1, _TOGETHER // math.prod(sides))
    rows = np.empty((count, len(STATISTICS) + probabilities.shape[1]))
    for start in range(0, count, at_once):
        part = slice(start, start + at_once)
        rows[part, : len(STATISTICS)] = _figures(images[part])
    rows[:, len(STATISTICS) :] = probabilities
    return rows


def _figures(levels: npt.NDArray[Any]) -> Floats:
    """Returns `STATISTICS` [n, 6] of levels."""
    down, across = (math.ceil(side / MOST_LINES) for side in levels.shape[1:3])
    grey = _grey(levels[:, ::down, ::across])
    right = grey[:, :, 1:] if across == 1 else _grey(levels[:, ::down, 1::across])
    below = grey[:, 1:] if down == 1 else _grey(levels[:, 1::down, ::across])
    total = grey.sum(axis=(1, 2))
    weight = np.where(total == 0, 1, total)  # a black image has its centre at 0, 0
    steps = _mean_step(grey[:, :, : right.shape[2]], right)
    steps += _mean_step(grey[:, : below.shape[1]], below)
    figures = (
        *(grey.mean(axis=(1, 2)) / _WHITE, grey.std(axis=(1, 2)) / _WHITE),
        grey.max(axis=(1, 2)) / _WHITE,
        *(grey.sum(axis=axis) @ _places(grey.shape[3 - axis]) / weight for axis in (1, 2)),
        steps / (2 * _WHITE),
    )
    return np.column_stack(figures)


def _grey(levels: npt.NDArray[Any]) -> Floats:
    """Returns levels [n, h, w], of which there may be three or four each, as one each."""
    if levels.ndim == 3:
        return levels.astype(np.float64)
    colours = levels[..., : len(_LUMA)].astype(np.float32)
    grey: Floats = (colours @ _LUMA).astype(np.float64)
    return grey


def _mean_step(one: Floats, other: Floats) -> Floats:
    """Returns how far neighbours are apart, [n]; 0 where an image has none in a direction."""
    total: Floats = np.abs(one - other).sum(axis=(1, 2))
    return total / max(1, math.prod(one.shape[1:]))


def _places(count: int) -> Floats:
    """Returns where the middles of so many columns (rows) are in an image that is made 28 wide:
    0 to 27 for 28."""
    return (np.arange(count) + 0.5) * _SIDE / count - 0.5
