"""Pictures as encoded files."""

import io

import numpy as np
from PIL import Image

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Floats

QUALITIES = 75, 95
"""Of ordinary JPEG files."""


def jpeg(photo: Floats, quality: int = 85) -> bytes:
    """[h, w, 3] in about 0..255 as a JPEG file, of ordinary quality unless told otherwise."""
    return encode(to_image(photo), "JPEG", quality=quality)


def png(photo: Floats) -> bytes:
    """[h, w, channels] in about 0..255 as a PNG file."""
    return encode(to_image(photo), "PNG", compress_level=1)


def file(photo: Floats, rng: np.random.Generator) -> bytes:
    """[h, w, 3] in about 0..255 as most pictures are kept: JPEG, or sometimes PNG."""
    if rng.random() < 0.2:
        return png(photo)
    return jpeg(photo, int(rng.integers(QUALITIES[0], QUALITIES[1], endpoint=True)))


def to_image(photo: Floats) -> Image.Image:
    """[h, w, channels] in about 0..255 as an image."""
    return Image.fromarray(to_bytes(photo))


def to_bytes(photo: Floats) -> Pixels:
    """Rounds to 0..255, in `photo` itself."""
    np.rint(photo, out=photo)
    return np.clip(photo, 0, 255, out=photo).astype(np.uint8)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The bytes of the file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
