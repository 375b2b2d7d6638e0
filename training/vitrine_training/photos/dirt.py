"""Stray marks: dust, hairs, stains, scratches, as scanners and tables leave them."""

import numpy as np

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Colour, Still, Tones, layer, soften, still, tinted
from vitrine_training.photos.encoding import file
from vitrine_training.photos.kinds import kind

SPECKS = 1, 40
SPECK_PX = 1, 12
"""The size of a speck, in pixels of 600."""

HAIRS = 1, 6
HAIR_PX = 0.8, 2.5
"""The width of a hair, in pixels of 600."""
HAIR_LENGTH = 0.08, 0.40
"""Of a hair, over the longer side."""

STAINS = 1, 4
STAIN_PX = 20, 90
"""The size of a stain, in pixels of 600."""
STAIN_STRENGTH = 0.08, 0.25


@kind("stray marks")
def dust(item: Pixels, rng: np.random.Generator) -> bytes:
    """Specks of dust over the whole picture, each of its own size and level."""
    photo = still(item, rng)
    _dirty(photo, rng)
    return file(photo.pixels, rng)


@kind("stray marks")
def dust_on_white(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item on a white page of the scanner, and black specks."""
    photo = still(item, rng, tones=Tones((255, 255, 255), tinted(rng, 0, 60)))
    _dirty(photo, rng, (0, 0, 0))
    return file(photo.pixels, rng)


@kind("stray marks")
def dust_on_dark(item: Pixels, rng: np.random.Generator) -> bytes:
    """A light item on a dark ground, and white specks."""
    photo = still(item, rng, tones=Tones(tinted(rng, 5, 60), tinted(rng, 190, 250)))
    _dirty(photo, rng, (255, 255, 255))
    return file(photo.pixels, rng)


@kind("stray marks")
def hairs(item: Pixels, rng: np.random.Generator) -> bytes:
    """Hairs and threads, some of them across the item."""
    photo = still(item, rng)
    colour = _mark(photo, rng)
    for _ in range(rng.integers(HAIRS[0], HAIRS[1], endpoint=True)):
        image, pen = layer(photo.size)
        pen.line(_curve(photo, rng), 255, max(1, round(photo.px(rng.uniform(*HAIR_PX)))), "curve")
        photo.cover(image, colour, rng.uniform(0.6, 1))
    photo.grain(rng, rng.uniform(0, 3))
    return file(photo.pixels, rng)


@kind("stray marks")
def stains(item: Pixels, rng: np.random.Generator) -> bytes:
    """Faint blots on the ground, as of coffee and fingers."""
    made = still(item, rng)
    photo = made.pixels
    height, width = photo.shape[:2]
    for _ in range(rng.integers(STAINS[0], STAINS[1], endpoint=True)):
        image, pen = layer((height, width))
        x, y, radius = *rng.uniform((0, 0), (width, height)), made.px(rng.uniform(*STAIN_PX)) / 2
        wide = radius * rng.uniform(0.7, 1.3)
        pen.ellipse((x - wide, y - radius, x + wide, y + radius), 255)
        blurred = soften(np.asarray(image, np.float32) / 255, radius / 6)
        brown = np.array([0.7, 1, 1.3], np.float32)
        photo *= 1 - rng.uniform(*STAIN_STRENGTH) * blurred[..., None] * brown
    return file(photo, rng)


def _dirty(photo: Still, rng: np.random.Generator, colour: Colour | None = None) -> None:
    """Strews specks; `colour` is that of all of them, else each has a level of its own."""
    height, width = photo.size
    for _ in range(rng.integers(SPECKS[0], SPECKS[1], endpoint=True)):
        image, pen = layer((height, width))
        across = max(1, round(photo.px(rng.uniform(*SPECK_PX))))
        down = max(1, round(across * rng.uniform(0.5, 1)))
        x, y = (int(place) for place in rng.integers((0, 0), (width - across, height - down)))
        pen.ellipse((x, y, x + across - 1, y + down - 1), 255)
        photo.cover(image, colour or _mark(photo, rng))


def _mark(photo: Still, rng: np.random.Generator) -> Colour:
    """Returns a colour that is seen on the ground."""
    light = sum(photo.tones.ground) / 3 > 127
    return tinted(rng, 0, 90) if light else tinted(rng, 170, 255)


def _curve(photo: Still, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Returns points of a bent line, x and y."""
    height, width = photo.size
    length = max(height, width) * rng.uniform(*HAIR_LENGTH)
    start = rng.uniform((0, 0), (width, height))
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(-2.5, 2.5)
    turns = angle + bend * np.linspace(0, 1, 24)
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * length / 24
    return [(float(x), float(y)) for x, y in start + np.cumsum(steps, axis=0)]
