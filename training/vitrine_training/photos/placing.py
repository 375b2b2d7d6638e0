"""Place and size of the item: small, large, off the centre, at the edge; and others beside it.

The largest item, which is nearest to the middle, is the one that the picture is of.
"""

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import (
    Canvas,
    Place,
    opacity,
    some_size,
    some_tones,
    still,
    tinted,
)
from vitrine_training.photos.encoding import file
from vitrine_training.photos.kinds import kind

SMALL = 0.08, 0.25
LARGE = 0.75, 0.90
"""The item's side over the shorter side of the picture."""

CUT = 0.01, 0.05
"""How much of the item's side lies beyond the edge."""

MAIN = 0.42, 0.60
OTHER = 0.14, 0.28
"""The sides of the item that counts and of those beside it, over the picture's shorter side."""

OTHERS = 1, 4


@kind("size and place")
def small(item: Pixels, rng: np.random.Generator) -> bytes:
    """A small item in a large picture."""
    return file(still(item, rng, sides=(500, 1600), shares=SMALL).pixels, rng)


@kind("size and place")
def large(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that leaves little of the ground."""
    return file(still(item, rng, shares=LARGE).pixels, rng)


@kind("size and place")
def off_centre(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item anywhere but in the middle, of any size."""
    size, tones = some_size(rng), some_tones(rng)
    side = round(min(size) * rng.uniform(0.15, 0.5))
    top, left = ((one - side) * rng.choice([rng.beta(1, 5), rng.beta(5, 1)]) for one in size)
    photo = Canvas.even(size, tones.ground)
    photo.paint(opacity(item, side, rng), Place(round(left), round(top), side), tones.ink)
    return file(photo.pixels, rng)


@kind("size and place")
def wide(item: Pixels, rng: np.random.Generator) -> bytes:
    """A strip three to five times as wide as it is high, or the other way round."""
    size = some_size(rng, (600, 1400), ((3, 1), (4, 1), (5, 1), (1, 3), (1, 4)))
    tones = some_tones(rng)
    side = round(min(size) * rng.uniform(0.5, 0.9))
    top, left = ((one - side) * rng.uniform(0, 1) for one in size)
    photo = Canvas.even(size, tones.ground)
    photo.paint(opacity(item, side, rng), Place(round(left), round(top), side), tones.ink)
    return file(photo.pixels, rng)


@kind("size and place")
def at_the_edge(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that touches one edge, or two, and is slightly cut there."""
    size, tones = some_size(rng), some_tones(rng)
    side = round(min(size) * rng.uniform(0.45, 0.85))
    cut, pixel = side * rng.uniform(*CUT), side / len(item)
    (above, below), (before, after) = (_margins(item.max(axis) > 0) for axis in (1, 0))
    top, left = ((one - side) / 2 for one in size)
    for edge in rng.choice(4, 2, replace=False)[: rng.integers(1, 3)]:
        if edge == 0:
            top = -above * pixel - cut
        elif edge == 1:
            top = size[0] - side + below * pixel + cut
        elif edge == 2:
            left = -before * pixel - cut
        else:
            left = size[1] - side + after * pixel + cut
    photo = Canvas.even(size, tones.ground)
    photo.paint(opacity(item, side, rng), Place(round(left), round(top), side), tones.ink)
    return file(photo.pixels, rng)


@kind("several items", with_others=True)
def two_items(item: Pixels, rng: np.random.Generator, others: Pixels) -> bytes:
    """The item, and a smaller one beside it."""
    return _in_company(item, rng, others, 1)


@kind("several items", with_others=True)
def several_items(item: Pixels, rng: np.random.Generator, others: Pixels) -> bytes:
    """The item, and two to four smaller ones about it."""
    return _in_company(item, rng, others, int(rng.integers(2, OTHERS[1], endpoint=True)))


@kind("several items", with_others=True)
def shelf(item: Pixels, rng: np.random.Generator, others: Pixels) -> bytes:
    """Items in a row on a shelf, of which the middle one is much the largest."""
    size, tones = some_size(rng, (400, 1000), ((16, 9), (3, 2), (2, 1))), some_tones(rng)
    photo = Canvas.even(size, tones.ground)
    side = round(size[0] * rng.uniform(0.5, 0.7))
    floor = round(size[0] * rng.uniform(0.82, 0.92))
    photo.pixels[floor:] = tinted(rng, 60, 200, 20)
    middle = Place((size[1] - side) // 2, floor - side, side)
    photo.lay(opacity(item, side, rng), middle, tones)
    room = middle.left
    for left in (0, middle.left + side):
        other = round(min(room * 0.8, side * rng.uniform(0.35, 0.5)))
        beside = Place(left + (room - other) // 2, floor - other, other)
        photo.lay(opacity(others[rng.integers(len(others))], other, rng), beside, tones)
    return file(photo.pixels, rng)


def _in_company(item: Pixels, rng: np.random.Generator, others: Pixels, count: int) -> bytes:
    size, tones = some_size(rng), some_tones(rng)
    photo, short = Canvas.even(size, tones.ground), min(size)
    side = round(short * rng.uniform(*MAIN))
    top, left = ((one - side) * rng.uniform(0.35, 0.65) for one in size)
    places = [Place(round(left), round(top), side)]
    for _ in range(count):
        beside = _free_place(size, places, rng)
        if beside is not None:
            places.append(beside)
    photo.paint(opacity(item, side, rng), places[0], tones.ink)
    for beside in places[1:]:
        other = others[rng.integers(len(others))]
        photo.paint(opacity(other, beside.side, rng), beside, tones.ink)
    return file(photo.pixels, rng)


def _margins(taken: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Returns how many are free before the first that is taken, and after the last."""
    return int(taken.argmax()), int(taken[::-1].argmax())


def _free_place(
    size: tuple[int, int], taken: list[Place], rng: np.random.Generator
) -> Place | None:
    """Returns a place for a smaller item that overlaps none, or None where there is no room."""
    for _ in range(60):
        side = round(min(size) * rng.uniform(*OTHER))
        top, left = (int(rng.integers(0, one - side, endpoint=True)) for one in size)
        if all(
            left + side <= other.left
            or other.left + other.side <= left
            or top + side <= other.top
            or other.top + other.side <= top
            for other in taken
        ):
            return Place(left, top, side)
    return None
