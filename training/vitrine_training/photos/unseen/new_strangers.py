"""Pictures of ten more natures, thought of later than the strangers and apart from them.

A person sees the item at once in each of them.
"""

import numpy as np
from PIL import Image, ImageFilter

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import (
    Canvas,
    Colour,
    Floats,
    Place,
    Size,
    Tones,
    body,
    even,
    inside,
    layer,
    opacity,
    soften,
    some_place,
    some_size,
    some_tones,
    still,
    tinted,
)
from vitrine_training.photos.encoding import file, jpeg, to_image
from vitrine_training.photos.kinds import kind
from vitrine_training.photos.lettering import NAMES, PRICES, paragraph, phrase, write

CHECK_PX = 7, 26
"""The side of a square that stands for transparency, in pixels of 600."""

ROPE_PX = 2, 5
PEG_PX = 9, 15
"""The width of a washing line and of a peg, in pixels of 600."""
CLOUDS = 0, 5

KEYSTONE = 0.0, 0.09
"""How far each corner of a projected slide is moved, over the sides of the picture."""
AMBIENT = 0.10, 0.30
"""How bright the wall is where a projector throws no light, over where it throws white."""

PRINTED_DOTS = 90, 200
"""How many dots of a receipt printer are side by side over the item."""

NIGHT_SIDES = 200, 360
"""The longer side of a night camera's picture, in pixels, before it is enlarged."""
NIGHT_NOISE = 3, 12
"""Its noise, in levels of 255."""
NIGHT_HUES: tuple[Colour, ...] = (0.35, 1.0, 0.45), (0.95, 1.0, 0.97), (0.8, 0.9, 1.0)

PIECES = 4, 9
"""How many pieces of a jigsaw are along the shorter side of the picture."""
CUT_DEPTH = 0.3, 0.65

SMEARS = 3, 9
CHALK_HOLES = 0.10, 0.35
"""How much of the board shows through chalk."""

STICKER_TURN = -20, 20
"""In degrees."""

STITCHES = 28, 44
"""How many stitches are side by side over the item."""
STITCH_PX = 6, 11
"""The side of a stitch, in pixels of the picture."""

REFLECTIONS = 4, 10
REFLECTION_LEVELS = 12, 45
"""How much light a thing in the street adds to the scene behind the glass, in levels of 255."""


@kind("new-strangers")
def checkerboard(item: Pixels, rng: np.random.Generator) -> bytes:
    """A cut-out item over the grey squares that programs show where a picture is transparent."""
    size = some_size(rng)
    dark = rng.random() < 0.3
    low = rng.uniform(40, 70) if dark else rng.uniform(190, 220)
    high = low + 35
    side = max(size) / 600 * rng.uniform(*CHECK_PX)
    rows, columns = np.ogrid[: size[0], : size[1]]
    odd = (rows // side + columns // side) % 2
    photo = Canvas.even(size, (low, low, low))
    photo.pixels += ((high - low) * odd)[..., None].astype(np.float32)
    place, tones = some_place(size, rng, (0.5, 0.92)), _facing(rng, dark)
    photo.lay(opacity(item, place.side, rng), place, tones)
    return file(photo.pixels, rng)


@kind("new-strangers")
def washing_line(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that hangs by two pegs from a line under the sky."""
    size, deep = some_size(rng), rng.random() < 0.35
    photo = _sky(size, deep, rng)
    px = photo.px(1)
    place = some_place(size, rng, (0.5, 0.8))
    photo.lay(opacity(item, place.side, rng), place, _facing(rng, deep))
    seen = item > 60
    top = int(np.argmax(seen.any(axis=1)))
    columns = np.flatnonzero(seen[top : top + 3].any(axis=0))
    columns = columns if columns.size else np.array([0, 27])  # of a line on which nothing hangs
    y, scale = place.top + top * place.side / 28, place.side / 28
    ends = y - rng.uniform(0, 0.12, 2) * size[0]
    xs = [place.left + (column + 0.5) * scale for column in (columns[0] + 0.5, columns[-1] - 0.5)]
    image, pen = layer(size)
    points = [(0.0, float(ends[0])), (xs[0], y), (xs[1], y), (float(size[1]), float(ends[1]))]
    pen.line(points, 255, max(1, round(px * rng.uniform(*ROPE_PX))), "curve")
    photo.cover(image, tinted(rng, 200, 250) if deep else tinted(rng, 60, 130))
    wide, colour = px * rng.uniform(*PEG_PX), tuple(rng.uniform((150, 60, 30), (230, 190, 140)))
    for x in xs:
        photo.rectangle((x - wide / 2, y - 1.5 * wide, wide, 3.5 * wide), colour)
        photo.rectangle((x - wide / 2, y - 0.2 * wide, wide, 0.4 * wide), (110, 110, 115))
    photo.grain(rng, rng.uniform(1, 5))
    return file(photo.pixels, rng)


@kind("new-strangers")
def projector(item: Pixels, rng: np.random.Generator) -> bytes:
    """A slide with the item that a projector throws askew on the wall of a dim room."""
    made = still(item, rng, sides=(360, 800), shares=(0.55, 0.85))
    height, width = made.size
    if rng.random() < 0.6:
        at = made.px(14), made.px(10)
        write(made, at, phrase(rng, 3), made.px(26), made.tones.ink, "la", 0.8)
    edge = rng.uniform(0.05, 0.14)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    inward = np.where(square == 0, 1, -1) * (edge + rng.uniform(*KEYSTONE, (4, 2)))
    corners = (square + inward) * (width, height)
    back = _perspective(corners, square * (width, height))
    slide = to_image(made.pixels).transform(
        (width, height), Image.Transform.PERSPECTIVE, back, Image.Resampling.BILINEAR
    )
    light = np.asarray(slide, np.float32) / 255
    glow = soften(light.mean(axis=2), made.px(40))[..., None]
    room, wall = rng.uniform(*AMBIENT), np.asarray(tinted(rng, 215, 250), np.float32)
    photo = Canvas(wall * (room + (1 - room) * (0.9 * light + 0.1 * glow)))
    photo.grain(rng, rng.uniform(2, 7))
    return jpeg(photo.pixels, int(rng.integers(70, 92)))


@kind("new-strangers")
def receipt(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item printed in black dots on a shop's receipt, over its price and its bar code."""
    size = some_size(rng, (400, 900), ((2, 3), (3, 4), (1, 1)))
    (height, width), px = size, max(size) / 600
    photo, ink = Canvas.even(size, tinted(rng, 40, 130, 25)), tinted(rng, 20, 75)
    left, wide = width * 0.08, width * 0.84
    photo.rectangle((left, 0, wide, height), tinted(rng, 225, 250, 4))
    side, dots = round(min(0.8 * wide, 0.56 * height)), int(rng.integers(*PRINTED_DOTS))
    level = Image.fromarray(255 - item).resize((dots, dots), Image.Resampling.BICUBIC)
    dithered = level.convert("1").convert("L").resize((side, side), Image.Resampling.BOX)
    middle, top = left + wide / 2, round(0.14 * height)
    place = Place(round(middle - side / 2), top, side)
    photo.paint(1 - np.asarray(dithered, np.float32) / 255, place, ink)
    write(photo, (middle, 0.075 * height), str(rng.choice(NAMES)), 34 * px, ink, "mm")
    below = top + side + 0.03 * height
    write(photo, (middle, below), str(rng.choice(PRICES)), 26 * px, ink, "ma")
    paragraph(photo, (left + 0.08 * wide, below + 34 * px, 0.84 * wide), 2, 14 * px, ink, rng)
    for x in np.flatnonzero(rng.random(60) < 0.5):
        bar = left + wide * (0.1 + 0.8 * x / 60), height - 52 * px, 0.8 * wide / 60, 40 * px
        photo.rectangle(bar, ink)
    photo.pixels *= (1 - 0.06 * np.sin(np.linspace(0, rng.uniform(4, 12), height)))[:, None, None]
    photo.grain(rng, rng.uniform(1, 5))
    return file(photo.pixels, rng)


@kind("new-strangers")
def night_camera(item: Pixels, rng: np.random.Generator) -> bytes:
    """A frame from a camera that sees by its own infrared light, with lines and the time."""
    size = height, width = some_size(rng, NIGHT_SIDES, ((4, 3), (16, 9), (1, 1)))
    light = rng.random() < 0.6
    tones = Tones((60, 60, 60), (235, 235, 235)) if light else Tones((190, 190, 190), (25, 25, 25))
    photo, place = Canvas.even(size, tones.ground), some_place(size, rng, (0.55, 0.85))
    photo.paint(opacity(item, place.side, rng), place, tones.ink)
    rows, columns = np.ogrid[:height, :width]
    y, x = place.top + place.side / 2, place.left + place.side / 2
    away = np.hypot(rows - y, columns - x) / max(size)
    photo.pixels *= (0.55 + 0.5 * np.exp(-5 * away**2))[..., None]
    photo.pixels[::2] *= rng.uniform(0.82, 0.97)
    photo.grain(rng, rng.uniform(*NIGHT_NOISE))
    photo.pixels *= np.asarray(NIGHT_HUES[rng.integers(len(NIGHT_HUES))], np.float32)
    hour, minute, second = (int(rng.integers(limit)) for limit in (6, 60, 60))
    clock = f"CAM {rng.integers(1, 9)}  0{hour}:{minute:02}:{second:02}"
    at = 0.03 * width, (0.03 if rng.random() < 0.5 else 0.92) * height
    write(photo, at, clock, max(9, 0.06 * height), (235, 245, 235))
    times = int(rng.integers(1, 4))
    return jpeg(photo.pixels.repeat(times, 0).repeat(times, 1), int(rng.integers(55, 85)))


@kind("new-strangers")
def jigsaw(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item on a finished jigsaw, whose pieces hold one another by knobs."""
    made = still(item, rng, sides=(360, 900), shares=(0.6, 0.92))
    height, width = made.size
    about = min(height, width) / rng.uniform(*PIECES)
    down, along = max(2, round(height / about)), max(2, round(width / about))
    dark, pen = layer((height, width))
    line = max(1, round(made.px(1.6)))
    for row in range(down + 1):
        for column in range(along + 1):
            start = np.array([column * width / along, row * height / down])
            if column < along and 0 < row < down:
                pen.line(
                    _knobbed(start, np.add(start, (width / along, 0)), rng), 255, line, "curve"
                )
            if row < down and 0 < column < along:
                pen.line(
                    _knobbed(start, np.add(start, (0, height / down)), rng), 255, line, "curve"
                )
    strength, moved = rng.uniform(*CUT_DEPTH), Image.new("L", dark.size)
    moved.paste(dark, (line, line))
    made.cover(moved, (255, 255, 255), 0.5 * strength)
    made.cover(dark, (15, 15, 15), strength)
    return file(made.pixels, rng)


@kind("new-strangers")
def chalkboard(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item in chalk on a board that was wiped before, with a few words in chalk."""
    size = height, width = some_size(rng)
    green = rng.random() < 0.6
    photo = Canvas.even(
        size, (35, rng.uniform(65, 90), rng.uniform(55, 70)) if green else (42, 43, 46)
    )
    wiped = np.zeros(size, np.float32)
    for _ in range(rng.integers(*SMEARS, endpoint=True)):
        image, pen = layer(size)
        ends = rng.uniform((-0.2, -0.2), (1.2, 1.2), (2, 2)) * (width, height)
        pen.line([(x, y) for x, y in ends.tolist()], 255, round(min(size) * rng.uniform(0.1, 0.3)))
        wiped += rng.uniform(0.04, 0.11) * (np.asarray(image, np.float32) / 255)
    photo.pixels += 130 * soften(wiped, min(size) / 30)[..., None]
    place = some_place(size, rng, (0.5, 0.82))
    small = rng.random((max(2, place.side // 2),) * 2, np.float32)
    rough = np.asarray(Image.fromarray(small).resize((place.side,) * 2, Image.Resampling.BILINEAR))
    held = np.clip(1 - 4 * np.clip(rng.uniform(*CHALK_HOLES) + 0.15 - rough, 0, 0.2), 0, 1)
    chalk = tuple(rng.uniform((215, 205, 190), (250, 250, 250)))
    photo.paint(opacity(item, place.side, rng) * held * 0.95, place, chalk)
    if rng.random() < 0.6:
        y = 0.03 * height if place.top > height / 8 else 0.91 * height
        write(photo, (0.05 * width, y), phrase(rng, 2), 0.06 * height, chalk, "la", 0.75)
    photo.grain(rng, rng.uniform(2, 6))
    return file(photo.pixels, rng)


@kind("new-strangers")
def sticker(item: Pixels, rng: np.random.Generator) -> bytes:
    """A sticker cut round the item with a white edge, on something of any colour."""
    size = some_size(rng)
    photo = Canvas.even(size, tuple(rng.uniform(20, 200, 3)))
    photo.pixels *= np.linspace(rng.uniform(0.85, 1), rng.uniform(1, 1.15), size[1])[:, None]
    place = some_place(size, rng, (0.6, 0.92))
    padded = np.pad(item, 4)
    wide = Image.fromarray(np.where(padded > 12, 255, 0).astype(np.uint8))
    wide = wide.filter(ImageFilter.MaxFilter(int(rng.choice([3, 5]))))
    angle, sides = rng.uniform(*STICKER_TURN), (place.side, place.side)
    around, alpha = (
        np.asarray(one.resize(sides, Image.Resampling.BICUBIC).rotate(angle), np.float32) / 255
        for one in (wide.filter(ImageFilter.GaussianBlur(0.8)), Image.fromarray(padded))
    )
    cut = np.clip((around - 0.45) * place.side / 24, 0, 1)
    low = max(1, round(place.side / 90))
    shade = Place(place.left + low, place.top + low, place.side)
    photo.paint(0.5 * soften(cut, low), shade, (10, 10, 10))
    photo.paint(cut, place, (250, 250, 250))
    photo.paint(alpha, place, tuple(rng.uniform(5, 90, 3)))
    photo.grain(rng, rng.uniform(0, 4))
    return file(photo.pixels, rng)


@kind("new-strangers")
def cross_stitch(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item stitched in crosses of a few threads on cloth with holes, in a wooden hoop."""
    count, cell = int(rng.integers(*STITCHES)), int(rng.integers(*STITCH_PX))
    cells = round(count * rng.uniform(1.45, 1.7))
    side, start = cells * cell, (cells - count) // 2
    small = Image.fromarray(item).resize((count, count), Image.Resampling.BICUBIC)
    threads = np.zeros((cells, cells), np.float32)
    threads[start : start + count, start : start + count] = np.rint(np.asarray(small) / 51) / 5
    level = threads.repeat(cell, 0).repeat(cell, 1)
    tones = some_tones(rng)
    ground, ink = (np.asarray(one, np.float32) for one in tones)
    rows, columns = ((one % cell / cell).astype(np.float32) for one in np.ogrid[:side, :side])
    holes = (abs(rows - 0.5) > 0.38) & (abs(columns - 0.5) > 0.38)
    photo = even((side, side), tones.ground) * np.where(holes, np.float32(0.78), 1)[..., None]
    across = np.minimum(abs(rows - columns), abs(rows + columns - 1 + 0.5 / cell))
    thread = np.clip((0.36 - across) * 8, 0, 1) * (level > 0)
    colour = (ground + level[..., None] * (ink - ground)) * (1.1 - 0.5 * across)[..., None]
    photo += thread[..., None] * (colour - photo)
    return file(_hooped(photo, rng), rng)


@kind("new-strangers")
def shop_window(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item on a plinth behind the glass of a shop, in which the street is reflected."""
    size = height, width = some_size(rng)
    tones = some_tones(rng)
    photo, place = Canvas.even(size, tones.ground), some_place(size, rng, (0.5, 0.78))
    low = place.top + place.side * (1 - np.argmax(item[::-1].max(axis=1) > 40) / 28)
    plinth = np.asarray(tones.ground) * 0.82 + 12
    photo.rectangle((place.left - 0.1 * place.side, low, 1.2 * place.side, height), tuple(plinth))
    photo.paint(opacity(item, place.side, rng), place, tones.ink)
    light = np.zeros(size, np.float32)
    for _ in range(rng.integers(*REFLECTIONS, endpoint=True)):
        image, pen = layer(size)
        (x, y), half = rng.uniform((0, 0), (width, height)), min(size) * rng.uniform(0.02, 0.09)
        if rng.random() < 0.5:
            pen.ellipse((x - half, y - half, x + half, y + half), 255)
        else:  # a house, or a window of one
            pen.rectangle((x - 1.5 * half, y, x + 1.5 * half, y + height), 180)
        light += rng.uniform(*REFLECTION_LEVELS) / 255 * (np.asarray(image, np.float32) / 255)
    light = soften(np.minimum(light, 0.4), min(size) / 150)
    photo.pixels += light[..., None] * np.asarray(tinted(rng, 220, 255, 30), np.float32)
    at, letters = (width / 2, 0.07 * height), str(rng.choice(("SALE", "SHOP", "NEW IN", "-50%")))
    write(photo, at, letters, 0.1 * height, (200, 30, 40), "mm", 0.85)
    photo.grain(rng, rng.uniform(1, 5))
    return file(photo.pixels, rng)


def _facing(rng: np.random.Generator, dark: bool) -> Tones:
    """Tones of an item that stands out from a dark ground, or from a light one."""
    if dark:
        return Tones(tinted(rng, 90, 130), tinted(rng, 215, 250))
    return Tones(tinted(rng, 140, 175), tinted(rng, 5, 60))


def _sky(size: Size, deep: bool, rng: np.random.Generator) -> Canvas:
    """A sky that is paler below, with soft clouds if it is bright."""
    high = np.array([40, 80, 140]) if deep else np.array([130, 185, 235])
    low = high + (25 if deep else 60)
    share = np.linspace(0, 1, size[0])[:, None, None]
    photo = np.tile(high + share * (low - high), (1, size[1], 1)).astype(np.float32)
    for _ in range(0 if deep else rng.integers(*CLOUDS, endpoint=True)):
        image, pen = layer(size)
        x, y = rng.uniform((0, 0), (size[1], size[0]))
        puffs = rng.uniform((-0.2, -0.03, 0.04), (0.2, 0.03, 0.1), (5, 3)) * max(size)
        for dx, dy, radius in puffs.tolist():
            pen.ellipse((x + dx - radius, y + dy - radius, x + dx + radius, y + dy + radius), 255)
        alpha = soften(np.asarray(image, np.float32) / 255, max(size) / 40)
        photo += rng.uniform(0.4, 0.8) * alpha[..., None] * (np.float32(250) - photo)
    return Canvas(photo)


def _perspective(seen: Floats, drawn: Floats) -> list[float]:
    """Pillow's coefficients for the transform of the four corners `drawn` to those `seen`."""
    lines = []
    for (x, y), (u, v) in zip(seen, drawn, strict=True):
        lines += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return [float(one) for one in np.linalg.solve(np.array(lines), drawn.ravel())]


def _knobbed(start: Floats, end: Floats, rng: np.random.Generator) -> list[tuple[float, float]]:
    """A side of a jigsaw's piece: a line with a round knob near its middle."""
    turns = np.linspace(1.3 * np.pi, -0.3 * np.pi, 14)
    middle, radius = rng.uniform(0.44, 0.56), rng.uniform(0.09, 0.12)
    along = np.concatenate([[0], middle + radius * np.cos(turns), [1]])
    beside = np.concatenate([[0], radius * (0.95 + np.sin(turns)), [0]]) * rng.choice([-1, 1])
    forward = end - start
    points = start + along[:, None] * forward + beside[:, None] * (-forward[1], forward[0])
    return [(float(x), float(y)) for x, y in points]


def _hooped(cloth: Floats, rng: np.random.Generator) -> Floats:
    """Puts cloth into a round wooden hoop, on a table."""
    side = len(cloth)
    edge = round(side * rng.uniform(0.02, 0.12))
    photo = Canvas.even((side + 2 * edge, side + 2 * edge), tinted(rng, 60, 220, 25))
    image, pen = layer((side, side))
    pen.ellipse((0, 0, side - 1, side - 1), 255)
    region, seen = inside(
        photo.pixels, body(np.asarray(image, np.float32) / 255), Place(edge, edge, side)
    )
    region += seen[..., None] * (cloth - region)
    ring, pen = layer(photo.size)
    box = edge, edge, edge + side - 1, edge + side - 1
    pen.ellipse(box, None, 255, max(3, round(side * rng.uniform(0.02, 0.035))))
    photo.cover(ring, tuple(np.array([1, 0.8, 0.55]) * rng.uniform(150, 225)))
    photo.grain(rng, rng.uniform(1, 5))
    return photo.pixels
