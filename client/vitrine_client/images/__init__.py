"""Any picture, made into what the models take: uint8 [28, 28], white on black, centred.

The models know Fashion-MNIST, whose authors cut the item out, fitted its longer side to 28 pixels
and negated it. So `to_instance` finds the item of a photo and does the same; what already looks
like a row of the data set passes through bit for bit.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vitrine_client.errors import InvalidImage

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

SIDE = 28
"""Height and width of an instance."""

MAX_PIXELS = 50_000_000
"""The largest picture that is decoded by default: what a good phone takes, 200 MB in memory."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""The formats that are read; no other decoder of Pillow's ever sees a byte."""

Picture = bytes | str | os.PathLike[str] | BinaryIO | Image.Image | NDArray[np.generic]
"""An encoded file (its bytes, its path, or itself, opened for reading bytes), or pixels.

An array is [h, w], [h, w, 3] or [h, w, 4] (RGB, RGBA), uint8 or float 0..1.
"""

Box = tuple[int, int, int, int]
"""A rectangle, x, y, width and height, in pixels of the upright picture (after EXIF)."""

NOTHING = "there is nothing to see in this picture"
"""The warning of a picture without an item."""

Grey = NDArray[np.float32]

_WORKING_SIDE = 128  # Enough to find the edges of an item that fills a third of the picture.
_MAX_ASPECT = SIDE  # Beyond it the shorter side would be less than one pixel of the instance.
_BLACK = 16  # Two corners of every Fashion-MNIST image are at most 12.
_TRIM = 0.1  # Of the strongest contrast; weaker than that is shadow.
_NOISE_SIGMAS = 6  # A hundred thousand pixels of noise alone hardly get there.
_LEAST_CONTRAST = 4  # Of 255; weaker than that is compression.
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_READERS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG": PngImageFile,
    b"\xff\xd8": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"GIF8": GifImageFile,
    b"BM": BmpImageFile,
}


@dataclass(frozen=True)
class Item:
    """The item that was found in a picture.

    `instance` is the item as models take it, uint8 [28, 28], white on black; `box` its place, or
    None where the picture shows nothing, and then `instance` is black. `warnings` say in words what
    was left out or is doubtful.
    """

    instance: NDArray[np.uint8]
    box: Box | None
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see in the picture."""
        return self.box is None


def to_instance(picture: Picture, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Returns the instance of `find_item` alone, uint8 [28, 28]; raises the same."""
    return find_item(picture, max_pixels=max_pixels).instance


def find_item(
    picture: Picture, *, max_pixels: int = MAX_PIXELS, box: Sequence[float] | None = None
) -> Item:
    """Finds the item in a picture, or takes what lies in `box` (x, y, width, height in pixels of
    the upright picture).

    Of an animation, the first frame counts; a picture of nothing gives zeros. Raises `InvalidImage`
    where the picture cannot be read or has more than `max_pixels` pixels, which is known before
    they are decoded; `InvalidRequest` where `box` is empty, no number, or not inside the picture;
    `OSError` (`FileNotFoundError`, ...) where a path cannot be opened.
    """
    match picture:
        case np.ndarray():
            image = from_array(picture, max_pixels)
        case Image.Image():
            image = picture
            _check_size(image.size, max_pixels)
        case bytes():
            image = _opened(picture, max_pixels)
        case str() | os.PathLike():
            image = _opened(Path(picture).read_bytes(), max_pixels)
        case _:
            image = _opened(picture.read(), max_pixels)
    try:
        small = _small(image)
    except InvalidImage:
        raise
    except Exception as error:  # Pillow's decoders raise nearly everything
        raise InvalidImage(
            f"The picture is damaged or truncated ({error}); save it anew"
        ) from error
    grey = np.asarray(small if small.mode == "L" else small.convert("L"))
    whole = (0, 0, *image.size)
    if _is_instance(grey):
        instance = grey.copy()
    elif _is_instance(255 - grey):  # a row of the data set, printed black on white
        instance = 255 - grey
    else:
        instance = _framed(grey.astype(np.float32))
    if not instance.any():
        return Item(instance, None, (NOTHING,))
    return Item(instance, whole)


def _is_instance(grey: NDArray[np.uint8]) -> bool:
    """Whether this could be a row of Fashion-MNIST: 28x28, and the border is black.

    Items do reach the border, so only a quarter of it must be black (of all 70,000 images, the
    least is 26 %), and black must outnumber white, which a dark item on white fails.
    """
    if grey.shape != (SIDE, SIDE):
        return False
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    black = np.count_nonzero(border <= _BLACK)
    return bool(4 * black >= border.size and black > np.count_nonzero(border >= 255 - _BLACK))


def _opened(content: bytes, max_pixels: int) -> ImageFile:
    """Reads the header only."""
    reader = _reader(content)
    try:
        # Not Image.open: it warns of large pictures, and warnings can't be silenced in a thread.
        image = reader(io.BytesIO(content))
    except Image.DecompressionBombError as error:  # of a GIF's frame, or WebP
        raise InvalidImage(f"The picture is far too large: {error}; scale it down") from error
    except Exception as error:
        raise InvalidImage(f"The picture's header is damaged ({error}); save it anew") from error
    _check_size(image.size, max_pixels)
    if isinstance(image, JpegImageFile):
        factor = _reduction(image)
        image.draft("L", (image.width // factor, image.height // factor))  # decodes fewer pixels
    return image


def _reader(content: bytes) -> type[ImageFile]:
    for magic, reader in _READERS.items():
        if content.startswith(magic):
            return reader
    accepted = f"send {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    if not content:
        raise InvalidImage(f"The picture is empty; {accepted}")
    if b"<svg" in content[:1024].lower():
        raise InvalidImage(f"SVG is a drawing, not pixels: rasterise it, then {accepted}")
    raise InvalidImage(f"This is no picture, or of a format that is not read; {accepted}")


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise InvalidImage("The picture has no pixels; send one that has")
    if width * height > max_pixels:
        raise InvalidImage(
            f"The picture has {width}x{height} pixels, more than {max_pixels}; scale it down"
        )
    if max(size) > _MAX_ASPECT * min(size):
        raise InvalidImage(
            f"The picture has {width}x{height} pixels, too narrow to show an item; crop it"
        )


def from_array(array: NDArray[np.generic], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Returns the picture in an array, as `Picture` has it. Raises `InvalidImage`."""
    shape = array.shape
    if len(shape) not in {2, 3} or shape[2:] not in {(), (3,), (4,)}:
        raise InvalidImage(f"An array must be [h, w], [h, w, 3] or [h, w, 4], not {list(shape)}")
    _check_size((shape[1], shape[0]), max_pixels)
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= 0 and array.max() <= 1):  # which NaN fails, too
            raise InvalidImage("An array of floats must lie in 0..1, without NaN; scale it")
        array = np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InvalidImage(f"An array must be uint8, or float in 0..1, not {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _small(image: Image.Image) -> Image.Image:
    """The picture upright, opaque, its longer side about `_WORKING_SIDE`."""
    image.load()
    orientation = _orientation(image)
    if image.mode.startswith(("I", "F")):  # 16 bits, 32 bits, float
        image = _eight_bits(image)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode != "L":
        image = image.convert("RGB")
    factor = _reduction(image)
    image = image.reduce(factor) if factor > 1 else image
    if image.mode == "RGBA":
        image = _opaque(image)
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _reduction(image: Image.Image) -> int:
    return max(1, max(image.size) // _WORKING_SIDE)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF is often damaged, where the pixels are well
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    levels = np.asarray(image).astype(np.float32)
    if not np.isfinite(levels).all():
        raise InvalidImage("The picture has pixels that are no numbers; save it as 8-bit PNG")
    full_scale = 255 if levels.max() <= 255 else 65535  # 8-bit values are often kept in 16 bits
    levels = np.rint(levels.clip(0, full_scale) * (255 / full_scale))
    return Image.fromarray(levels.astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    """Puts a cut-out on white, as Fashion-MNIST's authors had it, or on black if it is white."""
    pixels = np.asarray(image)
    alpha = pixels[..., 3:] / np.float32(255)
    white = (pixels[..., :3] * alpha).sum() > 240 * 3 * alpha.sum()
    backdrop = np.float32(0 if white else 255)
    return Image.fromarray(
        np.rint(pixels[..., :3] * alpha + backdrop * (1 - alpha)).astype(np.uint8)
    )


def _framed(grey: Grey) -> NDArray[np.uint8]:
    """Takes the background off, trims, fits the item to 28x28, stretches and centres it."""
    instance = np.zeros((SIDE, SIDE), np.uint8)
    background, noise = _background(grey)
    item = np.subtract(grey, background, out=background)  # fresh memory is slow
    sample = item[::2, ::2]
    if (sample * np.abs(sample)).sum() < 0:  # more is darker than the background than lighter
        np.negative(item, out=item)
    item.clip(min=0, out=item)
    seen = item > max(_TRIM * item.max(), _NOISE_SIGMAS * noise, _LEAST_CONTRAST)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if not rows.size:
        return instance
    item = item[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIDE / max(item.shape)
    height, width = (max(1, round(side * scale)) for side in item.shape)
    fitted = Image.fromarray(item).resize((width, height), Image.Resampling.LANCZOS)
    levels = np.asarray(fitted).clip(min=0)
    top, left = (SIDE + 1 - height) // 2, (SIDE + 1 - width) // 2  # an odd margin, as they had it
    instance[top : top + height, left : left + width] = np.rint(levels * (255 / levels.max()))
    return instance


def _background(grey: Grey) -> tuple[Grey, float]:
    """The background as if nothing lay on it, [h, w], and the standard deviation of its noise.

    A surface a + bx + cy + d(x^2 + y^2), for light from one side and a lens that darkens corners,
    through the border where that is not item: least squares, twice without the outliers.
    """
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in grey.shape)
    at_y = np.concatenate([np.full_like(x, -1), np.ones_like(x), y, y])
    at_x = np.concatenate([x, x, np.full_like(y, -1), np.ones_like(y)])
    terms = np.stack([np.ones_like(at_x), at_x, at_y, at_x**2 + at_y**2], 1).astype(np.float64)
    levels = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).astype(np.float64)
    fit = np.array([np.median(levels), 0, 0, 0])
    for _ in range(2):
        errors = np.abs(levels - terms @ fit)
        noise = 1.4826 * float(np.median(errors))  # of a normal distribution, by its median
        kept = errors <= max(3 * noise, 2)  # at least half
        weighted = terms.T * kept
        # Normal equations, ten times faster than `lstsq`; the ridge is for pictures of few pixels.
        fit = np.linalg.solve(weighted @ terms + 1e-6 * np.eye(4), weighted @ levels)
    a, b, c, d = fit.astype(np.float32)
    surface = (a + b * x + d * x**2) + (c * y + d * y**2)[:, None]
    return surface.clip(0, 255, out=surface), noise
