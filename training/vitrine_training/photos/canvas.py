"""Drawing primitives: sizes, tones, an item on a ground, layers over it, noise.

Lengths that are called pixels of 600 are scaled with the longer side of the picture.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from vitrine_training.data.idx import Pixels

Floats = npt.NDArray[np.floating[Any]]
Colour = tuple[float, ...]
Size = tuple[int, int]
"""Height and width in pixels."""

SIDES = 240, 900
"""The longer side of a picture, in pixels, where its kind does not say otherwise."""

SHAPES = (1, 1), (1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16), (5, 4)
"""Width and height of pictures, as ratios."""

SHARES = 0.40, 0.85
"""The item's side over the shorter side of the picture, where its kind does not say otherwise."""

LIGHT_ON_DARK = 0.25
"""How many pictures show a light item on a dark ground, where their kind does not say."""

ENLARGED_BY = {
    Image.Resampling.BICUBIC: 0.75,
    Image.Resampling.LANCZOS: 0.15,
    Image.Resampling.NEAREST: 0.10,
}
"""How items are enlarged, and how often; the last leaves squares, as screens of pixels do."""


class Place(NamedTuple):
    """A square in a picture, in pixels; it may reach beyond the edge."""

    left: int
    top: int
    side: int


class Tones(NamedTuple):
    """The colour behind the item and the one that white of the row becomes."""

    ground: Colour
    ink: Colour


class Canvas:
    """Picture that is drawn on: `pixels`, float32 or float64 [h, w, 3] in 0..255."""

    def __init__(self, pixels: Floats) -> None:
        self.pixels = pixels

    @classmethod
    def even(cls, size: Size, colour: Colour) -> "Canvas":
        """Returns a canvas of one colour."""
        return cls(even(size, colour))

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        height, width = self.pixels.shape[:2]
        return height, width

    def px(self, of_600: float) -> float:
        """Pixels of 600 as pixels of this picture."""
        return of_600 * max(self.size) / 600

    def paint(self, alpha: Floats, place: Place, ink: Colour) -> None:
        """Prints an item, so that the ground shows through where it is faint."""
        region, seen = inside(self.pixels, alpha, place)
        region += seen[..., None] * (np.asarray(ink, np.float32) - region)

    def lay(self, alpha: Floats, place: Place, tones: Tones) -> None:
        """Lays an item down, opaque as cloth is: where it is faint, it is as `tones.ground` is."""
        ground, ink = (np.asarray(one, np.float32) for one in tones)
        region, seen = inside(self.pixels, alpha, place)
        solid = body(seen)[..., None]
        region += solid * (ground + seen[..., None] * (ink - ground) - region)

    def cover(self, over: Image.Image, colour: Colour, strength: float = 1) -> None:
        """Lays a layer over the picture, in one colour."""
        box = over.getbbox()
        if box is None:
            return
        left, top, right, bottom = box
        alpha = np.asarray(over.crop(box), np.float32)[..., None] * (strength / 255)
        region = self.pixels[top:bottom, left:right]
        region += alpha * (np.asarray(colour, np.float32) - region)

    @contextmanager
    def pen(self, colour: Colour, strength: float = 1) -> Iterator[ImageDraw.ImageDraw]:
        """Lends the pen of a layer, which then covers the picture: 255 covers wholly."""
        image, pen = layer(self.size)
        yield pen
        self.cover(image, colour, strength)

    def rectangle(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fills left, top, width, height with a colour."""
        left, top, width, height = (round(one) for one in box)
        rows, columns = max(top, 0), max(left, 0)
        self.pixels[rows : max(top + height, 0), columns : max(left + width, 0)] = colour

    def grain(self, rng: np.random.Generator, sigma: float) -> None:
        """Adds the noise of a sensor, the same to the three channels."""
        self.pixels += sigma * rng.standard_normal(self.size, np.float32)[..., None]


class Still(Canvas):
    """Picture of an item on an even ground, as others begin: marks, light and frames follow."""

    def __init__(self, pixels: Floats, place: Place, tones: Tones) -> None:
        super().__init__(pixels)
        self.place = place
        self.tones = tones


def still(
    item: Pixels,
    rng: np.random.Generator,
    *,
    sides: tuple[int, int] = SIDES,
    shares: tuple[float, float] = SHARES,
    tones: Tones | None = None,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> Still:
    """Draws an item somewhere on an even ground."""
    found = some_size(rng, sides, shapes)
    tones = tones or some_tones(rng)
    place = some_place(found, rng, shares)
    photo = Still(even(found, tones.ground), place, tones)
    photo.paint(opacity(item, place.side, rng), place, tones.ink)
    return photo


def some_size(
    rng: np.random.Generator,
    sides: tuple[int, int] = SIDES,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> Size:
    """Returns the size of a picture; small ones are as frequent as large ones, by octave."""
    longer = np.exp(rng.uniform(*np.log(sides)))
    width, height = shapes[int(rng.integers(len(shapes)))]
    scale = longer / max(width, height)
    return round(height * scale), round(width * scale)


def some_place(size: Size, rng: np.random.Generator, shares: tuple[float, float] = SHARES) -> Place:
    """Returns a place for an item, whole inside a picture and rather in the middle of it."""
    side = round(min(size) * rng.uniform(*shares))
    top, left = ((one - side) * rng.beta(3, 3) for one in size)
    return Place(round(left), round(top), side)


def some_tones(rng: np.random.Generator) -> Tones:
    """Returns a dark item on a light ground, or the other way round, both slightly coloured."""
    if rng.random() < LIGHT_ON_DARK:
        return Tones(tinted(rng, 10, 80), tinted(rng, 190, 250))
    return Tones(tinted(rng, 165, 250), tinted(rng, 5, 70))


def tinted(rng: np.random.Generator, low: float, high: float, tint: float = 12) -> Colour:
    """Returns a grey between two levels with a touch of colour."""
    return tuple(np.clip(rng.uniform(low, high) + rng.uniform(-tint, tint, 3), 0, 255))


def even(size: Size, colour: Colour) -> Floats:
    """Returns a picture of one colour, float32 [h, w, 3]."""
    return np.tile(np.asarray(colour, np.float32), (*size, 1))


def opacity(item: Pixels, side: int, rng: np.random.Generator) -> Floats:
    """Opacity 0..1 of the item, float32 [side, side], enlarged in one of a few ways."""
    ways = list(ENLARGED_BY)
    way = ways[rng.choice(len(ways), p=list(ENLARGED_BY.values()))]
    return np.asarray(Image.fromarray(item).resize((side, side), way), np.float32) / 255


def body(alpha: Floats) -> Floats:
    """Opacity of an item that lets nothing through, with soft edges."""
    return np.clip(alpha * 6, 0, 1)


def inside(plane: Floats, alpha: Floats, place: Place) -> tuple[Floats, Floats]:
    """Returns views of a picture or a plane at a place, and of the one put there, as far as the
    place lies inside."""
    left, top, side = place
    rows = slice(max(top, 0), min(top + side, plane.shape[0]))
    columns = slice(max(left, 0), min(left + side, plane.shape[1]))
    seen = alpha[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return plane[rows, columns], seen


def layer(size: Size) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Returns an empty layer over a picture of this size, and its pen: 255 covers."""
    image = Image.new("L", (size[1], size[0]))
    return image, ImageDraw.Draw(image)


def soften(plane: Floats, radius: float) -> Floats:
    """Returns a plane 0..1, [h, w], blurred."""
    image = Image.fromarray(np.rint(plane * 255).astype(np.uint8))
    return (
        np.asarray(
            image.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius)),
            np.float32,
        )
        / 255
    )
