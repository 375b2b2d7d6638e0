"""Robustness: accuracy on items that are mirrored, moved, turned, or in pictures hard to read.

A `Sample` is drawn once and put to any number of models, so that their figures can be compared. It
has the first test rows in four views, and hard pictures of test items, as `vitrine_client.images`
finds the items in them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vitrine_client.images import find_item
from vitrine_training.data.fashion_mnist import FACING_LEFT, Split
from vitrine_training.data.idx import Pixels
from vitrine_training.photos import KINDS, STRANGERS, Kind

ROWS = 2_000
"""Test rows that are mirrored, moved and turned."""

PICTURES = 5
"""Hard pictures of each kind."""

MOVED_PX = 2
"""How far, in each of eight directions in turn; pixels from outside are black."""

TURNED_DEGREES = 15
"""The largest angle; each item has its own, either way."""

LARGEST_PICTURE_PX = 30_000_000
"""More than any kind has."""

ONE_WAY_SHARE = 0.5
"""A class of whose mirrored items less than this share of the others are right is known one way
round only."""

EXAMPLE_KINDS = ("dust", "wood")
"""Hard pictures that reports show."""

Integers = npt.NDArray[np.integer]
Classifier = Callable[[Pixels], Integers]
"""Class ids [n] for images, uint8 [n, 28, 28]."""


@dataclass(frozen=True)
class HardPicture:
    """Hard picture of a test item: its kind, and the item found in it.

    `instance`, uint8 [28, 28], is black where nothing was found; then every answer is wrong.
    """

    kind: Kind
    instance: Pixels
    class_id: int
    found: bool


@dataclass(frozen=True)
class Example:
    """Example image: a test item after the change, uint8 [28, 28], and its class id."""

    name: str
    image: Pixels
    class_id: int


@dataclass(frozen=True)
class Sample:
    """Images that every model of a run is asked about.

    `views` are uint8 [n, 28, 28] each, of items whose class ids are `class_ids`, [n].
    """

    views: Mapping[str, Pixels]
    class_ids: Integers
    hard: Sequence[HardPicture]


def draw(test: Split, pictures: int = PICTURES) -> Sample:
    """Returns the sample that follows from `test`, with so many hard pictures of each kind."""
    images, class_ids = test.images[:ROWS], test.labels[:ROWS]
    views = {name: view(images) for name, view in VIEWS.items()}
    jobs = [(kind, number) for number in range(pictures) for kind in KINDS.values()]
    rows = [place % len(test) for place in range(len(jobs))]
    # Drawing and reading is Pillow's and NumPy's work, most of it without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        hard = list(threads.map(lambda job, row: hard_picture(test, row, *job), jobs, rows))
    return Sample(views, class_ids, hard)


def hard_picture(test: Split, row: int, kind: Kind, number: int) -> HardPicture:
    """Draws a picture of a test item, with the next ones beside it, and finds the item in it."""
    others = test.images[np.arange(row + 1, row + 4) % len(test)]
    picture = kind.draw(test.images[row], kind.generator(number), others)
    item = find_item(picture, max_pixels=LARGEST_PICTURE_PX)
    return HardPicture(kind, item.instance, int(test.labels[row]), found=not item.empty)


def examples(test: Split, rows: Sequence[int]) -> list[Example]:
    """Returns each view of some test items, and the hard pictures of EXAMPLE_KINDS of them."""
    images = test.images[np.array(rows)]
    views = {name: view(images) for name, view in VIEWS.items()}
    found = []
    for place, row in enumerate(rows):
        class_id = int(test.labels[row])
        found += [Example(name, view[place], class_id) for name, view in views.items()]
        for kind in EXAMPLE_KINDS:
            picture = hard_picture(test, row, KINDS[kind], row)
            found.append(Example(kind.replace("-", " "), picture.instance, class_id))
    return found


def mirrored(images: Pixels) -> Pixels:
    """Returns the mirror images."""
    return images[:, :, ::-1]


def moved(images: Pixels) -> Pixels:
    """Moves each image by MOVED_PX up, down, sideways or along a diagonal."""
    directions = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    height, width = images.shape[1:]
    padded = np.pad(images, [(0, 0), (MOVED_PX, MOVED_PX), (MOVED_PX, MOVED_PX)])
    found = np.empty_like(images)
    for number, direction in enumerate(directions):
        top, left = ((1 + one) * MOVED_PX for one in direction)
        own = slice(number, None, len(directions))
        found[own] = padded[own, top : top + height, left : left + width]
    return found


def turned(images: Pixels) -> Pixels:
    """Turns each image around its centre by its own angle of up to TURNED_DEGREES."""
    angles = np.random.default_rng(0).uniform(-TURNED_DEGREES, TURNED_DEGREES, len(images))
    turned = [
        np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))
        for image, angle in zip(images, angles, strict=True)
    ]
    return np.stack(turned)


VIEWS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "plain": lambda images: images,
    "mirrored": mirrored,
    "moved": moved,
    "turned": turned,
}
"""Ways to look at test rows, uint8 [n, 28, 28], by their names in a card."""


def measure(sample: Sample, classify: Classifier, labels: Sequence[str]) -> dict[str, Any]:
    """Returns the card's member `robustness`: plain JSON, with shares of right answers.

    `hard` is over the kinds that leave the item visible, but those of STRANGERS, `by_kind` over
    each group of kinds; both are absent where the sample has no hard pictures. `limits` has
    the meaning of the figures in words.
    """
    right = {name: classify(view) == sample.class_ids for name, view in sample.views.items()}
    found = {name: round(float(np.mean(one)), 4) for name, one in right.items()}
    one_way = _known_one_way(right, sample.class_ids, labels)
    return (
        found
        | _hard(sample.hard, classify)
        | {"images": len(sample.class_ids), "pictures": len(sample.hard)}
        | {"limits": [_facing(one_way)] if one_way else []}
    )


def _hard(pictures: Sequence[HardPicture], classify: Classifier) -> dict[str, Any]:
    if not pictures:
        return {}
    answers = classify(np.stack([one.instance for one in pictures]))
    by_group: dict[str, list[bool]] = {}
    visible = []
    for one, answer in zip(pictures, answers, strict=True):
        right = one.found and bool(answer == one.class_id)
        by_group.setdefault(one.kind.group, []).append(right)
        if one.kind.leaves_item_visible and one.kind.group not in STRANGERS:
            visible.append(right)
    shares = {group: round(float(np.mean(right)), 4) for group, right in by_group.items()}
    return {"hard": round(float(np.mean(visible)), 4), "by_kind": shares}


def _known_one_way(
    right: Mapping[str, npt.NDArray[np.bool_]], class_ids: Integers, labels: Sequence[str]
) -> list[str]:
    """Returns the labels whose mirrored items are hardly recognised, where the plain ones are."""
    found = []
    for class_id, label in enumerate(labels):
        own = class_ids == class_id
        if own.any() and right["mirrored"][own].sum() < ONE_WAY_SHARE * right["plain"][own].sum():
            found.append(label)
    return found


def _facing(labels: Sequence[str]) -> str:
    """Says in words which way round items are known."""
    if not set(labels) <= set(FACING_LEFT):
        return f"knows {', '.join(labels)} one way round only"
    names = "shoes" if set(labels) == set(FACING_LEFT) else ", ".join(labels)
    return f"knows {names} that face left only"
