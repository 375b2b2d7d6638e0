"""Preprocessing by a model's profile: any picture, as the input of any image classifier.

First a picture becomes levels of 0..255, in the model's size and channels: `fit_picture`. These
are what drift is measured by and what people are shown (`shown`). Then they become numbers as the
model was trained with: `model_input`. docs/preprocessing.md has what was measured.
"""

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.images import MAX_PIXELS, Picture, find_item, from_array
from vitrine_client.images.files import check_size
from vitrine_client.images.finding.item import Item, checked_box
from vitrine_client.images.given import read
from vitrine_client.images.raster import Box, Part, Raster, decoded_whole, raster_of
from vitrine_client.images.resizing import (
    DRAFT,
    Levels,
    is_pillows,
    is_whole,
    resized,
    resized_image,
)
from vitrine_client.results.profiles.profile import FASHION_MNIST, MOST_NUMBERS, ModelProfile

FREE_MOST, FREE_LEAST = 512, 32
"""Pixels of a picture's longest side, at most, and of its shortest one, at least, where the model
leaves its size free: a larger picture is made smaller, as memory and time go with its pixels, and a
smaller one larger, as networks halve it some five times."""

STILL_MOST = 1024
"""Pixels of the longest side, at most, of a picture that the model decodes itself."""

_STILL_RESIZE = "bilinear-antialias"

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}

_NEGATIVE = np.array([255, 255, 255, 0], np.uint8)
"""Bits that change in a negative, by channel; opacity stays."""


def fit_picture(
    picture: Picture,
    profile: ModelProfile,
    *,
    max_pixels: int = MAX_PIXELS,
    box: Sequence[float] | None = None,
) -> Item:
    """Returns the levels of a picture, or of its `box`, as a model takes them: uint8 or float32
    [h, w], or [h, w, channels] where the model has an axis for them. Levels that a kernel
    overshoots by are kept, as in training; `shown` has none.

    The item's box is the part of the upright picture that the model sees. It is None, and the
    picture empty, only where the model is one for items, which `find_item` finds. Of an animation
    the first frame counts. Raises what `find_item` does.
    """
    if profile.fit == "item" and profile.dtype != "string":
        return _item(picture, profile, max_pixels, box)
    raster = _raster(picture, profile, max_pixels, _least_side(profile) if box is None else None)
    chosen = (0, 0, *raster.size) if box is None else checked_box(box, raster.size)
    size = target_size(profile, chosen[2:])
    seen = _cropped(chosen, size) if profile.fit == "crop" else chosen
    levels = _resized(raster, seen, size, profile, chosen)
    if profile.dtype == "string":
        levels = shown(levels)
    return Item(levels if len(profile.shape) == 3 else levels[..., 0], seen)


def model_input(levels: Levels, profile: ModelProfile) -> Levels:
    """Returns levels, [n, ...], as the model's input of the profile's dtype, scaled: whole numbers
    are cut, as `tf.cast` and Keras do it. Of a model that decodes pictures itself, an array of n
    PNG files, still and plain."""
    if profile.dtype == "string":
        return np.array([plain_png(each) for each in shown(levels)], object)
    if not profile.dtype.startswith("float"):
        return levels.clip(0, 255).astype(profile.dtype)
    numbers = levels.astype(np.float64 if profile.dtype == "float64" else np.float32)
    return _scaled(numbers, profile).astype(profile.dtype, copy=False)


def shown(levels: Levels) -> NDArray[np.uint8]:
    """Returns levels as pixels that can be looked at, uint8 of the same shape."""
    if levels.dtype == np.uint8:
        return levels
    pixels: NDArray[np.uint8] = np.rint(levels.clip(0, 255)).astype(np.uint8)
    return pixels


def plain_png(pixels: NDArray[np.uint8]) -> bytes:
    """Returns pixels, [h, w] or [h, w, channels], as a plain still picture: decoders of models were
    seen to die on others."""
    file = io.BytesIO()
    grey = pixels.ndim == 3 and pixels.shape[2] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def target_size(profile: ModelProfile, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the height and width that a picture of a size, width and height, gets. Where one of
    them is free it follows from the picture's proportions, where both are, from its size."""
    width, height = size
    if profile.height and profile.width:
        return profile.height, profile.width
    if profile.dtype == "string":
        factor = min(1.0, STILL_MOST / max(size))
        return max(1, round(height * factor)), max(1, round(width * factor))
    if profile.height:
        factor = profile.height / height
    elif profile.width:
        factor = profile.width / width
    else:
        factor = min(max(1.0, FREE_LEAST / min(size)), FREE_MOST / max(size))
    most = _most_free(profile)
    high, wide = (min(max(round(side * factor), FREE_LEAST), most) for side in (height, width))
    return profile.height or high, profile.width or wide


def most_numbers(profile: ModelProfile) -> int:
    """Returns how many numbers a picture of any size becomes, at most."""
    if profile.dtype == "string" and not (profile.height and profile.width):
        return STILL_MOST**2 * profile.channels
    free = _most_free(profile)
    return (profile.height or free) * (profile.width or free) * profile.channels


def _most_free(profile: ModelProfile) -> int:
    """Returns the most pixels of a side that is free: beside a long one there are fewer."""
    fixed = profile.height or profile.width
    if not fixed:
        return FREE_MOST
    return min(max(FREE_MOST, fixed), MOST_NUMBERS // (fixed * profile.channels))


def _item(
    picture: Picture, profile: ModelProfile, max_pixels: int, box: Sequence[float] | None
) -> Item:
    item = find_item(picture, max_pixels=max_pixels, box=box)
    if profile is FASHION_MNIST:
        return item
    levels = 255 - item.instance if profile.polarity == "negative" else item.instance
    return item._replace(instance=levels.reshape(*levels.shape, *profile.shape[2:]))


def _least_side(profile: ModelProfile) -> int | None:
    """Returns how many pixels the shortest side of a decoded JPEG has at least, None where it is
    decoded in its own size: it is still made twice smaller by the filter itself."""
    if profile.resize != DRAFT or not (profile.height and profile.width):
        return None
    return 2 * max(profile.height, profile.width)


def _raster(picture: Picture, profile: ModelProfile, max_pixels: int, least: int | None) -> Raster:
    """Decodes a picture. Grey levels of a JPEG are its tone, as in TensorFlow, except for filters
    of Pillow's, for which they are made of its colours, as Pillow and so Keras' `load_img` do."""
    given = read(picture)
    if isinstance(given, bytes):
        tone = profile.channels == 1 and not is_pillows(profile.resize)
        return decoded_whole(given, max_pixels, grey=tone, least=least)
    if isinstance(given, np.ndarray):
        return raster_of(from_array(given, max_pixels))
    check_size(given.size, max_pixels)
    return raster_of(given)


def _cropped(whole: Box, size: tuple[int, int]) -> Box:
    """Returns the largest centred part of the proportions of a size, height and width, as
    `keras.utils.image.smart_resize` has it, by which `crop_to_aspect_ratio` is done."""
    x, y, width, height = whole
    wide = max(1, min(width, height * size[1] // size[0]))
    high = max(1, min(height, width * size[0] // size[1]))
    return x + (width - wide) // 2, y + (height - high) // 2, wide, high


def _resized(
    raster: Raster, seen: Box, size: tuple[int, int], profile: ModelProfile, chosen: Box
) -> Levels:
    mode = _MODES[profile.channels]
    negative = _NEGATIVE[: profile.channels] if profile.polarity == "negative" else None

    def read_part(part: Part) -> NDArray[np.uint8]:
        levels = raster.levels(part, mode)
        return levels if negative is None else levels ^ negative

    name = profile.resize
    if profile.dtype == "string" and not (profile.height and profile.width):
        name = _STILL_RESIZE
    part = _decoded_part(raster, seen)
    around = _decoded_part(raster, chosen) if is_pillows(name) and chosen != seen else part

    def resized_part(size: tuple[int, int]) -> Levels:
        if negative is None and is_whole(name, raster.decoded, around):
            image = raster.image(mode)
            if image is not None:
                return resized_image(image, part, size, name)
        return resized(read_part, part, size, name, around)

    if profile.fit != "pad":
        return resized_part(size)
    (high, wide), (top, left) = _padded(seen[2:], size)
    if (high, wide) == size:
        return resized_part(size)
    inner = resized_part((high, wide))
    levels = np.zeros((*size, inner.shape[2]), inner.dtype)
    levels[top : top + high, left : left + wide] = inner
    return levels


def _decoded_part(raster: Raster, box: Box) -> Part:
    """Returns where a box of the original lies in decoded pixels, of which there may be fewer."""
    x, y, width, height = box
    across, down = (few / many for few, many in zip(raster.decoded, raster.size, strict=True))
    left = min(int(x * across), raster.decoded[0] - 1)
    top = min(int(y * down), raster.decoded[1] - 1)
    right = min(max(round((x + width) * across), left + 1), raster.decoded[0])
    bottom = min(max(round((y + height) * down), top + 1), raster.decoded[1])
    return left, top, right, bottom


@lru_cache
def _padded(
    seen: tuple[int, ...], size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the height and width that a picture, `seen` wide and high, has between black bars,
    and where it begins, in the arithmetic of `tf.image.resize_with_pad`."""
    whole = np.array(seen[::-1], np.float32)
    target = np.array(size, np.float32)
    inner = whole / (whole / target).max()
    high, wide = np.floor(inner).astype(int).clip(1)
    top, left = np.floor((target - inner) / 2).astype(int).clip(0)
    return (int(high), int(wide)), (int(top), int(left))


def _scaled(numbers: Levels, profile: ModelProfile) -> Levels:
    match profile.scaling:
        case "0..1":
            return numbers / 255  # and not `* (1 / 255)`, which is another float for half of all
        case "-1..1":
            return numbers / 127.5 - 1
        case "mean/std":
            mean, std = (np.array(each, numbers.dtype) for each in (profile.mean, profile.std))
            scaled: Levels = (numbers / 255 - mean) / std
            return scaled
    return numbers
