"""Pictures as the peers read them: without TensorFlow, in environments without anything of ours."""

import io
import os
from typing import Any

import numpy as np
from PIL import Image

MAX_BATCH_SIZE = 256
"""Most requests that go through the model at once, as in the gateway."""


def pixels(image: Image.Image) -> Any:
    """Returns uint8 [28, 28] of an image of that size."""
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def decode(picture: bytes) -> Any:
    """Returns uint8 [28, 28] of a PNG of that size."""
    return pixels(Image.open(io.BytesIO(picture), formats=("PNG",)))


if os.environ.get("PEER_DECODER") == "pyspng":
    import pyspng

    _by_pillow = decode

    def decode(picture: bytes) -> Any:
        """Returns uint8 [28, 28] of a PNG of that size; colours are for Pillow."""
        image = pyspng.load(picture)
        return image if image.ndim == 2 else _by_pillow(picture)


def decode_all(pictures: list[bytes]) -> Any:
    """Returns uint8 [n, 28, 28] of PNGs of that size."""
    return np.stack([decode(picture) for picture in pictures])
