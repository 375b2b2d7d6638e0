"""Any picture, made into what the models take: uint8 [28, 28], white on black, centred.

The models know Fashion-MNIST, whose authors cut the item out, fitted its longer side to 28 pixels
and negated it. So `find_item` finds the item of a picture, as a person does, and does the same;
what already looks like a row of the data set passes through bit for bit.

    files → raster → background, flooding → segmentation, panels → finder → fitting → item
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.errors import InvalidImage
from vitrine_client.images.files import FORMATS, MAX_PIXELS, check_size
from vitrine_client.images.fitting import SIDE
from vitrine_client.images.item import NOTHING, Item, item_of
from vitrine_client.images.raster import Box, Raster, decoded, later_frames, raster_of

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "NOTHING",
    "SIDE",
    "Box",
    "Item",
    "Picture",
    "find_item",
    "from_array",
    "to_instance",
]

Picture = bytes | str | os.PathLike[str] | BinaryIO | Image.Image | NDArray[np.generic]
"""An encoded file (its bytes, its path, or itself, opened for reading bytes), or pixels.

An array is [h, w], [h, w, 3] or [h, w, 4] (RGB, RGBA), uint8 or float 0..1.
"""


def to_instance(picture: Picture, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Returns the instance of `find_item` alone, uint8 [28, 28]; raises the same."""
    return find_item(picture, max_pixels=max_pixels).instance


def find_item(
    picture: Picture, *, max_pixels: int = MAX_PIXELS, box: Sequence[float] | None = None
) -> Item:
    """Finds the item in a picture, or takes what lies in `box` (x, y, width, height in pixels of
    the upright picture).

    Of an animation, the first frame counts that has something in it. Raises `InvalidImage` where
    the picture cannot be read or has more than `max_pixels` pixels, which is known before they are
    decoded; `InvalidRequest` where `box` is empty, no number, or not inside the picture; `OSError`
    (`FileNotFoundError`, ...) where a path cannot be opened.
    """
    if not isinstance(picture, bytes):
        if isinstance(picture, np.ndarray | Image.Image):
            return item_of(_raster_of(picture, max_pixels), box)
        picture = _content(picture)
    item = item_of(decoded(picture, max_pixels), box)
    if item.box is not None:
        return item
    later = (item_of(frame, box) for frame in later_frames(picture, max_pixels))
    return next((one for one in later if not one.empty), item)


def _content(file: str | os.PathLike[str] | BinaryIO) -> bytes:
    if isinstance(file, bytearray | memoryview):
        return bytes(file)
    try:
        content = Path(file).read_bytes() if isinstance(file, str | os.PathLike) else file.read()
    except (AttributeError, ValueError) as error:  # no file, a closed one, a path with a NUL
        raise InvalidImage(f"A picture is bytes, a path or an open file ({error})") from error
    if not isinstance(content, bytes):
        raise InvalidImage("A file with a picture has to be opened in binary mode")
    return content


def _raster_of(picture: Image.Image | NDArray[np.generic], max_pixels: int) -> Raster:
    if isinstance(picture, np.ndarray):
        return raster_of(from_array(picture, max_pixels))
    check_size(picture.size, max_pixels)
    return raster_of(picture)


def from_array(array: NDArray[np.generic], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Returns the picture in an array, as `Picture` has it. Raises `InvalidImage`."""
    shape = array.shape
    if len(shape) not in {2, 3} or shape[2:] not in {(), (3,), (4,)}:
        raise InvalidImage(f"An array must be [h, w], [h, w, 3] or [h, w, 4], not {list(shape)}")
    check_size((shape[1], shape[0]), max_pixels)
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= 0 and array.max() <= 1):  # which NaN fails, too
            raise InvalidImage("An array of floats must lie in 0..1, without NaN; scale it")
        array = np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InvalidImage(f"An array must be uint8, or float in 0..1, not {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))
