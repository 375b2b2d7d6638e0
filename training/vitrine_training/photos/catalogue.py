"""Ordinary photos: catalogues, coloured grounds, bad sensors, cut-outs, phones.

They are drawn ten times enlarged, with margins of 20 to 90 pixels.
"""

import numpy as np
from PIL import Image

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Floats
from vitrine_training.photos.encoding import encode, jpeg, to_bytes, to_image
from vitrine_training.photos.kinds import kind

ORIENTATION_TAG = 0x0112
TURNS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation: how a camera that was held so stores an upright scene."""


@kind("catalogue")
def white(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item on a white page with a margin, as in a shop's catalogue."""
    return jpeg(blend(scene(item, rng), (255, 255, 255), shade(rng, 0, 30)))


@kind("catalogue")
def coloured(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item of some colour on a light background of another."""
    return jpeg(blend(scene(item, rng), colour(rng, 150, 240), colour(rng, 0, 90)))


@kind("catalogue")
def dark(item: Pixels, rng: np.random.Generator) -> bytes:
    """A light item on dark grey."""
    return jpeg(blend(scene(item, rng), shade(rng, 30, 80), shade(rng, 200, 250)))


@kind("catalogue")
def exif_rotated(item: Pixels, rng: np.random.Generator) -> bytes:
    """A catalogue picture that is upright only to those who read its EXIF orientation."""
    orientation = int(rng.choice(list(TURNS)))
    upright = to_image(blend(scene(item, rng), (250, 250, 250), shade(rng, 0, 30)))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return encode(upright.transpose(TURNS[orientation]), "JPEG", quality=90, exif=exif)


@kind("catalogue")
def noisy(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item on light grey, with the noise of a bad sensor over both."""
    photo = blend(scene(item, rng), shade(rng, 190, 235), shade(rng, 10, 50))
    return jpeg(photo + rng.normal(0, rng.uniform(10, 20), photo.shape))


@kind("catalogue")
def transparent(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark item that was cut out: RGBA, with soft edges and nothing around it."""
    opacity = scene(item, rng)
    photo = blend(opacity, (255, 255, 255), shade(rng, 0, 40))
    cut_out = np.clip(opacity * 10, 0, 1) * 255
    return encode(to_image(np.dstack([photo, cut_out])), "PNG", compress_level=1)


@kind("catalogue")
def palette(item: Pixels, rng: np.random.Generator) -> bytes:
    """A coloured item on a light background in 64 colours, as an old web page has it."""
    photo = to_image(blend(scene(item, rng), colour(rng, 200, 255), colour(rng, 0, 90)))
    return encode(photo.quantize(64), "GIF")


@kind("catalogue")
def phone(item: Pixels, rng: np.random.Generator) -> bytes:
    """1600 by 1200: a small item off the centre of a table, lit from one side, darker corners."""
    side = int(rng.integers(350, 650))
    left, top = int(rng.integers(100, 1500 - side)), int(rng.integers(100, 1100 - side))
    y, x = np.ogrid[-0.75:0.75:1200j, -1:1:1600j]
    angle = rng.uniform(0, 2 * np.pi)
    side_light = 1 + rng.uniform(0.02, 0.08) * (x * np.cos(angle) + y * np.sin(angle))
    vignette = 1 - rng.uniform(0.02, 0.08) * (x**2 + y**2)
    table, paint = colour(rng, 180, 220), shade(rng, 10, 50)
    sensor = rng.normal(0, 2, (1200, 1600))
    light = np.multiply(side_light, vignette, out=side_light)
    painted = blend(enlarged(item, side), table, paint)
    photo = np.empty((1200, 1600, 3), np.uint8)
    for channel in range(3):  # one after the other and in place: a third of the time
        plane = np.full((1200, 1600), table[channel])
        plane[top : top + side, left : left + side] = painted[..., channel]
        plane *= light
        plane += sensor
        photo[..., channel] = to_bytes(plane)
    return encode(Image.fromarray(photo), "JPEG", quality=85)


def scene(item: Pixels, rng: np.random.Generator) -> Floats:
    """Opacity 0..1 of the item, ten times enlarged, with margins that differ from side to side."""
    top, bottom, left, right = rng.integers(20, 90, 4)
    return np.pad(enlarged(item, 280), ((top, bottom), (left, right)))


def enlarged(item: Pixels, side: int) -> Floats:
    """Opacity 0..1, [side, side]."""
    large = Image.fromarray(item).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(large, np.float64) / 255


def blend(opacity: Floats, background: tuple[float, ...], foreground: tuple[float, ...]) -> Floats:
    """[h, w, 3] in 0..255: `foreground` over `background`."""
    alpha = opacity[..., None]
    return np.asarray(background) * (1 - alpha) + np.asarray(foreground) * alpha


def shade(rng: np.random.Generator, low: float, high: float) -> tuple[float, ...]:
    """Some grey."""
    return (rng.uniform(low, high),) * 3


def colour(rng: np.random.Generator, low: float, high: float) -> tuple[float, ...]:
    """Some colour whose three channels lie in a range."""
    return tuple(rng.uniform(low, high, 3))
