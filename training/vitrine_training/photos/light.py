"""Light that falls off, and shadows, on an even ground."""

import numpy as np

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import (
    Canvas,
    Floats,
    Place,
    Size,
    Tones,
    body,
    inside,
    opacity,
    soften,
    some_place,
    some_size,
    some_tones,
    still,
    tinted,
)
from vitrine_training.photos.encoding import file
from vitrine_training.photos.kinds import kind

DARKEST = 0.40, 0.85
"""The light where there is least of it, over where there is most."""

SHADOW = 0.15, 0.50
"""How much light a shadow takes."""

SHADOW_BLUR = 0.02, 0.08
"""The radius of a shadow's soft edge, over the side of the object that casts it."""

SHADOW_OFFSET = 0.03, 0.12
"""How far a shadow lies from its item, over the item's side."""


@kind("light")
def light_from_a_side(item: Pixels, rng: np.random.Generator) -> bytes:
    """Light that falls evenly from one side to the other, as beside a window."""
    photo = still(item, rng)
    x, y = _coordinates(photo.size)
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    _light(photo, (along - along.min()) / (along.max() - along.min()), rng)
    return file(photo.pixels, rng)


@kind("light")
def light_from_a_corner(item: Pixels, rng: np.random.Generator) -> bytes:
    """Light that falls off in rings round a place near the edge."""
    photo = still(item, rng)
    x, y = _coordinates(photo.size)
    away = np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1))
    _light(photo, 1 - away / away.max(), rng)
    return file(photo.pixels, rng)


@kind("light")
def spotlight(item: Pixels, rng: np.random.Generator) -> bytes:
    """A lamp's round spot on the item, and dusk about it."""
    photo = still(item, rng)
    size, place = photo.size, photo.place
    rows, columns = np.ogrid[: size[0], : size[1]]
    centre = np.array([place.top, place.left]) + place.side * rng.uniform(0.35, 0.65, 2)
    away = np.hypot(rows - centre[0], columns - centre[1]) / (place.side * rng.uniform(0.6, 1.1))
    _light(photo, np.exp(-(away.astype(np.float32) ** 2)), rng)
    return file(photo.pixels, rng)


@kind("light")
def vignette(item: Pixels, rng: np.random.Generator) -> bytes:
    """Dark corners, as of a cheap lens or a filter."""
    photo = still(item, rng)
    x, y = _coordinates(photo.size)
    away = (x**2 + y**2) / 2
    _light(photo, 1 - away ** rng.uniform(0.8, 2), rng)
    return file(photo.pixels, rng)


@kind("light")
def drop_shadow(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item on a light ground with a soft shadow of its own beside it."""
    size, tones = some_size(rng), Tones(tinted(rng, 180, 252), tinted(rng, 5, 80))
    photo, place = Canvas.even(size, tones.ground), some_place(size, rng, (0.4, 0.75))
    alpha = opacity(item, place.side, rng)
    offset = place.side * rng.uniform(*SHADOW_OFFSET)
    angle = rng.uniform(0.1, 0.9) * np.pi  # downwards: the light comes from above
    left, top = place.left + offset * np.cos(angle), place.top + offset * np.sin(angle)
    cast = np.zeros(size, np.float32)
    under, seen = inside(cast, body(alpha), Place(round(left), round(top), place.side))
    under[:] = seen
    cast = soften(cast, place.side * rng.uniform(*SHADOW_BLUR) / 2)
    photo.pixels *= 1 - rng.uniform(*SHADOW) * cast[..., None]
    photo.lay(alpha, place, tones)
    return file(photo.pixels, rng)


@kind("light")
def somebodys_shadow(item: Pixels, rng: np.random.Generator) -> bytes:
    """The broad shadow of whoever takes the picture, with a soft edge, over a part of it."""
    photo = still(item, rng).pixels
    height, width = photo.shape[:2]
    x, y = _coordinates((height, width))
    angle = rng.uniform(0, 2 * np.pi)
    wave = 0.15 * np.sin(rng.uniform(2, 5) * (x * np.sin(angle) - y * np.cos(angle)))
    beyond = x * np.cos(angle) + y * np.sin(angle) + wave > rng.uniform(-0.3, 0.7)
    soft = soften(beyond.astype(np.float32), max(height, width) * rng.uniform(0.02, 0.05))
    photo *= 1 - rng.uniform(*SHADOW) * soft[..., None]
    return file(photo, rng)


@kind("light")
def gloom(item: Pixels, rng: np.random.Generator) -> bytes:
    """Too little light: dark all over, and noisy, and the item stands out all the same."""
    if rng.random() < 0.5:
        tones = Tones(tinted(rng, 5, 25, 4), tinted(rng, 70, 120))
    else:
        tones = Tones(tinted(rng, 70, 110), tinted(rng, 2, 20, 4))
    photo = still(item, rng, tones=tones)
    photo.grain(rng, rng.uniform(2, 7))
    return file(photo.pixels, rng)


@kind("light")
def crumpled_sheet(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item on a sheet whose folds are lighter on one side and darker on the other."""
    size, tones = some_size(rng), some_tones(rng)
    photo, place = Canvas.even(size, tones.ground), some_place(size, rng)
    x, y = _coordinates(size)
    folds = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(2, 7))):
        angle, width = rng.uniform(0, np.pi), rng.uniform(0.05, 0.2)
        away = (x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.8, 0.8)) / width
        folds += rng.uniform(0.03, 0.12) * away * np.exp(-(away**2))
    photo.pixels *= 1 + folds[..., None]
    alpha = opacity(item, place.side, rng)
    (photo.lay(alpha, place, tones) if rng.random() < 0.5 else photo.paint(alpha, place, tones.ink))
    return file(photo.pixels, rng)


def _coordinates(size: Size) -> tuple[Floats, Floats]:
    """Returns x and y from -1 to 1 over the picture, float32, to be broadcast."""
    y = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None]
    return np.linspace(-1, 1, size[1], dtype=np.float32)[None], y


def _light(photo: Canvas, share: Floats, rng: np.random.Generator) -> None:
    """Darkens a picture to a level drawn from `DARKEST` where `share` is 0, and not where 1."""
    darkest = rng.uniform(*DARKEST)
    photo.pixels *= (darkest + (1 - darkest) * share)[..., None]
    photo.grain(rng, rng.uniform(0, 3))
