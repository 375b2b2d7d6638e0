"""Surfaces behind the item: noise, cloth, wood, paper, tables and walls."""

import numpy as np
from PIL import Image

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import (
    Canvas,
    Colour,
    Floats,
    Place,
    Size,
    Tones,
    layer,
    opacity,
    some_place,
    some_size,
    some_tones,
    tinted,
)
from vitrine_training.photos.encoding import file, jpeg
from vitrine_training.photos.kinds import kind

SIGMA = 5, 30
"""The deviation of a texture, in levels of 255."""

THREAD_PX = 1.5, 6
"""The width of a thread of cloth, in pixels of 600."""

RINGS = 3, 12
"""Rings of the wood across the picture."""

SPOT_PX = 3, 20
"""The size of a carpet's spots, in pixels of the picture."""

CELL_PX = 14, 40
"""The side of a notebook's squares, or the distance of its lines, in pixels of 600."""


@kind("surfaces")
def noise(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item printed on ground that is nothing but white noise."""
    size, tones, place = _scene(rng)
    photo = _textured(rng.standard_normal(size, np.float32), tones, rng)
    photo.paint(opacity(item, place.side, rng), place, tones.ink)
    return file(photo.pixels, rng)


@kind("surfaces")
def cloth(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that lies on woven cloth."""
    size, tones, place = _scene(rng)
    photo = _textured(_weave(size, rng), tones, rng)
    photo.lay(opacity(item, place.side, rng), place, tones)
    return file(photo.pixels, rng)


@kind("surfaces")
def printed_cloth(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item printed on woven cloth, whose threads show through."""
    size, tones, place = _scene(rng)
    photo = _textured(_weave(size, rng), tones, rng)
    photo.paint(opacity(item, place.side, rng), place, tones.ink)
    return file(photo.pixels, rng)


@kind("surfaces")
def wood(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item on a light wooden table."""
    size, _, place = _scene(rng)
    tones = Tones(_wooden(rng, 150, 225), tinted(rng, 5, 50))
    photo = _textured(_grain(size, rng), tones, rng)
    photo.lay(opacity(item, place.side, rng), place, tones)
    return file(photo.pixels, rng)


@kind("surfaces")
def dark_wood(item: Pixels, rng: np.random.Generator) -> bytes:
    """A light item on a dark wooden table, in a JPEG file of middling quality."""
    size, _, place = _scene(rng)
    tones = Tones(_wooden(rng, 40, 95), tinted(rng, 200, 250))
    photo = _textured(_grain(size, rng), tones, rng)
    photo.lay(opacity(item, place.side, rng), place, tones)
    return jpeg(photo.pixels, int(rng.integers(40, 75)))


@kind("surfaces")
def paper(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item drawn on rough paper, whose fibres make soft spots."""
    size, _, place = _scene(rng)
    tones = Tones(tinted(rng, 190, 240, 10), tinted(rng, 5, 60))
    fine, coarse = (_soft_noise(size, rng, (px, px)) for px in (1.5, rng.uniform(4, 14)))
    photo = _textured(_standard(fine + coarse), tones, rng, most=15)
    photo.paint(opacity(item, place.side, rng), place, tones.ink)
    return file(photo.pixels, rng)


@kind("surfaces")
def carpet(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that lies on a carpet or a plastered wall: soft spots of some size."""
    size, tones, place = _scene(rng)
    spot = rng.uniform(*SPOT_PX)
    photo = _textured(_soft_noise(size, rng, (spot, spot)), tones, rng)
    photo.lay(opacity(item, place.side, rng), place, tones)
    return file(photo.pixels, rng)


@kind("surfaces")
def notebook_squares(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item drawn on squared paper."""
    return _on_lines(item, rng, columns=True)


@kind("surfaces")
def notebook_lines(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item drawn on lined paper with a red margin."""
    return _on_lines(item, rng, columns=False)


@kind("surfaces")
def table_and_wall(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item in front of a wall, on a table of another tone; light from above."""
    size = some_size(rng)
    place = some_place(size, rng, (0.4, 0.75))
    wall, table = tinted(rng, 175, 250), tinted(rng, 130, 215, 25)
    photo = Canvas.even(size, wall)
    horizon = round(place.top + place.side * rng.uniform(0.55, 0.95))
    photo.pixels[horizon:] = table
    photo.pixels *= np.linspace(1, rng.uniform(0.85, 1), size[0], dtype=np.float32)[:, None, None]
    photo.lay(opacity(item, place.side, rng), place, Tones(wall, tinted(rng, 5, 60)))
    return file(photo.pixels, rng)


@kind("surfaces")
def stripes(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that lies on a cloth of broad stripes in two tones that are alike."""
    size, tones, place = _scene(rng)
    rows, columns = np.ogrid[: size[0], : size[1]]
    angle, width = rng.uniform(0, np.pi), max(size) * rng.uniform(0.02, 0.08)
    wave = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * np.pi / width)
    photo = _textured(np.clip(3 * wave, -1, 1).astype(np.float32), tones, rng, most=15)
    photo.lay(opacity(item, place.side, rng), place, tones)
    return file(photo.pixels, rng)


def _on_lines(item: Pixels, rng: np.random.Generator, *, columns: bool) -> bytes:
    size = some_size(rng)
    photo, place = Canvas.even(size, tinted(rng, 225, 253, 6)), some_place(size, rng)
    cell = max(size) / 600 * rng.uniform(*CELL_PX)
    line = max(1, round(max(size) / 600))
    image, pen = layer(size)
    for y in np.arange(rng.uniform(0, cell), size[0], cell):
        pen.line((0, y, size[1], y), 255, line)
    for x in np.arange(rng.uniform(0, cell), size[1], cell) if columns else ():
        pen.line((x, 0, x, size[0]), 255, line)
    photo.cover(image, (90, 130, 190), rng.uniform(0.3, 0.7))
    if not columns:
        with photo.pen((210, 70, 80), 0.7) as pen:
            x = size[1] * rng.uniform(0.06, 0.14)
            pen.line((x, 0, x, size[0]), 255, line)
    photo.paint(opacity(item, place.side, rng), place, tinted(rng, 5, 60))
    return file(photo.pixels, rng)


def _scene(rng: np.random.Generator) -> tuple[Size, Tones, Place]:
    size = some_size(rng)
    return size, some_tones(rng), some_place(size, rng)


def _textured(
    texture: Floats, tones: Tones, rng: np.random.Generator, most: float = SIGMA[1]
) -> Canvas:
    """Returns a ground with a texture of deviation 1, as strong as is drawn from `SIGMA`."""
    photo = Canvas.even((texture.shape[0], texture.shape[1]), tones.ground)
    photo.pixels += rng.uniform(SIGMA[0], most) * texture[..., None]
    return photo


def _weave(size: Size, rng: np.random.Generator) -> Floats:
    """Returns threads that cross, each a little thicker or thinner than the next, deviation 1."""
    period = max(size) / 600 * 2 * rng.uniform(*THREAD_PX)
    rows, columns = np.ogrid[: size[0], : size[1]]
    wobble = rng.standard_normal((size[0], 1)) + rng.standard_normal((1, size[1]))
    threads = np.sin(2 * np.pi * rows / period) + np.sin(2 * np.pi * columns / period)
    return _standard((threads + 0.4 * wobble).astype(np.float32))


def _grain(size: Size, rng: np.random.Generator) -> Floats:
    """Returns the rings of a plank, long in one direction and slightly bent, deviation 1."""
    turned = rng.random() < 0.5
    across, along = size[::-1] if turned else size
    bend = _soft_noise((across, along), rng, (max(size) / 4, 0.8 * max(size)))
    x = np.linspace(0, rng.uniform(*RINGS), across, dtype=np.float32)[:, None]
    rings = np.sin(2 * np.pi * (x + 0.4 * bend))
    fibres = _soft_noise((across, along), rng, (1.5, max(size) / 6))
    planks = _standard(rings + 0.5 * fibres)
    return planks.T if turned else planks


def _soft_noise(size: Size, rng: np.random.Generator, px: tuple[float, float]) -> Floats:
    """Returns noise without detail below so many pixels down and across, deviation 1."""
    few = [max(2, round(one / least) + 1) for one, least in zip(size, px, strict=True)]
    small = Image.fromarray(rng.standard_normal(few, np.float32))
    return _standard(np.asarray(small.resize((size[1], size[0]), Image.Resampling.BICUBIC)))


def _standard(plane: Floats) -> Floats:
    """Returns a plane with mean 0 and deviation 1."""
    centred = plane - plane.mean()
    return centred / max(float(centred.std()), 1e-6)


def _wooden(rng: np.random.Generator, low: float, high: float) -> Colour:
    level = rng.uniform(low, high)
    return level, level * rng.uniform(0.75, 0.9), level * rng.uniform(0.5, 0.75)
