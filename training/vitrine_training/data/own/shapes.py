"""Shapes of pictures: from [n, pixels], [n, h, w], [n, h, w, 1 or 3] or channels first to ours."""

import math

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError

LEAST_SIDE = 4
"""Pixels of a side of the smallest picture: fewer are rather columns of a table than a picture."""


def as_pictures(
    images: npt.NDArray[np.uint8], name: str
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Returns images as [n, h, w] or [n, h, w, 3], and notes about an order that is assumed.

    Raises `DataError` where the shape is no row of pictures.
    """
    notes = []
    if images.ndim == 2:
        shape, note = flat_shape(images.shape[1], name)
        notes += note
        images = images.reshape(-1, *shape)
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = np.moveaxis(images, 1, 3)
        notes.append(f"{name}: the channels are taken to come before rows and columns")
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        raise DataError(
            f"{name} has the shape {_shape(images)}: pictures are [n, height, width] in grey, or "
            f"[n, height, width, 3] in colour, without an alpha channel"
        )
    if min(images.shape[1:3]) < LEAST_SIDE:
        raise DataError(
            f"{name} has pictures of {images.shape[1]}x{images.shape[2]}: "
            f"{LEAST_SIDE}x{LEAST_SIDE} are the smallest"
        )
    return images, notes


def flat_shape(pixels: int, name: str) -> tuple[tuple[int, ...], list[str]]:
    """Returns the shape of a picture of so many values in a row, and a note about their order.

    Square pictures only: 784 are 28x28, 3,072 are 32x32 in colour. Raises `DataError` for others.
    """
    side = math.isqrt(pixels)
    if side >= LEAST_SIDE and side * side == pixels:
        return (side, side), []
    side = math.isqrt(pixels // 3)
    if side >= LEAST_SIDE and 3 * side * side == pixels:
        note = (
            f"{name}: {pixels:,} values a row are taken as {side}x{side} in colour, pixel by pixel "
            "with red, green and blue of each; other orders have to be turned first"
        )
        return (side, side, 3), [note]
    raise DataError(
        f"{name} has {pixels:,} values a row, and no square picture has so many in grey or in "
        f"three colours{_hint(pixels)}"
    )


def _hint(pixels: int) -> str:
    if math.isqrt(pixels - 1) ** 2 == pixels - 1 > 0:
        return ": leave out the column too many, an index or a second label"
    if math.isqrt(pixels + 1) ** 2 == pixels + 1:
        return ": one is missing, perhaps the labels"
    return ": reshape or fill them up first"


def _shape(images: npt.NDArray[np.uint8]) -> str:
    return f"[{', '.join(map(str, images.shape))}]"
