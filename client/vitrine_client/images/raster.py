"""Rasters: decoded pictures, upright and opaque, read at whatever reduction is wanted.

A raster keeps Pillow's pixels as they were decoded. Tone and colour of a part of them are worked
out when they are asked for, so a photo of 12 megapixels costs little more than its decoding.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from vitrine_client.errors import InvalidImage
from vitrine_client.images.depths import low_bytes, raw_mode, scaled
from vitrine_client.images.files import check_frame, open_file
from vitrine_client.images.headers import read_header

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""A rectangle, x, y, width and height, in pixels of the upright picture (after EXIF)."""

Part = tuple[int, int, int, int]
"""Left, top, right and bottom in decoded pixels, the last two exclusive."""

_DRAFT_SIDE = 400
"""A JPEG is decoded no smaller than that, so that an item of a tenth of its side has 40 pixels."""

_WHOLE_PIXELS = {
    "JPEG": 24_500_000,
    "progressive JPEG": 12_200_000,
    "progressive CMYK JPEG": 10_000_000,
}
"""Most pixels of a JPEG in colours that is decoded in its own size, at 4 bytes each beside its
coefficients; a larger one is in half of it. Each other picture is in its own."""

_LEAST_WHOLE = min(_WHOLE_PIXELS.values())

_FRAMES = 32
"""Frames of an animation that are looked at, at most, and only as many as `max_pixels` allow."""

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
_INDEXED = frozenset(("1", "P", "PA"))
_LYING = frozenset((5, 6, 7, 8))

_COLOUR_WEIGHT = 1.4
"""Differences of colour count so much beside those of tone."""

_CLEAR = 0.02
"""Share of a picture that is transparent round a cut-out, at least."""

_WHITE = 200.0
_MUCH_WHITE = 0.4
"""Level, and share of a cut-out, that would be lost on white."""

_GREY = 6.0
"""Range of a colour difference, in levels, up to which a picture is grey."""

_LEAST_RANGE = np.float32(0.01)
"""Levels between the darkest and the brightest of deep pixels, at least, or there is nothing."""

_TRANSLUCENT = 25.0
"""Greatest usual opacity, of 255, around a cut-out; a more opaque surrounding is a ground."""


class Raster:
    """A decoded picture; `size` is width and height of the upright original, in pixels, `decoded`
    those after decoding: a large JPEG is made smaller on the way."""

    def __init__(self, image: Image.Image, size: tuple[int, int], orientation: int) -> None:
        self._image = image
        self._orientation = orientation
        lying = orientation in _LYING
        self.size = (size[1], size[0]) if lying else size
        width, height = image.size
        self.decoded = (height, width) if lying else (width, height)

    @property
    def scale(self) -> float:
        """Pixels of the original for one that was decoded."""
        return max(self.size) / max(self.decoded)

    def grey(self) -> NDArray[np.uint8]:
        """Returns all of it, as it was decoded, uint8 [h, w]."""
        image = self._image
        if image.mode != "L" or image.has_transparency_data or self._orientation != 1:
            image = self._upright(self._plain(image))
        if image.mode == "F":
            whole: NDArray[np.uint8] = np.rint(np.asarray(image).clip(0, 255)).astype(np.uint8)
            return whole
        grey = image if image.mode == "L" else image.convert("L")
        return np.frombuffer(grey.tobytes(), np.uint8).reshape(grey.height, grey.width)

    def values(self, factor: int, part: Part | None = None, channels: int | None = None) -> Floats:
        """Returns the picture, or a `part` of it, reduced `factor` times, float32 [channels, h, w].

        The first channel is tone, 0..255; two more are blue and red difference (ITU-R BT.601)
        times `_COLOUR_WEIGHT`: where there are colours, if `channels` is not given.
        """
        image = self._coloured
        stored = None if part is None else self._stored(part)
        if factor > 1:
            image = image.reduce(factor, stored)  # which makes no copy of the part
        elif stored:
            image = image.crop(stored)
        image = self._upright(self._plain(image))
        if image.mode == "F":
            least, most = self._range
            levels: Floats = np.asarray(image)[None] - least
            return levels * np.float32(255 / (most - least))
        if channels == 1 or image.mode == "L":
            return np.asarray(image.convert("L"), np.float32)[None]
        bands = image.convert("YCbCr").split()
        pixels = np.empty((len(bands), image.height, image.width), np.float32)
        for channel, band in zip(pixels, bands, strict=True):
            channel[:] = np.asarray(band)
        if channels is None and not _colourful(pixels[1:]):
            return pixels[:1]
        pixels[1:] *= _COLOUR_WEIGHT
        return pixels

    def levels(self, part: Part, mode: str) -> NDArray[np.uint8]:
        """Returns a part of the picture as it was decoded, uint8 [h, w, channels] of `mode`, which
        is L, RGB or RGBA; what is transparent is seen before its backdrop in the first two."""
        image = self._image.crop(self._stored(part))
        if image.mode == "F":
            image = Image.fromarray(np.rint(np.asarray(image).clip(0, 255)).astype(np.uint8))
        elif mode != "RGBA":
            image = self._plain(image)
        image = image if image.mode == mode else image.convert(mode)
        pixels = np.asarray(self._upright(image))
        return pixels.reshape(*pixels.shape[:2], -1)

    def image(self, mode: str) -> Image.Image | None:
        """Returns all of the picture as it was decoded, in `mode`, of the levels that `levels` has;
        None where those are not simply the decoded ones."""
        image = self._image
        if image.mode not in ("L", "RGB") or mode not in ("L", "RGB"):
            return None
        if image.has_transparency_data:
            return None
        return self._upright(image if image.mode == mode else image.convert(mode))

    def _upright(self, image: Image.Image) -> Image.Image:
        turn = _UPRIGHT.get(self._orientation)
        return image if turn is None else image.transpose(turn)

    def _stored(self, part: Part) -> Part:
        """Returns where a part of the upright picture lies in the stored one."""
        width, height = self.decoded
        left, top, right, bottom = part
        match self._orientation:
            case 2:
                return width - right, top, width - left, bottom
            case 3:
                return width - right, height - bottom, width - left, height - top
            case 4:
                return left, height - bottom, right, height - top
            case 5:
                return top, left, bottom, right
            case 6:
                return top, width - right, bottom, width - left
            case 7:
                return height - bottom, width - right, height - top, width - left
            case 8:
                return height - bottom, left, height - top, right
        return part

    def _plain(self, image: Image.Image) -> Image.Image:
        """Returns grey, RGB or YCbCr pixels without transparency."""
        if image.mode in ("L", "F", "RGB", "YCbCr") and not image.has_transparency_data:
            return image
        if not image.has_transparency_data:
            return image.convert("L" if image.mode == "1" else "RGB")
        pixels = np.asarray(image.convert("RGBA"))
        alpha = pixels[..., 3:] / np.float32(255)
        opaque = pixels[..., :3] * alpha + np.float32(self._backdrop) * (1 - alpha)
        return Image.fromarray(np.rint(opaque).astype(np.uint8))

    def backdrop(self, channels: int) -> Floats | None:
        """Returns the ground behind a cut-out, as `values` has it, float32 [channels]; None where
        nothing is transparent."""
        if not self._image.has_transparency_data or self._opaque.mean() > 1 - _CLEAR:
            return None
        if np.median(self._thumbnail[..., 3][~self._opaque]) > _TRANSLUCENT:
            return None
        neutral = 128 * _COLOUR_WEIGHT
        return np.array([self._backdrop, neutral, neutral][:channels], np.float32)

    @cached_property
    def _coloured(self) -> Image.Image:
        """All of it, in colours that can be averaged, as indices cannot."""
        image = self._image
        if image.mode not in _INDEXED:
            return image
        if image.has_transparency_data:
            return image.convert("RGBA")
        return image.convert("L" if image.mode == "1" else "RGB")

    @cached_property
    def _thumbnail(self) -> Floats:
        """All of it with its opacity, [h, w, 4], about 128 pixels large."""
        factor = max(1, max(self.decoded) // 128)
        return np.asarray(self._coloured.reduce(factor).convert("RGBA")).astype(np.float32)

    @cached_property
    def _opaque(self) -> NDArray[np.bool_]:
        return self._thumbnail[..., 3] > 127

    @cached_property
    def _backdrop(self) -> int:
        """Level behind a cut-out: white, as Fashion-MNIST's authors had it, or black where much of
        it is white."""
        tones = self._thumbnail[..., :3].mean(axis=-1)[self._opaque]
        white = np.count_nonzero(tones > _WHITE)
        return 0 if tones.size and white > _MUCH_WHITE * tones.size else 255

    @cached_property
    def _range(self) -> tuple[np.float32, np.float32]:
        """Least and greatest level of deep pixels, in which contrast counts and not the range
        of the type; of averages, as a camera has single pixels that are always white."""
        levels = np.asarray(self._image.reduce(max(1, max(self.decoded) // 128)))
        least, most = levels.min(), levels.max()
        return least, max(most, least + _LEAST_RANGE)


def _colourful(chroma: Floats) -> bool:
    """Returns whether one picture has colours that differ by more than a JPEG's mistakes."""
    few = chroma[:, ::3, ::3].reshape(2, -1)
    last = few.shape[1] // 100
    ranked = np.partition(few, (last, few.shape[1] - 1 - last), axis=1)
    return bool((ranked[:, -1 - last] - ranked[:, last]).max() > _GREY)


def decoded(content: bytes, max_pixels: int) -> Raster:
    """Decodes a file, of an animation the first frame.

    Raises `InvalidImage` where the file cannot be read, or has more than `max_pixels` pixels, which
    is known before they are decoded.
    """
    image = open_file(content, max_pixels)
    size = image.size
    if isinstance(image, JpegImageFile) and max(size) >= 2 * _DRAFT_SIDE:
        factor = max(size) // _DRAFT_SIDE
        image.draft("YCbCr" if image.mode == "RGB" else "L", (size[0] // factor, size[1] // factor))
    return _decoded(image, size, content)


def decoded_whole(
    content: bytes, max_pixels: int, *, grey: bool = False, least: int | None = None
) -> Raster:
    """Decodes a file as `decoded` does, in its own size: no pixel is an average of others, as
    where a JPEG is made smaller on the way. But one of more than `_WHOLE_PIXELS` is in half of it,
    and with `least` a JPEG is in an eighth, a quarter or half, as long as its shortest side keeps
    so many pixels. With `grey`, of a JPEG in colours only its tone is decoded."""
    image = open_file(content, max_pixels)
    size = image.size
    if isinstance(image, JpegImageFile):
        tone = grey and image.mode == "RGB"
        pixels = size[0] * size[1]
        factor = 1
        if pixels > _LEAST_WHOLE and pixels > _whole_pixels(image, content, tone=tone):
            factor = 2
        if least is not None:
            factor = max(factor, min(8, min(size) // least))
        image.draft("L" if tone else image.mode, (size[0] // factor, size[1] // factor))
    return _decoded(image, size, content)


def _whole_pixels(image: JpegImageFile, content: bytes, *, tone: bool) -> int:
    header = read_header(content)
    kind = "JPEG" if header is None else header.kind
    if kind == "JPEG" and image.info.get("progressive"):
        kind = "progressive JPEG"
    return 4 * _WHOLE_PIXELS[kind] if tone and kind == "JPEG" else _WHOLE_PIXELS[kind]


def later_frames(content: bytes, max_pixels: int) -> Iterator[Raster]:
    """Decodes the frames of an animation after the first, as they are asked for, until one is
    damaged, as the first was well, or all together have more than `max_pixels` pixels."""
    image = open_file(content, max_pixels)
    left = max_pixels - image.width * image.height
    for frame in range(1, _FRAMES):
        try:
            image.seek(frame)
            check_frame(image, left)  # each has a size of its own
            left -= image.width * image.height
            raster = _decoded(image, image.size, content)
        except Exception:
            return
        yield raster


def _decoded(image: ImageFile, size: tuple[int, int], content: bytes) -> Raster:
    raw, frame = raw_mode(image), image.tell()
    raster = raster_of(image, size)
    try:
        deep = low_bytes(image, raw, content, frame) if raw else None
    except Exception:  # its high bytes were well
        deep = None
    return raster if deep is None else raster_of(deep, size)


def raster_of(image: Image.Image, size: tuple[int, int] | None = None) -> Raster:
    """Decodes a picture; `size` is that before it was made smaller. Raises
    `InvalidImage`."""
    try:
        image.load()
        if image.mode == "La":  # which Pillow converts to nothing else
            image = image.convert("LA")
        deep = image.mode.startswith(("I", "F"))  # 16 bits, 32 bits, float
        return Raster(scaled(image) if deep else image, size or image.size, _orientation(image))
    except InvalidImage:
        raise
    except Exception as error:  # Pillow's decoders raise nearly everything
        raise InvalidImage(
            f"The picture is damaged or truncated ({error}); save it again"
        ) from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF is often damaged, where the pixels are well
        return 1
