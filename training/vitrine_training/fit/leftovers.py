"""Leftovers of backgrounds: pixels that an imperfect cut-out of a photo leaves beside the item.

They are drawn once a run; every training image gets its own of them each epoch.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vitrine_training.data.fashion_mnist import SIDE
from vitrine_training.data.idx import Pixels

SIZE = 2_048
"""Of a bank."""

Floats = npt.NDArray[np.floating]
Stain = Callable[[np.random.Generator], Floats]


def bank(seed: int) -> Pixels:
    """Returns leftovers to draw from, uint8 [SIZE, 2, 28, 28]: dirt, black where there is none, and
    uniform noise, each pixel by itself. It follows from `seed`."""
    rng = np.random.default_rng(seed)
    dirt = np.stack([STAINS[rng.integers(len(STAINS))](rng) for _ in range(SIZE)])
    grain = rng.integers(0, 256, dirt.shape, np.uint8)
    return np.stack([np.rint(np.clip(dirt, 0, 1) * 255).astype(np.uint8), grain], axis=1)


def specks(rng: np.random.Generator) -> Floats:
    """Up to a dozen specks of one or two pixels."""
    image = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(1, 12)):
        (y, x), side = rng.integers(0, SIDE, 2), rng.integers(1, 3)
        image[y : y + side, x : x + side] = rng.uniform(0.2, 1)
    return image


def noise(rng: np.random.Generator) -> Floats:
    """The noise of a ground that is not quite away."""
    return np.abs(rng.normal(0, rng.uniform(0.02, 0.15), (SIDE, SIDE)))


def texture(rng: np.random.Generator) -> Floats:
    """Blots, 3 to 9 pixels across, as of cloth and wood."""
    knots = rng.integers(3, 9)
    field = rng.uniform(0, 1, (knots, knots))
    at, known = np.linspace(0, knots - 1, SIDE), np.arange(knots)
    for _ in range(2):  # between rows, then between columns
        field = np.array([np.interp(at, known, line) for line in field]).T
    return np.clip(field - rng.uniform(0.2, 0.6), 0, 1) * rng.uniform(0.3, 1)


def ramp(rng: np.random.Generator) -> Floats:
    """Light that falls off to one side, or a soft shadow."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x * np.cos(angle) + y * np.sin(angle)) * 0.7 + rng.uniform(-0.6, 0.3)
    return np.clip(slope, 0, 1) * rng.uniform(0.1, 0.6)


def band(rng: np.random.Generator) -> Floats:
    """A piece of a frame, of a table's edge or of a caption along one side."""
    image = np.zeros((SIDE, SIDE))
    start, stop = rng.integers(0, SIDE // 2), rng.integers(SIDE // 2, SIDE + 1)
    image[: rng.integers(1, 6), start:stop] = rng.uniform(0.1, 0.8)
    return np.rot90(image, int(rng.integers(4)))


def floor(rng: np.random.Generator) -> Floats:
    """A ground that is not quite black."""
    return np.full((SIDE, SIDE), rng.uniform(0.02, 0.2))


STAINS: tuple[Stain, ...] = (specks, noise, texture, ramp, band, floor)
"""Kinds of dirt, all as likely."""
