"""Drawings and scans: outlines, washes, pencil, one bit a pixel.

A pencil's outline and one-bit dithering lose the item's tones, by which the classes are known.
"""

import numpy as np
from PIL import Image, ImageFilter

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import (
    Canvas,
    Floats,
    Place,
    Tones,
    opacity,
    some_place,
    some_size,
    still,
    tinted,
)
from vitrine_training.photos.encoding import encode, file
from vitrine_training.photos.kinds import kind

LINE_PX = 1, 4
"""The width of an outline, in pixels of 600."""

WASH = 0.35, 0.70
"""How much of its tone an item keeps inside an outline."""

THRESHOLD = 0.15, 0.35
"""Opacity from which on a scan of one bit a pixel is black."""

SCAN_SIDES = 400, 1200


@kind("drawings")
def outline_and_wash(item: Pixels, rng: np.random.Generator) -> bytes:
    """A thin line round the item, whose inside is a wash of its tones."""
    size = some_size(rng)
    place, wash = some_place(size, rng), rng.uniform(*WASH)
    alpha, line = _drawn(item, place, size, rng)
    return _on_paper(np.maximum(wash * alpha, line * rng.uniform(0.8, 1)), place, size, rng)


@kind("drawings")
def flat_drawing(item: Pixels, rng: np.random.Generator) -> bytes:
    """The item in five tones, as a clip art has it, with a thin outline."""
    size = some_size(rng)
    place = some_place(size, rng)
    alpha, line = _drawn(item, place, size, rng)
    return _on_paper(np.maximum(np.rint(alpha * 4) / 4, line), place, size, rng)


@kind("drawings")
def hatched(item: Pixels, rng: np.random.Generator) -> bytes:
    """Close strokes of a pen, all in one direction, thicker where the item is darker."""
    size = some_size(rng, (500, 1000))
    place = some_place(size, rng, (0.5, 0.85))
    alpha, line = _drawn(item, place, size, rng)
    rows, columns = np.ogrid[: place.side, : place.side]
    angle, gap = rng.uniform(0, np.pi), place.side / rng.uniform(50, 80)
    wave = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / gap)
    strokes = np.clip((2 * alpha - 1 - wave) * 4 + 0.5, 0, 1) * (alpha > 0.04)
    return _on_paper(np.maximum(strokes, line).astype(np.float32), place, size, rng)


@kind("drawings")
def threshold_scan(item: Pixels, rng: np.random.Generator) -> bytes:
    """A scan of one bit a pixel, black on white, in a PNG or a TIFF file as faxes are."""
    plane = still(item, rng, sides=SCAN_SIDES, tones=Tones((0,) * 3, (1,) * 3)).pixels[..., 0]
    bits = Image.fromarray(plane < rng.uniform(*THRESHOLD))
    if rng.random() < 0.5:
        return encode(bits, "PNG")
    return encode(bits, "TIFF", compression="group4")


@kind("drawings", leaves_item_visible=False)
def dithered_scan(item: Pixels, rng: np.random.Generator) -> bytes:
    """A scan of one bit a pixel, whose greys are made of scattered dots."""
    tones = Tones((255,) * 3, (rng.uniform(0, 40),) * 3)
    plane = still(item, rng, sides=(240, 700), tones=tones).pixels[..., 0]
    return encode(Image.fromarray(np.rint(plane).astype(np.uint8)).convert("1"), "PNG")


@kind("drawings", leaves_item_visible=False)
def pencil_outline(item: Pixels, rng: np.random.Generator) -> bytes:
    """A pencil's line along the item's edges, uneven, and nothing inside."""
    size = some_size(rng)
    place = some_place(size, rng)
    _, line = _drawn(item, place, size, rng)
    uneven = rng.uniform(0.5, 1, line.shape)
    return _on_paper(line * uneven, place, size, rng)


def _drawn(
    item: Pixels, place: Place, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Returns the item's opacity and that of a line along its outer edges, both 0..1."""
    alpha = opacity(item, place.side, rng)
    width = max(1, round(max(size) / 600 * rng.uniform(*LINE_PX)))
    body = Image.fromarray(np.pad(255 * (alpha > 0.12).astype(np.uint8), width + 1))
    shrunk = body.filter(ImageFilter.BoxBlur(width)).point(lambda level: 255 * (level > 250))
    edge = (np.asarray(body, np.float32) - np.asarray(shrunk, np.float32)) / 255
    return alpha, edge[width + 1 : -width - 1, width + 1 : -width - 1]


def _on_paper(ink: Floats, place: Place, size: tuple[int, int], rng: np.random.Generator) -> bytes:
    """Draws in dark ink on light paper."""
    photo = Canvas.even(size, tinted(rng, 225, 255, 6))
    photo.paint(ink.astype(np.float32), place, tinted(rng, 0, 60))
    photo.grain(rng, rng.uniform(0, 2))
    return file(photo.pixels, rng)
