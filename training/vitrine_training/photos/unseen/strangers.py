"""Pictures that were thought of apart from all the others, to measure unforeseen ones.

A person sees the item at once in each of them.
"""

import numpy as np
from PIL import Image, ImageDraw

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
from vitrine_training.photos.encoding import file, jpeg
from vitrine_training.photos.kinds import kind
from vitrine_training.photos.lettering import font, paragraph, phrase, write

BLADE_PX = 12, 40
"""The length of a blade of grass, in pixels of 600."""
BLADES = 2.0
"""How often the blades cover the ground."""

TILE_PX = 60, 200
JOINT_PX = 2, 7
"""The side of a tile and the width of the gap between two, in pixels of 600."""
TILE_LEVELS = 2, 9
"""The deviation of a tile from the next, in levels of 255."""

TABLE = 0.05, 0.12
WALLS = 0.05, 0.10
"""The table round a box and the box's walls from above, over the picture's shorter side."""

GLINTS = 5, 14
GLINT_STRENGTH = 0.35, 0.85
HAZE = 0.06, 0.20
"""How much white a clear bag lays over everything in it."""

LINE_PX = 2.0, 5.0
"""From one line of a television to the next, in pixels of the picture."""
LINE_DEPTH = 0.08, 0.30
MOIRE = 0.03, 0.12
"""How much darker it is between the lines, and in the bands that the camera makes of them."""

DOT_PX = 4, 7
"""From one dot of a printed photo to the next, in pixels of 600."""

PEN_PX = 3, 9
"""The width of the pen, in pixels of 600."""
PENS: tuple[Colour, ...] = (230, 30, 40), (250, 220, 30), (40, 190, 70), (30, 90, 230), (0, 0, 0)

LETTERS = 0.08, 0.13
"""The height of a meme's letters, over the height of the picture."""

RULER = 0.09, 0.14
COIN = 0.08, 0.13
"""The width of a ruler and of a coin, over the picture's shorter side."""
MILLIMETRE_PX = 2.2, 4.5
"""In pixels of 600."""

GAP_PX = 3, 14
"""Between the pictures of a collage, in pixels of 600."""
BESIDE = 0.28, 0.38
"""The width of the small pictures of a collage, over that of all of it."""


@kind("strangers")
def grass(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item that lies on a lawn in the sun."""
    size = some_size(rng)
    green = np.array([rng.uniform(70, 110), rng.uniform(110, 150), rng.uniform(30, 70)])
    image = Image.new("RGB", (size[1], size[0]), tuple(int(one) for one in 0.6 * green))
    pen, px = ImageDraw.Draw(image), max(size) / 600
    width, mean = max(1, round(2 * px)), px * sum(BLADE_PX) / 2
    count = round(BLADES * size[0] * size[1] / (width * mean))
    roots = rng.uniform((0, 0), (size[1], size[0]), (count, 2))
    angles, lengths = rng.normal(-np.pi / 2, 0.7, count), px * rng.uniform(*BLADE_PX, count)
    tips = roots + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    colours = np.clip(green * rng.uniform(0.6, 1.35, (count, 1)), 0, 255).astype(int)
    for root, tip, colour in zip(roots.tolist(), tips.tolist(), colours.tolist(), strict=True):
        pen.line((*root, *tip), tuple(colour), width)
    photo = Canvas(np.asarray(image, np.float32).copy())
    _put_down(photo, item, some_place(size, rng), _against(rng, dark=rng.random() < 0.4), rng)
    return file(photo.pixels, rng)


@kind("strangers")
def tiles(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item on a floor of tiles or bricks, whose joints run at any angle."""
    size = some_size(rng)
    px = max(size) / 600
    dark = rng.random() < 0.35
    ground = tinted(rng, 60, 100, 25) if dark else tinted(rng, 160, 225, 20)
    joint = tinted(rng, 120, 170) if rng.random() < 0.5 else tinted(rng, 60, 110)
    tall, angle = px * rng.uniform(*TILE_PX), rng.uniform(-0.8, 0.8)
    long, shift = tall * rng.choice([1, 1, 2, 3]), rng.choice([0, 0.5])
    rows, columns = np.ogrid[: size[0], : size[1]]
    down = (rows * np.cos(angle) - columns * np.sin(angle)) / tall
    along = (rows * np.sin(angle) + columns * np.cos(angle)) / long + shift * (np.floor(down) % 2)
    levels = rng.normal(0, rng.uniform(*TILE_LEVELS), (97, 97))
    photo = Canvas.even(size, ground)
    photo.pixels += levels[np.floor(down).astype(int) % 97, np.floor(along).astype(int) % 97][
        ..., None
    ]
    width = px * rng.uniform(*JOINT_PX)
    photo.pixels[((down % 1) * tall < width) | ((along % 1) * long < width)] = joint
    photo.grain(rng, rng.uniform(1, 5))
    _put_down(photo, item, some_place(size, rng), _against(rng, dark=not dark), rng)
    return file(photo.pixels, rng)


@kind("strangers")
def parcel(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item in the cardboard box that it came in, seen from above; perhaps on tissue paper."""
    size = some_size(rng, shapes=((1, 1), (4, 3), (3, 4), (5, 4)))
    (height, width), short = size, min(size)
    photo = Canvas.even(size, tinted(rng, 40, 220, 25))
    brown = np.array([1, 0.8, 0.6]) * rng.uniform(170, 220)
    outer = short * rng.uniform(*TABLE)
    inner = outer + short * rng.uniform(*WALLS)
    corners, bottoms = (
        [(edge, edge), (width - edge, edge), (width - edge, height - edge), (edge, height - edge)]
        for edge in (outer, inner)
    )
    for number, shade in enumerate(rng.permutation([0.55, 0.7, 0.85, 0.95])):
        with photo.pen(tuple(brown * shade)) as pen:
            after = (number + 1) % 4
            pen.polygon([corners[number], corners[after], bottoms[after], bottoms[number]], 255)
    tissue = rng.random() < 0.5
    floor = (inner, inner, width - 2 * inner, height - 2 * inner)
    photo.rectangle(floor, tinted(rng, 215, 245, 5) if tissue else tuple(brown * 0.9))
    for _ in range(rng.integers(12, 30) if tissue else 0):  # facets of creased paper
        image, pen = layer(size)
        points = rng.uniform((inner, inner), (width - inner, height - inner), (3, 2)).tolist()
        pen.polygon([(x, y) for x, y in points], 255)
        photo.cover(image, (255, 255, 255) if rng.random() < 0.5 else (170, 170, 175), 0.12)
    side = round((short - 2 * inner) * rng.uniform(0.75, 0.98))
    place = Place((width - side) // 2, (height - side) // 2, side)
    _put_down(photo, item, place, _against(rng, dark=tissue or rng.random() < 0.6), rng)
    return file(photo.pixels, rng)


@kind("strangers")
def plastic_bag(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item in a clear plastic bag, with its seams, its haze and its glints."""
    photo = still(item, rng, shares=(0.4, 0.75))
    place, size = photo.place, photo.size
    edge, above = place.side * rng.uniform(0.04, 0.14, 2)
    left, right = place.left - edge, place.left + place.side + edge
    top, bottom = place.top - above, place.top + place.side + edge
    with photo.pen((245, 248, 252), rng.uniform(*HAZE)) as pen:
        pen.rounded_rectangle((left, top, right, bottom), photo.px(10), 255)
    with photo.pen((250, 250, 250), rng.uniform(0.4, 0.8)) as pen:
        line = max(1, round(photo.px(2)))
        pen.rounded_rectangle((left, top, right, bottom), photo.px(10), None, 255, line)
        pen.line((left, top + photo.px(14), right, top + photo.px(14)), 255, line)
    for _ in range(rng.integers(GLINTS[0], GLINTS[1], endpoint=True)):
        image, pen = layer(size)
        x, y = rng.uniform((left, top), (right, bottom))
        angle, length = rng.uniform(0, np.pi), place.side * rng.uniform(0.06, 0.35)
        thick, along = photo.px(rng.uniform(1.5, 6)), np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * thick
        tips = [length * along, across + 0.2 * length * along, -length * along, -0.4 * across]
        pen.polygon([(float(x + dx), float(y + dy)) for dx, dy in tips], 255)
        photo.cover(image, (255, 255, 255), rng.uniform(*GLINT_STRENGTH))
    return file(photo.pixels, rng)


@kind("strangers")
def television(item: Pixels, rng: np.random.Generator) -> bytes:
    """A photo of a television: its lines, the bands that a camera makes of them, a reflection."""
    shapes = (16, 9), (16, 9), (4, 3)
    photo = still(item, rng, sides=(400, 900), shares=(0.5, 0.85), shapes=shapes)
    height, width = photo.size
    rows, columns = np.ogrid[:height, :width]
    lines = 0.5 + 0.5 * np.cos(2 * np.pi * rows / rng.uniform(*LINE_PX))
    photo.pixels *= (1 - rng.uniform(*LINE_DEPTH) * lines)[..., None]
    angle, waves, bend = rng.uniform(0, np.pi), rng.uniform(5, 18), rng.uniform(0.2, 1.5)
    bands = waves * (columns * np.cos(angle) + rows * np.sin(angle)) / max(height, width)
    bands = bands + bend * np.sin(2 * np.pi * rows / height) * np.sin(np.pi * columns / width)
    strength = rng.uniform(*MOIRE)
    for channel, late in enumerate(rng.uniform(0, 0.5, 3)):
        photo.pixels[..., channel] *= 1 + strength * np.sin(2 * np.pi * (bands + late))
    photo.pixels *= np.array([0.92, 1, 1.08], np.float32)
    image, pen = layer((height, width))
    x, y, half = *rng.uniform((0, 0), (width, height)), min(height, width) * rng.uniform(0.05, 0.15)
    pen.rectangle((x - half, y - 0.7 * half, x + half, y + 0.7 * half), 255)
    light = soften(np.asarray(image, np.float32) / 255, half / 4)  # a window, reflected
    photo.pixels += rng.uniform(20, 60) * light[..., None]
    bezel = round(min(height, width) * rng.uniform(0.02, 0.06))
    room = Canvas.even((height + 6 * bezel, width + 6 * bezel), tinted(rng, 30, 170))
    room.pixels[2 * bezel : -2 * bezel, 2 * bezel : -2 * bezel] = 18
    room.pixels[3 * bezel : -3 * bezel, 3 * bezel : -3 * bezel] = photo.pixels
    room.grain(rng, rng.uniform(1, 5))
    return jpeg(room.pixels, int(rng.integers(70, 92)))


@kind("strangers")
def newspaper(item: Pixels, rng: np.random.Generator) -> bytes:
    """A photo printed in a newspaper as dots, with a headline and some of the article."""
    tones = Tones(tinted(rng, 205, 250), tinted(rng, 5, 60))
    made = still(item, rng, sides=(500, 800), shares=(0.6, 0.88), tones=tones)
    height, width = made.size
    pitch, turn = made.px(rng.uniform(*DOT_PX)), np.pi / 4
    rows, columns = np.ogrid[:height, :width]
    across = 2 * np.pi * (columns * np.cos(turn) + rows * np.sin(turn)) / pitch
    down = 2 * np.pi * (rows * np.cos(turn) - columns * np.sin(turn)) / pitch
    level = made.pixels.mean(axis=2) / 255
    inked = np.clip(4 * (0.5 + 0.25 * (np.cos(across) + np.cos(down)) - level) + 0.5, 0, 1)
    edge, head = round(made.px(rng.uniform(20, 40))), round(made.px(rng.uniform(60, 90)))
    lines, size = int(rng.integers(2, 7)), made.px(rng.uniform(13, 18))
    below = round(1.5 * size * lines + edge)
    paper, ink = tinted(rng, 205, 230, 4) * np.array([1, 0.97, 0.9]), tinted(rng, 25, 60, 4)
    page = Canvas.even((height + head + edge + below, width + 2 * edge), tuple(paper))
    picture = page.pixels[head : head + height, edge : edge + width]
    picture += inked[..., None] * (np.asarray(ink, np.float32) - picture)
    write(page, (edge, head / 2), phrase(rng, 2), 0.5 * head, ink, "lm")
    paragraph(page, (edge, head + height + edge / 2, width), lines, size, ink, rng)
    page.grain(rng, rng.uniform(2, 6))
    return file(page.pixels, rng)


@kind("strangers")
def circled(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item in a circle drawn by hand, with an arrow that points to it."""
    made = still(item, rng, shares=(0.4, 0.65))
    place, (height, width) = made.place, made.size
    pen_px = max(2, round(made.px(rng.uniform(*PEN_PX))))
    colours = [one for one in PENS if np.abs(np.subtract(one, made.tones.ground)).max() > 70]
    colour = colours[rng.integers(len(colours))]
    turns = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(2.02, 2.3) * np.pi, 80)
    radius = place.side * rng.uniform(0.52, 0.66, 2)[:, None] * np.linspace(1, 1.05, 80)
    radius = radius * (1 + rng.uniform(0.01, 0.05) * np.sin(3 * turns + rng.uniform(0, 6)))
    x, y = place.left + place.side / 2, place.top + place.side / 2
    with made.pen(colour) as pen:
        ring = np.stack([x + radius[0] * np.cos(turns), y + radius[1] * np.sin(turns)], axis=1)
        pen.line([(float(one), float(two)) for one, two in ring], 255, pen_px, "curve")
        corner = rng.choice([0.04, 0.96], 2) * (width, height)
        towards = np.array([x, y]) - corner
        tip = corner + towards * max(0.12, 1 - 0.7 * place.side / np.hypot(*towards))
        pen.line((*corner, *tip), 255, pen_px)
        angle, barb = np.arctan2(*towards[::-1]), made.px(rng.uniform(18, 34))
        for side in (-0.5, 0.5):
            back = tip - barb * np.array([np.cos(angle + side), np.sin(angle + side)])
            pen.line((*tip, *back), 255, pen_px)
    return file(made.pixels, rng)


@kind("strangers")
def meme(item: Pixels, rng: np.random.Generator) -> bytes:
    """Words in capitals above and below, white with a black edge, that reach over the item."""
    made = still(item, rng, shares=(0.5, 0.8))
    height, width = made.size
    for number in range(rng.choice([1, 2], p=[0.25, 0.75])):
        words = phrase(rng, int(rng.integers(2, 5))).upper()
        size = round(height * rng.uniform(*LETTERS))
        while size > 10 and font(size).getlength(words) > 0.92 * width:
            size -= 1
        y = 0.02 * height + 0.6 * size
        at = width / 2, y if number else height - y
        for edge, colour in ((size / 7, (0, 0, 0)), (size / 28, (255, 255, 255))):
            with made.pen(colour) as pen:
                pen.text(at, words, 255, font(size), "mm", stroke_width=max(0, round(edge)))
    return file(made.pixels, rng)


@kind("strangers")
def ruler_and_coin(item: Pixels, rng: np.random.Generator) -> bytes:
    """An item with a ruler below and a coin beside it, which show how large it is."""
    (height, width), tones = some_size(rng), some_tones(rng)
    photo, short = Canvas.even((height, width), tones.ground), min(height, width)
    wide, side = short * rng.uniform(*RULER), round(short * rng.uniform(0.45, 0.68))
    top = height - wide - short * rng.uniform(0.01, 0.04)
    left, above = (width - side) * rng.beta(3, 3), (top - side) * rng.beta(3, 3)
    place = Place(round(left), round(above), side)
    photo.paint(opacity(item, side, rng), place, tones.ink)
    long = width * rng.uniform(0.7, 1.1)
    _ruler(photo, ((width - long) * rng.uniform(0.2, 0.8), top, long, wide), rng)
    across = short * rng.uniform(*COIN)
    x = width - 0.6 * across if width - left - side > left else 0.6 * across
    _coin(photo, (x, top - across * rng.uniform(0.6, 0.8)), across, rng)
    return file(photo.pixels, rng)


@kind("strangers")
def collage(item: Pixels, rng: np.random.Generator) -> bytes:
    """A large picture of the item, and beside it the cloth, a part from close by and the label."""
    size, tones = some_size(rng, (400, 1000), ((4, 3), (3, 2), (1, 1))), some_tones(rng)
    height, width = size
    gap = max(2, round(max(size) / 600 * rng.uniform(*GAP_PX)))
    page = even(size, tinted(rng, 235, 255, 4) if rng.random() < 0.7 else tinted(rng, 10, 60))
    beside = round(width * rng.uniform(*BESIDE))
    main = Canvas.even((height - 2 * gap, width - beside - 3 * gap), tones.ground)
    place = some_place(main.size, rng, (0.7, 0.95))
    main.paint(opacity(item, place.side, rng), place, tones.ink)
    page[gap:-gap, gap : -beside - 2 * gap] = main.pixels
    count = int(rng.integers(2, 4))
    tall = (height - gap * (count + 1)) // count
    for number, which in enumerate(rng.permutation(3)[:count]):
        small = _beside((tall, beside), int(which), item, tones, rng)
        top = gap + number * (tall + gap)
        page[top : top + tall, -beside - gap : -gap] = small
    return file(page, rng)


def _against(rng: np.random.Generator, *, dark: bool) -> Tones:
    """Returns the tones of a grey item, dark or light, that lies on a ground of middle tone."""
    ground = tinted(rng, 115, 145)
    return Tones(ground, tinted(rng, 5, 45) if dark else tinted(rng, 215, 252))


def _put_down(
    photo: Canvas, item: Pixels, place: Place, tones: Tones, rng: np.random.Generator
) -> None:
    """Lays an item down with a narrow, soft shadow, as things that lie on a floor have it."""
    alpha = opacity(item, place.side, rng)
    aside = max(1, place.side // 60)
    below = place._replace(top=place.top + aside)
    region, seen = inside(photo.pixels, soften(body(alpha), aside), below)
    region *= 1 - rng.uniform(0.2, 0.5) * seen[..., None]
    photo.lay(alpha, place, tones)


def _ruler(photo: Canvas, box: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """Lays a ruler down at left, top, width and height, with its millimetres and figures."""
    left, top, long, wide = box
    colours = (235, 200, 70), (215, 218, 222), (250, 250, 250), (205, 165, 110)
    photo.rectangle(box, colours[rng.integers(len(colours))])
    with photo.pen((30, 30, 30)) as pen:
        px = max(photo.size) / 600
        millimetre = px * rng.uniform(*MILLIMETRE_PX)
        pen.rectangle((left, top, left + long, top + wide), None, 255, max(1, round(px)))
        for number in range(1, round(long / millimetre)):
            x = left + number * millimetre
            if number % 10 == 0:
                pen.text(
                    (x, top + 0.7 * wide), str(number // 10), 255, font(round(0.3 * wide)), "mm"
                )
            if number % 10 == 0 or millimetre > 2:
                deep = 0.42 if number % 10 == 0 else 0.28 if number % 5 == 0 else 0.18
                pen.line((x, top, x, top + wide * deep), 255)


def _coin(
    photo: Canvas, centre: tuple[float, float], across: float, rng: np.random.Generator
) -> None:
    """Lays a coin of one or two metals down."""
    metals = (205, 170, 90), (190, 192, 196), (180, 110, 70)
    rim, core = (metals[number] for number in rng.integers(len(metals), size=2))
    x, y = centre
    colours: tuple[Colour, ...] = (50, 48, 45), rim, core
    for colour, half in zip(colours, across * np.array([0.52, 0.5, 0.35]), strict=True):
        with photo.pen(colour) as pen:
            pen.ellipse((x - half, y - half, x + half, y + half), 255)
    write(photo, centre, str(rng.choice([1, 2, 5])), 0.5 * across, (70, 60, 45), "mm")


def _beside(size: Size, which: int, item: Pixels, tones: Tones, rng: np.random.Generator) -> Floats:
    """Draws one of the small pictures of a collage, [*size, 3]."""
    if which == 0:  # a part of the item from close by
        top, left = rng.integers(6, 12, 2)
        part = Image.fromarray(item[top : top + 10, left : left + 10]).resize(size[::-1])
        ground, ink = (np.asarray(one, np.float32) for one in tones)
        return ground + np.asarray(part, np.float32)[..., None] / 255 * (ink - ground)
    if which == 1:  # its cloth
        rows, columns = np.ogrid[: size[0], : size[1]]
        turn = 2 * np.pi / rng.uniform(3, 8)
        threads = np.sin(turn * rows) + np.sin(turn * columns)
        return even(size, tones.ink) + rng.uniform(4, 12) * threads[..., None]
    label, middle = Canvas.even(size, tinted(rng, 225, 250, 5)), size[1] / 2
    fits = str(rng.choice(["S", "M", "L", "XL", "38", "42"]))
    write(label, (middle, 0.3 * size[0]), fits, 0.3 * min(size), (30, 30, 35), "mm")
    write(label, (middle, 0.7 * size[0]), phrase(rng, 2), 0.1 * min(size), (30, 30, 35), "mm")
    return label.pixels
