"""Pictures that tests make, and send as files."""

import io

import numpy as np
from PIL import Image

from vitrine_client.images.preprocessing import fit_picture
from vitrine_client.results.profiles.profile import ModelProfile

PAGE = Image.new("L", (60, 40), 200)
"""A picture of nothing."""


def encoded(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def on_a_page(item):
    """An item, uint8 [28, 28], dark on a light page, 320 by 240, mode L."""
    page = Image.new("L", (320, 240), 245)
    page.paste(
        Image.fromarray(255 - item).resize((180, 180)).point(lambda v: v * 245 // 255), (90, 20)
    )
    return page


def likeness(one, other):
    """Correlation of two instances."""
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def profile(shape=(20, 20, 3), **members):
    """A profile whose pictures are stretched, unless `members` say otherwise."""
    return ModelProfile(shape=shape, **({"fit": "stretch"} | members))


def noise(width=60, height=40, channels=3):
    """A picture of random pixels, the same each time."""
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def levels(picture, shape=(20, 20, 3), **members):
    """What a model of such a profile is shown."""
    return fit_picture(picture, profile(shape, **members)).instance
