"""Frames, bars and mounts round pictures, which are uniform and of any width and level."""

import numpy as np
from PIL import ImageFilter

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Colour, Floats, even, layer, still, tinted
from vitrine_training.photos.encoding import file, to_image
from vitrine_training.photos.kinds import kind

FRAME_PX = 1, 24
"""The width of a frame in pixels of the picture, at any level."""

BARS = 0.05, 0.40
"""Each of the two bars, over the side that it lengthens."""

MAT = 0.08, 0.20
"""The width of a mount of cardboard, over the picture's shorter side."""

POLAROID = 0.04, 0.08
POLAROID_BELOW = 0.16, 0.26
"""The white edge of an instant photo at its sides and below, over its shorter side."""

EDGE = 0.03, 0.10
"""The white edge of a print, over its shorter side, and the table's round it."""


@kind("frames")
def frame(item: Pixels, rng: np.random.Generator) -> bytes:
    """A uniform frame, grey of any level or coloured."""
    width = int(rng.integers(FRAME_PX[0], FRAME_PX[1], endpoint=True))
    return file(_framed(still(item, rng).pixels, width, _any_colour(rng)), rng)


@kind("frames")
def two_frames(item: Pixels, rng: np.random.Generator) -> bytes:
    """Two frames, one in the other, of two levels."""
    photo = still(item, rng).pixels
    for _ in range(2):
        width = int(rng.integers(FRAME_PX[0], FRAME_PX[1], endpoint=True))
        photo = _framed(photo, width, _any_colour(rng))
    return file(photo, rng)


@kind("frames")
def ruled_frame(item: Pixels, rng: np.random.Generator) -> bytes:
    """A thin line a little inside the edge, the ground on both sides of it."""
    photo = still(item, rng, shares=(0.4, 0.75))
    height, width = photo.size
    image, pen = layer((height, width))
    gap = min(height, width) * rng.uniform(0.02, 0.06)
    line = max(1, round(photo.px(rng.uniform(1, 5))))
    pen.rectangle((gap, gap, width - 1 - gap, height - 1 - gap), None, 255, line)
    photo.cover(image, photo.tones.ink, rng.uniform(0.5, 1))
    return file(photo.pixels, rng)


@kind("frames")
def letterbox(item: Pixels, rng: np.random.Generator) -> bytes:
    """Bars above and below, black, of another colour or white."""
    photo = still(item, rng, sides=(240, 700)).pixels
    bar = _bar(photo.shape[0], rng)
    return file(np.pad(photo, ((bar, bar), (0, 0), (0, 0)), constant_values=_bar_level(rng)), rng)


@kind("frames")
def pillarbox(item: Pixels, rng: np.random.Generator) -> bytes:
    """Bars at the left and at the right, black, of another level or white."""
    photo = still(item, rng, sides=(240, 700)).pixels
    bar = _bar(photo.shape[1], rng)
    return file(np.pad(photo, ((0, 0), (bar, bar), (0, 0)), constant_values=_bar_level(rng)), rng)


@kind("frames")
def blurred_bars(item: Pixels, rng: np.random.Generator) -> bytes:
    """The picture in the middle of a wide one, and itself beside it, enlarged and blurred."""
    photo = still(item, rng, sides=(240, 600)).pixels
    height, width = photo.shape[:2]
    bar = _bar(width, rng)
    image = to_image(photo.copy())
    wide = image.resize((width + 2 * bar, round(height * (width + 2 * bar) / width)))
    top = (wide.height - height) // 2
    wide = wide.crop((0, top, wide.width, top + height))
    behind = wide.filter(ImageFilter.BoxBlur(width / 12)).filter(ImageFilter.BoxBlur(width / 12))
    whole = 0.7 * np.asarray(behind, np.float32)
    whole[:, bar : bar + width] = photo
    return file(whole, rng)


@kind("frames")
def passe_partout(item: Pixels, rng: np.random.Generator) -> bytes:
    """A picture behind a mount of light cardboard with a bevelled edge, in a wooden frame."""
    photo = still(item, rng).pixels
    short = min(photo.shape[:2])
    photo = _framed(photo, max(1, round(short * 0.006)), tinted(rng, 90, 170))
    photo = _framed(photo, round(short * rng.uniform(*MAT)), tinted(rng, 215, 250, 8))
    wood = (rng.uniform(30, 120), rng.uniform(20, 70), rng.uniform(10, 50))
    return file(_framed(photo, round(short * rng.uniform(0.02, 0.06)), wood), rng)


@kind("frames")
def polaroid(item: Pixels, rng: np.random.Generator) -> bytes:
    """An instant photo with its white edge, broad below, on a table."""
    photo = still(item, rng, sides=(240, 700)).pixels
    short = min(photo.shape[:2])
    side = round(short * rng.uniform(*POLAROID))
    below = round(short * rng.uniform(*POLAROID_BELOW))
    height, width = photo.shape[:2]
    whole = even((height + side + below, width + 2 * side), tinted(rng, 235, 252, 4))
    whole[side : side + height, side : side + width] = photo
    return file(_framed(whole, round(short * rng.uniform(*EDGE)), _any_colour(rng)), rng)


@kind("frames")
def print_on_table(item: Pixels, rng: np.random.Generator) -> bytes:
    """A print with its paper's white edge, taken from above on a table of another colour."""
    photo = still(item, rng).pixels
    short = min(photo.shape[:2])
    photo = _framed(photo, round(short * rng.uniform(*EDGE)), tinted(rng, 235, 253, 4))
    table = tinted(rng, 30, 160, 30)
    return file(_framed(photo, round(short * rng.uniform(*EDGE)), table), rng)


@kind("frames")
def rounded_corners(item: Pixels, rng: np.random.Generator) -> bytes:
    """A picture whose corners are cut round, on the colour of the app that shows it."""
    photo = still(item, rng)
    height, width = photo.size
    image, pen = layer((height, width))
    pen.rounded_rectangle(
        (0, 0, width - 1, height - 1), min(height, width) * rng.uniform(0.04, 0.2), 255
    )
    app = [(255, 255, 255), (0, 0, 0), (24, 26, 30), (240, 242, 245)][rng.integers(4)]
    photo.cover(image.point(lambda level: 255 - level), app)
    if rng.random() < 0.5:
        return file(_framed(photo.pixels, int(photo.px(rng.uniform(4, 40))), app), rng)
    return file(photo.pixels, rng)


def _framed(photo: Floats, width: int, colour: Colour) -> Floats:
    height, across = photo.shape[:2]
    whole = even((height + 2 * width, across + 2 * width), colour)
    whole[width : width + height, width : width + across] = photo
    return whole


def _bar(side: int, rng: np.random.Generator) -> int:
    """Returns the thickness of a bar that is a share of the side which it lengthens."""
    share = rng.uniform(*BARS)
    return round(side * share / (1 - 2 * share))


def _bar_level(rng: np.random.Generator) -> float:
    return float(rng.choice([0, 0, 0, 16, 255, rng.uniform(0, 255)]))


def _any_colour(rng: np.random.Generator) -> Colour:
    return tinted(rng, 0, 255, 0 if rng.random() < 0.6 else 60)
