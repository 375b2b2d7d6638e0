"""Screens: shop pages, phones, listings and chats, with the picture among other elements.

Every one has at least three: header, title, price, button, lines of text, small pictures.
"""

from typing import NamedTuple

import numpy as np

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Canvas, Colour, Place, Tones, opacity, tinted
from vitrine_training.photos.encoding import jpeg, png
from vitrine_training.photos.kinds import kind
from vitrine_training.photos.lettering import NAMES, PRICES, font, paragraph, phrase, write

PAGE_WIDTH = 700, 1280
PHONE_WIDTH = 320, 560
PHONE_RATIO = 1.78, 2.17
"""Sizes of screens, in pixels, and height over width of a phone's."""

THUMBNAILS = 2, 5

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


class Theme(NamedTuple):
    """The colours of a page: behind everything, of text, of the header and of buttons."""

    page: Colour
    text: Colour
    bar: Colour
    accent: Colour

    @property
    def on_accent(self) -> Colour:
        """Of the words on a button."""
        return (255, 255, 255) if sum(self.accent) < 450 else (20, 20, 20)


@kind("screens", with_others=True)
def shop_page(item: Pixels, rng: np.random.Generator, others: Pixels) -> bytes:
    """A shop's page: header, the picture with small ones under it, title, price, text, button."""
    width = int(rng.integers(*PAGE_WIDTH))
    height = round(width * rng.uniform(0.6, 0.8))
    theme = _theme(rng)
    page = Canvas.even((height, width), theme.page)
    bar = _header(page, theme, rng)
    side = min(0.5 * width, 0.72 * (height - bar))
    left, top = 0.04 * width, bar + 0.04 * height
    _picture(page, (left, top, side, side), item, rng)
    count = int(rng.integers(THUMBNAILS[0], THUMBNAILS[1], endpoint=True))
    small = min(side / (count + 0.5), height - top - side - 0.05 * height)
    for number in range(count):
        box = (left + number * 1.15 * small, top + side + 0.02 * height, small, small)
        _picture(page, box, others[rng.integers(len(others))], rng)
    column = (left + side + 0.05 * width, top, width - side - 0.13 * width)
    _offer(page, column, height / 28, theme, rng)
    return _screenshot(page, rng)


@kind("screens", with_others=True)
def shop_app(item: Pixels, rng: np.random.Generator, others: Pixels) -> bytes:
    """A phone with a shop's app: status, header, picture, title, price, text, button, tabs."""
    page, theme = _phone(rng)
    width = page.size[1]
    bar = _status(page, theme, rng) + 0.12 * width
    write(page, (width / 2, bar - 0.06 * width), phrase(rng, 2), 0.045 * width, theme.text, "mm")
    write(page, (0.05 * width, bar - 0.06 * width), "<", 0.06 * width, theme.text, "lm")
    _picture(page, (0, bar, width, width), item, rng)
    _dots(page, (width / 2, bar + 1.03 * width), width / 60, theme, rng)
    column = (0.05 * width, bar + 1.08 * width, 0.9 * width)
    _offer(page, column, width / 22, theme, rng, lines=2)
    _tabs(page, theme, others, rng)
    return _screenshot(page, rng)


@kind("screens", with_others=True)
def listing(item: Pixels, rng: np.random.Generator, others: Pixels) -> bytes:
    """A card of a second-hand market on a dark or light page: seller, picture, price, words."""
    page, theme = _phone(rng)
    width = page.size[1]
    top = _status(page, theme, rng)
    gap = 0.05 * width
    with page.pen(tinted(rng, 60, 200, 40)) as pen:
        pen.ellipse((gap, top + gap / 2, 3 * gap, top + 2.5 * gap), 255)
    write(page, (3.6 * gap, top + 1.5 * gap), phrase(rng, 2), 0.8 * gap, theme.text, "lm")
    side = width - 2 * gap
    _picture(page, (gap, top + 3.5 * gap, side, side), item, rng)
    below = top + 4.2 * gap + side
    write(page, (gap, below), str(rng.choice(PRICES)), 1.3 * gap, theme.text)
    paragraph(page, (gap, below + 2 * gap, side), 3, 0.7 * gap, theme.text, rng)
    _tabs(page, theme, others, rng)
    return _screenshot(page, rng)


@kind("screens")
def chat(item: Pixels, rng: np.random.Generator) -> bytes:
    """A chat: bubbles with words, and one with the picture."""
    page, theme = _phone(rng)
    height, width = page.size
    y = _status(page, theme, rng) + 0.03 * width
    side = 0.72 * width
    for number in range(int(rng.integers(1, 3))):
        y = _bubble(page, y, number % 2 == 0, theme, rng)
    _picture(page, (width - side - 0.04 * width, y, side, side), item, rng)
    y += side + 0.03 * width
    while y < height - 0.3 * width:
        y = _bubble(page, y, bool(rng.random() < 0.5), theme, rng)
    page.rectangle((0, height - 0.13 * width, width, 0.13 * width), theme.bar)
    write(page, (0.06 * width, height - 0.065 * width), "Message", 0.045 * width, theme.text, "lm")
    return _screenshot(page, rng)


@kind("screens")
def image_viewer(item: Pixels, rng: np.random.Generator) -> bytes:
    """A viewer of pictures on a computer: title bar with buttons, the picture, a status bar."""
    width = int(rng.integers(500, 1100))
    height = round(width * rng.uniform(0.65, 0.85))
    theme = _theme(rng)
    page = Canvas.even((height, width), tinted(rng, 20, 60, 4))
    bar = round(height * rng.uniform(0.04, 0.07))
    page.rectangle((0, 0, width, bar), theme.bar)
    name = f"IMG_{int(rng.integers(1000, 9999))}.jpg"
    write(page, (width / 2, bar / 2), name, 0.5 * bar, theme.text, "mm")
    with page.pen(theme.accent) as pen:
        for number in range(3):
            x = (0.6 + 0.9 * number) * bar
            pen.ellipse((x - bar / 5, bar * 0.3, x + bar / 5, bar * 0.7), 255)
    page.rectangle((0, height - bar, width, bar), theme.bar)
    write(page, (bar, height - bar / 2), phrase(rng, 4), 0.5 * bar, theme.text, "lm")
    side = height - 2 * bar - 0.04 * height
    wide = min(side * rng.uniform(1, 1.4), width)
    _picture(page, ((width - wide) / 2, bar + 0.02 * height, wide, side), item, rng)
    return _screenshot(page, rng)


def _theme(rng: np.random.Generator) -> Theme:
    accent = [(220, 60, 40), (20, 110, 220), (30, 140, 80), (20, 20, 20), (250, 190, 30)]
    if rng.random() < 0.3:
        return Theme(tinted(rng, 12, 35, 4), (225, 225, 230), tinted(rng, 30, 55, 4), accent[1])
    bar = (250, 250, 250) if rng.random() < 0.5 else tinted(rng, 210, 250, 20)
    return Theme(tinted(rng, 242, 255, 3), (30, 30, 35), bar, accent[rng.integers(len(accent))])


def _phone(rng: np.random.Generator) -> tuple[Canvas, Theme]:
    width, theme = int(rng.integers(*PHONE_WIDTH)), _theme(rng)
    return Canvas.even((round(width * rng.uniform(*PHONE_RATIO)), width), theme.page), theme


def _picture(page: Canvas, box: Box, item: Pixels, rng: np.random.Generator) -> None:
    """Draws a shop's picture of an item into a box, on white or on a light grey."""
    left, top, width, height = (round(one) for one in box)
    if min(width, height) < 8:
        return
    tones = Tones(tinted(rng, 225, 255, 5), tinted(rng, 5, 80))
    page.rectangle((left, top, width, height), tones.ground)
    side = round(min(width, height) * rng.uniform(0.6, 0.88))
    place = Place(left + (width - side) // 2, top + (height - side) // 2, side)
    page.paint(opacity(item, side, rng), place, tones.ink)


def _header(page: Canvas, theme: Theme, rng: np.random.Generator) -> float:
    """Draws a bar with a name, links and a field to search with; returns its height."""
    height, width = page.size
    bar = height * rng.uniform(0.07, 0.11)
    page.rectangle((0, 0, width, bar), theme.bar)
    write(page, (0.03 * width, bar / 2), str(rng.choice(NAMES)), 0.5 * bar, theme.accent, "lm")
    for number in range(3):
        at = (width * (0.28 + 0.1 * number), bar / 2)
        write(page, at, phrase(rng, 1), 0.26 * bar, theme.text, "lm")
    with page.pen(theme.text, 0.6) as pen:
        pen.rounded_rectangle(
            (0.65 * width, 0.25 * bar, 0.95 * width, 0.75 * bar), bar / 4, None, 255
        )
    write(page, (0.67 * width, bar / 2), "Search", 0.24 * bar, theme.text, "lm", 0.6)
    return bar


def _offer(
    page: Canvas,
    column: tuple[float, float, float],
    size: float,
    theme: Theme,
    rng: np.random.Generator,
    lines: int = 5,
) -> None:
    """Writes a title, a price, lines of text and a button below each other."""
    left, top, width = column
    write(page, (left, top), phrase(rng, 2), 1.3 * size, theme.text)
    write(page, (left, top + 2 * size), str(rng.choice(PRICES)), 1.6 * size, theme.accent)
    paragraph(page, (left, top + 4.5 * size, width), lines, 0.75 * size, theme.text, rng)
    y = top + (5.2 + 1.15 * lines) * size
    with page.pen(theme.accent) as pen:
        pen.rounded_rectangle((left, y, left + 0.8 * width, y + 2 * size), size / 3, 255)
    write(page, (left + 0.4 * width, y + size), "Add to bag", 0.9 * size, theme.on_accent, "mm")


def _status(page: Canvas, theme: Theme, rng: np.random.Generator) -> float:
    """Draws a phone's time, signal and battery; returns the height of that."""
    width = page.size[1]
    size = 0.035 * width
    clock = f"{int(rng.integers(0, 24))}:{int(rng.integers(0, 60)):02}"
    write(page, (0.06 * width, 1.2 * size), clock, size, theme.text, "lm")
    with page.pen(theme.text) as pen:
        pen.rectangle((0.86 * width, 0.8 * size, 0.93 * width, 1.6 * size), None, 255)
        pen.rectangle((0.865 * width, size, 0.9 * width, 1.4 * size), 255)
        for number in range(4):
            x = (0.76 + 0.02 * number) * width
            pen.rectangle((x, (1.5 - 0.2 * number) * size, x + 0.012 * width, 1.6 * size), 255)
    return 2.4 * size


def _tabs(page: Canvas, theme: Theme, others: Pixels, rng: np.random.Generator) -> None:
    """Draws small pictures of other things, if there is room, and a bar with tabs below them."""
    height, width = page.size
    bar = 0.13 * width
    room = height - bar - 1.72 * width
    if room > 0.14 * width:
        small = min(room, 0.28 * width)
        for number in range(3):
            box = ((0.04 + 0.32 * number) * width, height - bar - small, small, small * 0.95)
            _picture(page, box, others[rng.integers(len(others))], rng)
    page.rectangle((0, height - bar, width, bar), theme.bar)
    with page.pen(theme.text) as pen:
        for number in range(4):
            x, y = width * (0.125 + 0.25 * number), height - bar / 2
            shape = pen.ellipse if number % 2 else pen.rectangle
            shape(
                (x - bar / 6, y - bar / 6, x + bar / 6, y + bar / 6),
                None,
                255,
                max(1, int(bar / 20)),
            )


def _dots(
    page: Canvas, centre: tuple[float, float], radius: float, theme: Theme, rng: np.random.Generator
) -> None:
    with page.pen(theme.accent) as pen:
        count = int(rng.integers(3, 7))
        for number in range(count):
            x, y = centre[0] + (number - count / 2) * 3 * radius, centre[1]
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255 if number else 128)


def _bubble(page: Canvas, y: float, ours: bool, theme: Theme, rng: np.random.Generator) -> float:
    """Draws a bubble with some words; returns where the next begins."""
    width = page.size[1]
    size = 0.042 * width
    words = phrase(rng, int(rng.integers(2, 5)))
    wide = min(font(round(size)).getlength(words) + 2 * size, 0.8 * width)
    left = width - wide - 0.04 * width if ours else 0.04 * width
    with page.pen(theme.accent if ours else tinted(rng, 150, 225)) as pen:
        pen.rounded_rectangle((left, y, left + wide, y + 2.2 * size), size, 255)
    ink = theme.on_accent if ours else (20, 20, 20)
    write(page, (left + size, y + 1.1 * size), words, size, ink, "lm")
    return y + 2.8 * size


def _screenshot(page: Canvas, rng: np.random.Generator) -> bytes:
    return png(page.pixels) if rng.random() < 0.7 else jpeg(page.pixels, int(rng.integers(70, 92)))
