"""Pictures that tests make, and send as files."""

import io

import numpy as np
from PIL import Image

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
