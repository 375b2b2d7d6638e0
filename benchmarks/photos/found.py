"""Pictures drawn and items found, in several processes without TensorFlow.

A picture is drawn once and looked at once, whatever the number of models that are asked later.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage
from vitrine_client.images import SIDE, find_item
from vitrine_training.photos import KINDS, Kind

Pixels = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

PICTURES_AT_A_TIME = 50
"""Drawn by a process before it takes the next kind, so that none waits for another at the end."""

OTHERS = 40
"""Images beside those that are drawn, for kinds with several items."""


@dataclass(frozen=True)
class Found:
    """What became of the pictures of a kind, in the order of their images.

    `instances` is uint8 [n, 28, 28]; the rest, bool [n], says of which pictures the item was not
    found, which could not be read at all, and which were answered with a warning.
    """

    instances: Pixels
    empty: Flags
    refused: Flags
    warned: Flags

    @property
    def seen(self) -> Flags:
        """The pictures whose item was found."""
        return ~(self.empty | self.refused)


Task = tuple[str, bool, int]
"""The name of a kind, whether items are mirrored before they are drawn, the first image."""


def draw_and_find_all(
    tasks: Sequence[Task],
    images: Pixels,
    others: Pixels,
    processes: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[tuple[str, bool], Found]:
    """Draws parts of `images`, uint8 [n, 28, 28], and finds the items again.

    Returns what became of them by the kind's name and whether the items were mirrored; `advance` is
    called after each part.
    """
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = [
            pool.submit(draw_and_find, task, images[task[2] :][:PICTURES_AT_A_TIME], others)
            for task in tasks
        ]
        for future in as_completed(futures):
            future.result()  # so that an error is raised at once
            advance()
    several: dict[tuple[str, bool], list[Found]] = {}
    for (name, mirrored, _), future in zip(tasks, futures, strict=True):
        several.setdefault((name, mirrored), []).append(future.result())
    return {key: _joined(found) for key, found in several.items()}


def parts(kinds: Sequence[str], images: int, *, mirrored: bool) -> list[Task]:
    """Returns what there is to do, a part of a kind at a time."""
    return [
        (name, is_mirrored, first)
        for name in kinds
        for is_mirrored in ((False, True) if mirrored else (False,))
        for first in range(0, images, PICTURES_AT_A_TIME)
    ]


def draw_and_find(
    task: Task, images: Pixels, others: Pixels, kinds: Mapping[str, Kind] = KINDS
) -> Found:
    """Draws some images in one of the kinds, and finds the item in each picture."""
    name, mirrored, first = task
    kind = kinds[name]
    count = len(images)
    instances = np.zeros((count, SIDE, SIDE), np.uint8)
    empty, refused, warned = (np.zeros(count, bool) for _ in range(3))
    for number, image in enumerate(images):
        subject = image[:, ::-1] if mirrored else image
        picture = kind.draw(subject, kind.generator(first + number), others)
        try:
            item = find_item(picture)
        except InvalidImage:
            refused[number] = True
            continue
        instances[number], empty[number] = item.instance, item.empty
        warned[number] = bool(item.warnings) and not item.empty
    return Found(instances, empty, refused, warned)


def _joined(several: Sequence[Found]) -> Found:
    return Found(
        *(
            np.concatenate([getattr(one, field) for one in several])
            for field in ("instances", "empty", "refused", "warned")
        )
    )
