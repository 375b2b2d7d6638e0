"""Made pictures of the foreign models: rows of Fashion-MNIST, and coloured ones of many sizes."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.images.rows import as_row
from vitrine_training.data.fashion_mnist import load

Array = NDArray[Any]

COUNT = 64
"""Pictures of each set: as many as are asked about at a time."""

SIZES = ((72, 90), (64, 96), (120, 80), (48, 36), (101, 101), (90, 150))
"""Heights and widths of those in colour. As their shorter sides become 48 pixels, the longer ones
are whole, and so is where the square in the middle begins."""


class Pictures(NamedTuple):
    """Set of pictures, uint8 [h, w] or [h, w, 3] each, and the class of each, by which a model is
    fitted."""

    name: str
    pixels: list[Array]
    classes: list[int]

    def write(self, folder: Path) -> None:
        """Writes them as PNG."""
        (folder / self.name).mkdir(parents=True)
        for index, pixels in enumerate(self.pixels):
            Image.fromarray(pixels).save(path_of(folder, self.name, index))


def path_of(folder: Path, name: str, index: int) -> Path:
    """Returns the file of a picture that `Pictures.write` has written."""
    return folder / name / f"{index:02}.png"


def rows() -> Pictures:
    """Returns rows of the test set, which the gateway takes as they are."""
    split = load().test
    pixels = [np.asarray(image, np.uint8) for image in split.images[: 4 * COUNT]]
    known = [index for index, each in enumerate(pixels) if as_row(each) is not None][:COUNT]
    return Pictures(
        "rows", [pixels[index] for index in known], [int(split.labels[index]) for index in known]
    )


def photos() -> Pictures:
    """Returns pictures in colour: broad patches, a bright rectangle and fine grain, so that each
    filter makes something else of them."""
    found = []
    for seed in range(COUNT):
        random = np.random.default_rng(seed)
        height, width = SIZES[seed % len(SIZES)]
        coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), np.uint8))
        broad = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        top, left = random.integers(0, height // 2), random.integers(0, width // 2)
        broad[top : top + height // 3, left : left + width // 3] = random.integers(0, 256, 3)
        grain = random.normal(0, 25, (height, width, 1))
        found.append(np.rint(broad + grain).clip(0, 255).astype(np.uint8))
    return Pictures("photos", found, list(range(COUNT)))
