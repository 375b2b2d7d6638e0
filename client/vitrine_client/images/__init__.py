"""Pictures of any format, as the input of the models: uint8 [28, 28], white on black, centred.

The models know Fashion-MNIST, whose authors cut the item out, fitted its longer side to 28 pixels
and negated it. So `find_item` finds the item of a picture, as a person does, and does the same;
a picture that already looks like a row of the data set passes through bit for bit.

    files → raster → background, flooding → segmentation, panels → finder → fitting → item
"""

import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.errors import InvalidImage
from vitrine_client.images.files import FORMATS, MAX_PIXELS, check_size
from vitrine_client.images.finding.item import NOTHING, Item, item_of, row_item, row_items
from vitrine_client.images.given import read
from vitrine_client.images.raster import Box, Raster, decoded, later_frames, raster_of
from vitrine_client.images.rows import SIDE, read_row

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "NOTHING",
    "SIDE",
    "Box",
    "Item",
    "Picture",
    "find_item",
    "find_rows",
    "from_array",
    "to_instance",
]

Picture = bytes | str | os.PathLike[str] | BinaryIO | Image.Image | NDArray[np.generic]
"""An encoded file (its bytes, its path, or itself, opened for reading bytes), or pixels.

An array is [h, w], [h, w, 3] or [h, w, 4] (RGB, RGBA), uint8 or float 0..1. A tensor that NumPy can
read, such as PyTorch's in this machine's memory, is taken as its array.
"""


def to_instance(picture: Picture, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Returns the instance of `find_item` alone, uint8 [28, 28]; raises the same."""
    return find_item(picture, max_pixels=max_pixels).instance


def find_item(
    picture: Picture, *, max_pixels: int = MAX_PIXELS, box: Sequence[float] | None = None
) -> Item:
    """Finds the item in a picture, or takes the content of `box` (x, y, width, height in pixels
    of the upright picture).

    Of an animation, the first frame counts that has something in it. Raises `InvalidImage` where
    the picture cannot be read or has more than `max_pixels` pixels, which is known before they are
    decoded; `InvalidRequest` where `box` is empty, no number, or not inside the picture; `OSError`
    (`FileNotFoundError`, ...) where a path cannot be opened.
    """
    given = read(picture)
    if not isinstance(given, bytes):
        return item_of(_raster_of(given, max_pixels), box)
    if box is None and max_pixels >= SIDE * SIDE and (item := _plain_row(given)):
        return item
    item = item_of(decoded(given, max_pixels), box)
    if item.box is not None:
        return item
    later = (item_of(frame, box) for frame in later_frames(given, max_pixels))
    return next((one for one in later if not one.empty), item)


def find_rows(files: Sequence[bytes], *, max_pixels: int = MAX_PIXELS) -> list[Item] | None:
    """Returns what `find_item` does of each of several files, in half of the time, if all are
    plain rows of the data set as they most often are sent; None of all others."""
    return row_items(files) if max_pixels >= SIDE * SIDE else None


def _plain_row(content: bytes) -> Item | None:
    """Returns the item of a row that is sent as it most often is, None of all other files."""
    row = read_row(content)
    return None if row is None else row_item(row)


def _raster_of(picture: Image.Image | NDArray[np.generic], max_pixels: int) -> Raster:
    if isinstance(picture, np.ndarray):
        return raster_of(from_array(picture, max_pixels))
    check_size(picture.size, max_pixels)
    return raster_of(picture)


def from_array(array: NDArray[np.generic], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Returns the picture in an array, as `Picture` has it. Raises `InvalidImage`."""
    _check_shape(array.shape)
    check_size((array.shape[1], array.shape[0]), max_pixels)
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= 0 and array.max() <= 1):  # which NaN fails, too
            raise InvalidImage(
                "An array of floats must lie in 0..1, without NaN; scale it, such as by array / 255"
            )
        array = np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InvalidImage(
            f"An array must be uint8, or float in 0..1, not {array.dtype}; where its values lie in "
            "0..255, array.astype(np.uint8) makes it so"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) in {2, 3} and shape[2:] in {(), (3,), (4,)}:
        return
    hint = ""
    if len(shape) == 3 and shape[2] == 1:
        hint = "; array[..., 0] drops the last axis"
    elif len(shape) == 3 and shape[0] in {1, 3, 4}:
        hint = "; the channels come last: " + (
            "array[0]" if shape[0] == 1 else "array.transpose(1, 2, 0)"
        )
    elif len(shape) in {3, 4}:
        hint = "; for several pictures ask predict_many"
    raise InvalidImage(f"An array must be [h, w], [h, w, 3] or [h, w, 4], not {list(shape)}{hint}")
