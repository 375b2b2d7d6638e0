"""Words and figures for captions, prices and screens, and the font that they are set in."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitrine_training.photos.canvas import Canvas, Colour, layer

WORDS = (
    "the",
    "with",
    "and",
    "from",
    "our",
    "new",
    "soft",
    "cotton",
    "wool",
    "leather",
    "summer",
    "winter",
    "spring",
    "classic",
    "slim",
    "fit",
    "size",
    "colour",
    "blue",
    "black",
    "grey",
    "shipping",
    "returns",
    "free",
    "order",
    "today",
    "only",
    "last",
    "pair",
    "made",
    "in",
    "light",
    "care",
    "wash",
    "cold",
    "delivery",
    "days",
    "store",
    "stock",
    "review",
    "love",
    "this",
    "great",
    "quality",
    "comfortable",
    "men",
    "women",
    "kids",
    "sale",
    "brand",
    "style",
    "season",
    "look",
    "item",
    "see",
    "more",
    "details",
    "description",
    "material",
)
"""Of which lines of text are made."""

PRICES = "EUR 29.99", "$19", "GBP 45.00", "12,50 EUR", "-30%", "SALE", "$ 129.00", "NEW", "7.-"
NAMES = "SHOP", "Modehaus", "outfit", "BAZAAR", "Kleiderkreisel", "Studio 54", "no. 1", "vintage"


@lru_cache(64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns Pillow's own font, `size` pixels high."""
    return ImageFont.load_default(max(size, 5))


def phrase(rng: np.random.Generator, words: int) -> str:
    """Returns so many words."""
    return " ".join(rng.choice(WORDS, words)).capitalize()


def write(
    photo: Canvas,
    at: tuple[float, float],
    text: str,
    size: float,
    colour: Colour,
    anchor: str = "la",
    strength: float = 1,
) -> None:
    """Writes a line of text, `size` pixels high, at x and y; `anchor` is as Pillow has it."""
    with photo.pen(colour, strength) as pen:
        pen.text(at, text, 255, font(round(size)), anchor)


def paragraph(
    photo: Canvas,
    box: tuple[float, float, float],
    lines: int,
    size: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """Writes lines of text into left, top and width; the last is shorter."""
    left, top, width = box
    with photo.pen(colour) as pen:
        for number in range(lines):
            text = phrase(rng, 16)
            share = rng.uniform(0.3, 0.7) if number == lines - 1 else 1
            while len(text) > 4 and pen.textlength(text, font(round(size))) > width * share:
                text = text[: -max(1, len(text) // 10)]
            pen.text((left, top + 1.5 * size * number), text, 255, font(round(size)))


def turned(text: str, size: int, angle: float, *, border: bool = False) -> Image.Image:
    """Returns a line of text as a layer of its own, turned by degrees; perhaps in a border."""
    width = round(font(size).getlength(text)) + size
    image = Image.new("L", (width, round(1.9 * size)))
    pen = ImageDraw.Draw(image)
    pen.text((image.width / 2, image.height / 2), text, 255, font(size), "mm")
    if border:
        pen.rectangle((0, 0, image.width - 1, image.height - 1), None, 255, max(1, size // 8))
    return image.rotate(angle, Image.Resampling.BICUBIC, expand=True)


def stick(
    photo: Canvas, over: Image.Image, centre: tuple[float, float], colour: Colour, strength: float
) -> None:
    """Lays a layer of its own over a picture, round a centre; parts outside are cut."""
    image, _ = layer(photo.size)
    image.paste(over, (round(centre[0] - over.width / 2), round(centre[1] - over.height / 2)))
    photo.cover(image, colour, strength)
