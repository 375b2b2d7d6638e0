"""PNG files of a prediction log: pixels as a model saw them, if they have its size."""

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

from vitrine_client.images.headers import read_header

_MODES = ("L", "RGB")
"""Pillow's modes of 8-bit grey and colours; the gateway writes no others."""


def read_pixels(content: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Returns the pixels of a picture of a shape, [h, w] or [h, w, 3].

    Raises `ValueError` where it is of another shape, which its header tells before a pixel is
    decoded, or no whole PNG of plain pixels.
    """
    header = read_header(content)
    if header is None or header.kind != "PNG" or not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("no plain PNG")
    size = header.height, header.width
    if size != shape[:2]:
        raise ValueError(f"{_shape(size)}, not {_shape(shape[:2])}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                pixels = np.asarray(image)
                mode = image.mode
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        raise ValueError("a damaged PNG") from error
    if mode not in _MODES or pixels.shape[:2] != size:
        raise ValueError("no plain PNG")
    if pixels.ndim != len(shape):
        kinds = {2: "grey", 3: "in colour"}
        raise ValueError(f"{kinds[pixels.ndim]}, not {kinds[len(shape)]}")
    return pixels


def _shape(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
