"""Photos for the benchmark of skew: files in a folder for each class, as data sets are kept."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitrine_training.data.fashion_mnist import Split
from vitrine_training.photos import KINDS

GROUPS = ("surfaces", "light", "cameras")
"""Groups of photos in colour, of some hundred pixels a side: JPEG and PNG, as TensorFlow reads."""

_AT_A_TIME = 50


class Part(NamedTuple):
    """Images that a process draws: the first one's number, the items, and their classes."""

    first: int
    items: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.integer]


def draw(split: Split, count: int, folder: Path, processes: int) -> Path:
    """Draws a photo of each of the first `count` images, of another kind each, as
    `<folder>/<class>/<number>`; returns the folder. One that is there is left as it is."""
    if folder.is_dir():
        return folder
    for class_id in range(10):
        (folder / str(class_id)).mkdir(parents=True)
    parts = (
        Part(first, split.images[first:count][:_AT_A_TIME], split.labels[first:count][:_AT_A_TIME])
        for first in range(0, count, _AT_A_TIME)
    )
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for drawn in pool.map(_drawn, parts):
            for name, content in drawn:
                (folder / name).write_bytes(content)
    return folder


def _drawn(part: Part) -> list[tuple[str, bytes]]:
    return list(_each(part))


def _each(part: Part) -> Iterator[tuple[str, bytes]]:
    kinds = [kind for kind in KINDS.values() if kind.group in GROUPS]
    for number, item in enumerate(part.items, part.first):
        kind = kinds[number % len(kinds)]
        content = kind.draw(item, kind.generator(number))
        suffix = "png" if content.startswith(b"\x89PNG") else "jpg"
        yield f"{part.labels[number - part.first]}/{number:05}.{suffix}", content
