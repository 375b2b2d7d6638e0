"""Resizing: the filters that models are trained with, as TensorFlow, Keras and Pillow apply them.

A model that was trained with one of them sees other pixels through any other, which is train/serve
skew. So each is here as its library has it: `bilinear` to the last bit or two of a float, those
with antialias within 1e-4 of a level, all others exactly. A picture is read in strips, so that it
may be far larger than the memory for its floats.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.images.raster import Part

Levels = NDArray[Any]
Read = Callable[[Part], NDArray[np.uint8]]
"""Reads a part of a picture, uint8 [h, w, channels]."""

ReadImage = Callable[[Part], Image.Image]

_Indices = NDArray[np.intp]

STRIP_PIXELS = 500_000
"""Pixels that are worked on at a time."""

PASS_PIXELS = 4_000_000
"""Pixels between two passes, at most, of 4 bytes: where there are more, a window of them is at a
time, whose edges lie between pixels, so that levels differ by a thousandth, and whole ones by 1."""

TWICE_PIXELS = 10_000_000
"""Pixels of a picture that may be in memory twice, of 4 bytes."""


class Filter(NamedTuple):
    """Convolution with a kernel of Pillow's, which reaches `support` pixels to both sides, or as
    many of the resized picture where that is smaller; `whole` levels are rounded in each
    direction, and floats are not."""

    resample: Image.Resampling
    support: int
    whole: bool


DRAFT = "pillow-draft"
"""Name of Pillow's bilinear filter for a JPEG that is made smaller while it is decoded."""

_LINEAR, _CUBIC, _LANCZOS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
FILTERS = {
    "bilinear-antialias": Filter(_LINEAR, 1, whole=False),
    "bicubic-antialias": Filter(_CUBIC, 2, whole=False),
    "lanczos3-antialias": Filter(_LANCZOS, 3, whole=False),
    "pillow-bilinear": Filter(_LINEAR, 1, whole=True),
    "pillow-bicubic": Filter(_CUBIC, 2, whole=True),
    DRAFT: Filter(_LINEAR, 1, whole=True),
}
"""Filters by their names in a profile. TensorFlow's kernels with antialias are Pillow's."""


def is_pillows(resize: str) -> bool:
    """Says whether a filter is one of Pillow's on whole levels, by its name in a profile."""
    return resize == "nearest" or resize.startswith("pillow-")


def is_whole(resize: str, size: tuple[int, int], around: Part) -> bool:
    """Says whether a filter is one that `resized_image` has, and `around` all of a picture of a
    size, width and height, that is not resized in strips."""
    return (
        resize.startswith("pillow-")
        and around == (0, 0, *size)
        and size[0] * size[1] <= TWICE_PIXELS
    )


def resized_image(image: Image.Image, part: Part, size: tuple[int, int], resize: str) -> Levels:
    """Returns what `resized` does of a part of a whole picture of grey or of colours, which is
    `around` it, without a copy of its pixels."""
    if (image.height, image.width) == size and part == (0, 0, *image.size):
        return _array(image)
    return _array(image.resize((size[1], size[0]), FILTERS[resize].resample, part))


def resized(read: Read, part: Part, size: tuple[int, int], resize: str, around: Part) -> Levels:
    """Returns a part of a picture in a size, height and width, by the filter of that name, [h, w,
    channels]: uint8 by `nearest` and `pillow-`, else float32, and beyond 0..255 where the kernel
    overshoots. Pixels of `around` count at the part's edges."""
    height, width = part[3] - part[1], part[2] - part[0]
    if (height, width) == size and part == around and height * width <= STRIP_PIXELS:
        levels = read(part)
        return levels if is_pillows(resize) else levels.astype(np.float32)
    if resize == "bilinear":
        return _bilinear(read, part, size)
    if resize == "nearest":
        return _nearest(read, part, size)
    return _convolved(read, part, size, FILTERS[resize], around)


def _nearest(read: Read, part: Part, size: tuple[int, int]) -> Levels:
    left, top, right, bottom = part
    rows, columns = _nearest_places(top, bottom, size[0]), _nearest_places(left, right, size[1])
    needed, places = np.unique(rows, return_inverse=True)
    return np.concatenate([strip[:, columns - left] for strip in _rows(read, part, needed)])[places]


def _nearest_places(start: int, end: int, size: int) -> _Indices:
    """Returns the places that Pillow takes, found by Pillow itself: it adds steps up, so that a
    formula would differ where a place is just between two pixels."""
    ramp = Image.fromarray(np.arange(end, dtype=np.int32)[None])
    taken = ramp.resize((size, 1), Image.Resampling.NEAREST, (start, 0, end, 1))
    places: _Indices = np.asarray(taken)[0].astype(np.intp)
    return places


class _Between(NamedTuple):
    """Places of a resized row's pixels between two pixels of the original, and how far from the
    first to the second, each [n]."""

    first: _Indices
    second: _Indices
    share: NDArray[np.float32]


def _bilinear(read: Read, part: Part, size: tuple[int, int]) -> Levels:
    left, top, right, bottom = part
    height, width = size
    rows, columns = _between(bottom - top, height), _between(right - left, width)
    blocks = []
    step = max(1, STRIP_PIXELS // (4 * width))
    for begin in range(0, height, step):
        block = slice(begin, begin + step)
        first, second = rows.first[block], rows.second[block]
        needed, places = np.unique(np.concatenate([first, second]), return_inverse=True)
        strips = [_across(strip, columns) for strip in _rows(read, part, top + needed)]
        across = np.concatenate(strips)
        upper, lower = places[: len(first)], places[len(first) :]
        blocks.append(_mixed(across[upper], across[lower], rows.share[block, None, None]))
    return np.concatenate(blocks)


def _across(strip: NDArray[np.uint8], columns: _Between) -> Levels:
    first, second = (strip[:, places].astype(np.float32) for places in columns[:2])
    return _mixed(first, second, columns.share[:, None])


def _between(size: int, resized_size: int) -> _Between:
    """Returns where `tf.image.resize` looks, in its own arithmetic: centres of pixels are at
    halves (tensorflow/core/kernels/image/resize_bilinear_op.cc)."""
    half = np.float32(0.5)
    scale = np.float32(size) / np.float32(resized_size)
    places = (np.arange(resized_size, dtype=np.float32) + half) * scale - half
    floors = np.floor(places)
    first = floors.clip(0, size - 1).astype(np.intp)
    second = np.ceil(places).clip(0, size - 1).astype(np.intp)
    return _Between(first, second, places - floors)


def _mixed(first: Levels, second: Levels, share: NDArray[np.float32]) -> Levels:
    return first + (second - first) * share


def _rows(read: Read, part: Part, needed: _Indices) -> Iterator[NDArray[np.uint8]]:
    """Yields those rows of a part, each once and in order, as strips."""
    left, _, right, _ = part
    most = max(1, STRIP_PIXELS // (right - left))
    for run in np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1):
        for begin in range(0, len(run), most):
            strip = run[begin : begin + most]
            yield read((left, int(strip[0]), right, int(strip[-1]) + 1))


class _Window(NamedTuple):
    """Pixels of an original that the resized pixels from `begin` to `end` are made of: from
    `first` to `last`, and their own, without what the kernel reaches, from `low` to `high`."""

    begin: int
    end: int
    first: int
    last: int
    low: float
    high: float


def _windows(
    place: tuple[int, ...], size: int, bounds: tuple[int, ...], support: int, step: int
) -> Iterator[_Window]:
    start, stop = place
    scale = (stop - start) / size
    reach = support * max(scale, 1.0) + 1
    for begin in range(0, size, step):
        end = min(begin + step, size)
        low, high = start + begin * scale, min(start + end * scale, float(stop))
        first, last = max(bounds[0], int(low - reach)), min(bounds[1], int(high + reach) + 1)
        yield _Window(begin, end, first, last, low, high)


def _convolved(read: Read, part: Part, size: tuple[int, int], by: Filter, around: Part) -> Levels:
    if by.whole:
        made = _whole(lambda place: _image(read(place)), part, size, by, around)
        return _array(made.convert("RGBA") if made.mode == "RGBa" else made)

    def band(channel: int) -> ReadImage:
        return lambda place: Image.fromarray(read(place)[..., channel].astype(np.float32))

    left, top, _, _ = part
    channels = read((left, top, left + 1, top + 1)).shape[2]
    each = (_in_two_passes(band(channel), part, size, by, around) for channel in range(channels))
    return np.concatenate([_array(made) for made in each], axis=2)


def _whole(
    read: ReadImage, part: Part, size: tuple[int, int], by: Filter, around: Part
) -> Image.Image:
    """Resizes whole levels. It is left to Pillow which direction is first, as that changes levels
    and with its versions, except of a picture that is too large to have twice."""
    left, top, right, bottom = around
    if (right - left) * (bottom - top) > TWICE_PIXELS:
        return _in_two_passes(read, part, size, by, around)
    image = _joined(read, around, right - left, lambda strip: strip)
    place = part[0] - left, part[1] - top, part[2] - left, part[3] - top
    return image.resize((size[1], size[0]), by.resample, place)


def _in_two_passes(
    read: ReadImage, part: Part, size: tuple[int, int], by: Filter, around: Part
) -> Image.Image:
    """Resizes each row first, as they are read, then the columns."""
    height, width = size
    (across,) = _windows(part[::2], width, around[::2], by.support, width)
    rows = max(1, PASS_PIXELS // width - 2 * by.support)  # of the original, at a time
    step = max(1, int(min(1.0, rows / (part[3] - part[1])) * height))
    windows = _windows(part[1::2], height, around[1::2], by.support, step)
    blocks = [(_pass_down(read, across, down, by), down) for down in windows]
    made = Image.new(blocks[0][0].mode, (width, height))
    for block, down in blocks:
        made.paste(block, (0, down.begin))
    return made


def _pass_down(read: ReadImage, across: _Window, down: _Window, by: Filter) -> Image.Image:
    """Returns the resized rows of a window."""
    box = 0, down.low - down.first, across.end, down.high - down.first
    narrow = _narrowed(read, across, down, by)
    return narrow.resize((across.end, down.end - down.begin), by.resample, box)


def _narrowed(read: ReadImage, across: _Window, down: _Window, by: Filter) -> Image.Image:
    """Returns the rows of a window in their new width."""

    def resize(strip: Image.Image) -> Image.Image:
        box = across.low - across.first, 0, across.high - across.first, strip.height
        return strip.resize((across.end, strip.height), by.resample, box)

    place = across.first, down.first, across.last, down.last
    return _joined(read, place, across.end, resize)


def _joined(
    read: ReadImage, part: Part, width: int, made: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Returns what is made of each strip of a part, one below the other."""
    left, top, right, bottom = part
    rows = max(1, STRIP_PIXELS // (right - left))
    first = made(read((left, top, right, min(top + rows, bottom))))
    joined = Image.new(first.mode, (width, bottom - top))
    joined.paste(first)
    for start in range(top + rows, bottom, rows):
        joined.paste(made(read((left, start, right, min(start + rows, bottom)))), (0, start - top))
    return joined


def _image(levels: NDArray[np.uint8]) -> Image.Image:
    """Returns levels as an image. Pillow multiplies them by their opacity first, and so does
    this, as other pictures are resized in strips."""
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    return image.convert("RGBa") if image.mode == "RGBA" else image


def _array(image: Image.Image) -> Levels:
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)
