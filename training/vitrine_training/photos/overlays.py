"""Writing on pictures: captions, prices, stamps, watermarks, dates, logos."""

import numpy as np

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import (
    SHARES,
    Canvas,
    Colour,
    Floats,
    Still,
    layer,
    still,
    tinted,
)
from vitrine_training.photos.encoding import file
from vitrine_training.photos.kinds import kind
from vitrine_training.photos.lettering import NAMES, PRICES, phrase, stick, turned, write

CAPTION = 0.02, 0.12
"""The height of a caption's letters or its strip, over the height of the picture."""

STICKER = 0.10, 0.22
"""The size of a price's sticker, over the shorter side."""

STAMP = 0.03, 0.07
"""The height of a stamp's letters, over the shorter side."""

WATERMARK = 0.12, 0.35
"""How opaque a watermark is."""

DATE = 0.025, 0.05
"""The height of a date's figures, over the shorter side."""


@kind("writing")
def caption(item: Pixels, rng: np.random.Generator) -> bytes:
    """A line of text in the margin above or below the item."""
    photo = still(item, rng, shares=(SHARES[0], 0.7))
    height, width = photo.size
    size = height * rng.uniform(CAPTION[0], 0.07)
    colour = _readable(photo, rng)
    y = height - 0.8 * size if rng.random() < 0.7 else 1.2 * size
    words = phrase(rng, int(rng.integers(1, 6)))
    write(photo, (width / 2, y), words, size, colour, "mm")
    return file(photo.pixels, rng)


@kind("writing")
def caption_strip(item: Pixels, rng: np.random.Generator) -> bytes:
    """A strip with a line of text, above or below the picture."""
    photo = still(item, rng)
    height, width = photo.size
    strip = max(4, round(height * rng.uniform(*CAPTION)))
    dark = rng.random() < 0.5
    under = Canvas.even((strip, width), tinted(rng, 0, 60, 30) if dark else tinted(rng, 200, 255))
    ink = tinted(rng, 200, 255) if dark else tinted(rng, 0, 60)
    words = phrase(rng, int(rng.integers(1, 6)))
    write(under, (width / 2, strip / 2), words, 0.6 * strip, ink, "mm")
    parts = [photo.pixels, under.pixels]
    return file(np.concatenate(parts if rng.random() < 0.7 else parts[::-1]), rng)


@kind("writing")
def price(item: Pixels, rng: np.random.Generator) -> bytes:
    """A round or square sticker with a price in a corner."""
    photo = still(item, rng, shares=(SHARES[0], 0.75))
    size = min(photo.size) * rng.uniform(*STICKER)
    x, y = _corner(photo.pixels, rng, size / 2)
    image, pen = layer(photo.size)
    box = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
    (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, 255)
    sticker = [(200, 20, 30), (250, 210, 30), (20, 20, 20), (30, 120, 60)][rng.integers(4)]
    photo.cover(image, sticker)
    ink = (20, 20, 20) if sum(sticker) > 380 else (255, 255, 255)
    write(photo, (x, y), str(rng.choice(PRICES)), size / 4.5, ink, "mm")
    return file(photo.pixels, rng)


@kind("writing")
def stamp(item: Pixels, rng: np.random.Generator) -> bytes:
    """A rubber stamp, turned, towards a corner."""
    photo = still(item, rng, shares=(SHARES[0], 0.75))
    size = round(min(photo.size) * rng.uniform(*STAMP))
    word = ("SOLD", "COPY", "APPROVED", "ARCHIVE", "No 1207")[rng.integers(5)]
    mark = turned(word, max(size, 6), rng.uniform(-25, 25), border=True)
    ink = [(190, 30, 40), (30, 50, 150), (40, 40, 40)][rng.integers(3)]
    at = _corner(photo.pixels, rng, max(mark.size) / 2)
    stick(photo, mark, at, ink, rng.uniform(0.6, 0.9))
    return file(photo.pixels, rng)


@kind("writing")
def watermark(item: Pixels, rng: np.random.Generator) -> bytes:
    """Words across the whole picture, the item too, that let the picture through."""
    photo = still(item, rng)
    height, width = photo.size
    size = max(8, round(min(height, width) * rng.uniform(0.05, 0.12)))
    mark = turned(f"© {rng.choice(NAMES)}", size, rng.uniform(15, 45))
    colour, strength = tinted(rng, 0, 255), rng.uniform(*WATERMARK)
    for y in range(mark.height // 2, height, round(mark.height * rng.uniform(1.2, 2.2))):
        for x in range(mark.width // 2, width, round(mark.width * 1.4)):
            stick(photo, mark, (x, y), colour, strength)
    return file(photo.pixels, rng)


@kind("writing")
def date(item: Pixels, rng: np.random.Generator) -> bytes:
    """The date in orange figures that a camera burns into a corner."""
    photo = still(item, rng)
    height, width = photo.size
    day, month, year = (int(rng.integers(1, top)) for top in (29, 13, 25))
    at = (0.96 * width, 0.96 * height)
    size = min(height, width) * rng.uniform(*DATE)
    write(photo, at, f"{day:02} {month:02} '{year:02}", size, (250, 140, 40), "rs")
    return file(photo.pixels, rng)


@kind("writing")
def logo(item: Pixels, rng: np.random.Generator) -> bytes:
    """A shop's name in a corner, and a thin rule under it."""
    photo = still(item, rng, shares=(SHARES[0], 0.75))
    height, width = photo.size
    size, colour = min(height, width) * rng.uniform(0.04, 0.09), _readable(photo, rng)
    write(photo, (0.04 * width, 0.03 * height), str(rng.choice(NAMES)), size, colour)
    with photo.pen(colour) as pen:
        y = 0.04 * height + 1.4 * size
        end = width * rng.uniform(0.25, 0.96)
        pen.line((0.04 * width, y, end, y), 255, max(1, round(photo.px(1))))
    return file(photo.pixels, rng)


def _readable(photo: Still, rng: np.random.Generator) -> Colour:
    light = sum(photo.tones.ground) / 3 > 127
    return tinted(rng, 0, 60, 30) if light else tinted(rng, 190, 255)


def _corner(photo: Floats, rng: np.random.Generator, half: float) -> tuple[float, float]:
    """Returns x and y of the centre of a mark twice `half` wide, near one of the corners."""
    height, width = photo.shape[:2]
    gap = half + min(height, width) * rng.uniform(0.01, 0.05)
    x, y = rng.choice([gap, width - gap]), rng.choice([gap, height - gap])
    return float(x), float(y)
