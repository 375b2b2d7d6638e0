"""Deep pixels: levels of 10 to 32 bits and floats, as levels of 0..255.

Cameras and scanners give 10, 12 or 14 bits in pixels of 16. A picture's levels are those of the
depth that has as many bits as they need, so that it is as bright as its maker meant it to be.
"""

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from vitrine_client.errors import InvalidImage

_Floats = NDArray[np.float32]

_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that a sensor or a scanner gives; all of them but 8 are kept in 16."""

_LARGEST_SPAN = 1e30
"""Between levels of floats, whose differences would overflow beyond it."""

_STRIP_PIXELS = 500_000
"""Pixels of a deep picture that are worked on at a time."""


def scaled(image: Image.Image) -> Image.Image:
    """Returns levels of any depth in 0..255, mode F: where they are whole and fit, those of the
    depth that has as many bits as they need."""
    least, most = _extremes(image)
    for bits in _DEPTHS:
        if least >= 0 and 1 < most <= 2**bits - 1:
            return _mapped(image, 0.0, 255 / (2**bits - 1))
    span = max(most - least, 1e-30)
    if span > _LARGEST_SPAN:
        return scaled(_mapped(image, 0.0, 1 / _LARGEST_SPAN))
    return _mapped(image, least, 255 / span)


def strips(image: Image.Image) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yields a picture in strips, so that arrays of all of it are never in memory, each with its
    first row."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield top, np.asarray(image.crop((0, top, image.width, bottom)))


def _extremes(image: Image.Image) -> tuple[float, float]:
    least, most = math.inf, -math.inf
    for _, levels in strips(image):
        if not np.isfinite(levels).all():
            raise InvalidImage("The picture has pixels that are no numbers; save it as 8-bit PNG")
        least, most = min(least, float(levels.min())), max(most, float(levels.max()))
    return least, most


def _mapped(image: Image.Image, least: float, factor: float) -> Image.Image:
    """Returns levels less `least`, times `factor`, mode F."""
    made = Image.new("F", image.size)
    for top, levels in strips(image):
        strip = (levels.astype(np.float32) - np.float32(least)) * np.float32(factor)
        made.paste(Image.fromarray(strip), (0, top))
    return made


def raw_mode(image: ImageFile) -> str:
    """Returns how 16-bit colours lie in the file, "" where there are none: Pillow keeps only their
    high bytes, in which a picture of 10 or 12 bits is all but black."""
    args = image.tile[0].args if image.tile else ""
    raw = args[0] if isinstance(args, tuple) else args
    return raw if isinstance(raw, str) and raw.startswith("RGB") and ";16" in raw else ""


def low_bytes(image: ImageFile, raw: str, content: bytes, frame: int) -> Image.Image | None:
    """Returns a picture of fewer than 16 bits with all that it has, None where it has 16."""
    if max(int(high[..., :3].max()) for _, high in strips(image)) >= 64:
        return None
    again = type(image)(io.BytesIO(content))
    again.seek(frame)
    swapped = raw.replace("16B", "16?").replace("16L", "16B").replace("16?", "16L")
    if raw.endswith("16N"):
        swapped = raw.replace("16N", "16B")
    again.tile = [
        tile._replace(args=(swapped, *tile.args[1:]) if isinstance(tile.args, tuple) else swapped)
        for tile in again.tile
    ]
    again.load()
    most = max(float(levels.max()) for _, _, levels in _both_bytes(image, again))
    needed = next(bits for bits in _DEPTHS if most <= 2**bits - 1)
    for top, high, levels in _both_bytes(image, again):
        full = np.rint(levels * np.float32(255 / (2**needed - 1))).astype(np.uint8)
        strip = np.dstack([full, *([high[..., 3]] if high.shape[2] == 4 else [])])
        again.paste(Image.fromarray(strip), (0, top))  # in place of its low bytes
    return again


def _both_bytes(
    image: Image.Image, again: Image.Image
) -> Iterator[tuple[int, NDArray[Any], _Floats]]:
    """Yields the first row of a strip, its pixels, and its levels of 16 bits, float32 [h, w, 3]:
    `image` has their high bytes and `again` their low ones."""
    for (top, high), (_, low) in zip(strips(image), strips(again), strict=True):
        yield top, high, high[..., :3].astype(np.float32) * 256 + low[..., :3]
