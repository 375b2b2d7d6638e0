"""Depth and contrast: 10 to 16 bits in 16-bit pixels, few levels, colours that differ in hue."""

import numpy as np
from PIL import Image

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Colour, Floats, Tones, still
from vitrine_training.photos.encoding import encode, file
from vitrine_training.photos.kinds import kind

LIGHT = 0.60, 0.95
DARK = 0.03, 0.30
"""Levels of ground and item, either way round, over the highest of the depth."""

PEDESTAL = 200, 3000
SIGNAL = 400, 2500
"""Levels of 65,535: where a dark detector's picture begins, and how far it reaches."""

CONTRAST = 20, 48
"""Levels of 255 between ground and item, where there is little contrast."""

LUMA = np.array([0.299, 0.587, 0.114])


@kind("depth and contrast")
def ten_bits(item: Pixels, rng: np.random.Generator) -> bytes:
    """0 to 1,023 in a 16-bit PNG file."""
    return _png16(_deep(item, rng, 10))


@kind("depth and contrast")
def twelve_bits(item: Pixels, rng: np.random.Generator) -> bytes:
    """0 to 4,095 in a 16-bit PNG file."""
    return _png16(_deep(item, rng, 12))


@kind("depth and contrast")
def fourteen_bits(item: Pixels, rng: np.random.Generator) -> bytes:
    """0 to 16,383 in a 16-bit PNG file."""
    return _png16(_deep(item, rng, 14))


@kind("depth and contrast")
def sixteen_bits(item: Pixels, rng: np.random.Generator) -> bytes:
    """0 to 65,535 in a PNG file."""
    return _png16(_deep(item, rng, 16))


@kind("depth and contrast")
def sixteen_bits_tiff(item: Pixels, rng: np.random.Generator) -> bytes:
    """10 to 16 bits in a 16-bit TIFF file, as microscopes and scanners write it."""
    deep = _deep(item, rng, int(rng.choice([10, 12, 14, 16])))
    return encode(Image.fromarray(deep), "TIFF")


@kind("depth and contrast")
def detector(item: Pixels, rng: np.random.Generator) -> bytes:
    """A dark detector's picture: a pedestal, a faint item on it, and noise, in 16 bits."""
    plane = still(item, rng, tones=_levels(0, 1)).pixels[..., 0]
    signal = rng.uniform(*SIGNAL)
    plane = rng.uniform(*PEDESTAL) + signal * plane
    plane += signal * rng.uniform(0.005, 0.03) * rng.standard_normal(plane.shape, np.float32)
    return _png16(np.clip(plane, 0, 65535).astype(np.uint16))


@kind("depth and contrast")
def low_contrast(item: Pixels, rng: np.random.Generator) -> bytes:
    """Ground and item differ by a few levels, and there is hardly any noise."""
    contrast = rng.uniform(*CONTRAST) * rng.choice([-1, 1])
    ground = rng.uniform(50, 205)
    photo = still(item, rng, tones=_levels(ground, ground + contrast))
    photo.grain(rng, abs(contrast) * rng.uniform(0, 0.04))
    return file(photo.pixels, rng)


@kind("depth and contrast")
def isoluminant(item: Pixels, rng: np.random.Generator) -> bytes:
    """Ground and item are as light as each other, and differ in their hue."""
    return file(still(item, rng, tones=_alike(rng)).pixels, rng)


@kind("depth and contrast")
def vivid(item: Pixels, rng: np.random.Generator) -> bytes:
    """Strong colours: an item of one hue on a ground of another."""
    while True:
        ground, ink = rng.uniform(0, 255, (2, 3))
        if abs((ground - ink) @ LUMA) > 60 and np.ptp(ground) > 100 and np.ptp(ink) > 100:
            return file(still(item, rng, tones=Tones(_colour(ground), _colour(ink))).pixels, rng)


@kind("depth and contrast")
def sepia(item: Pixels, rng: np.random.Generator) -> bytes:
    """An old print: brown on yellow, faded and grainy."""
    tones = Tones((rng.uniform(190, 235), 200, 150), (rng.uniform(60, 100), 50, 30))
    photo = still(item, rng, tones=tones)
    photo.grain(rng, rng.uniform(4, 10))
    return file(photo.pixels, rng)


def _deep(item: Pixels, rng: np.random.Generator, bits: int) -> np.ndarray:
    """Returns a picture, uint16 [h, w], whose levels reach up to about 2 to the power of bits."""
    top = 2**bits - 1
    ground, ink = rng.uniform(*LIGHT) * top, rng.uniform(*DARK) * top
    if rng.random() < 0.4:
        ground, ink = ink, ground
    plane = still(item, rng, tones=_levels(ground, ink)).pixels[..., 0]
    plane += top * rng.uniform(0, 0.01) * rng.standard_normal(plane.shape, np.float32)
    return np.clip(np.rint(plane), 0, top).astype(np.uint16)


def _png16(plane: np.ndarray) -> bytes:
    return encode(Image.fromarray(plane), "PNG", compress_level=1)


def _levels(ground: float, ink: float) -> Tones:
    return Tones((ground,) * 3, (ink,) * 3)


def _alike(rng: np.random.Generator) -> Tones:
    """Returns two colours of about the same luma, well apart in their chroma."""
    while True:
        ground, ink = rng.uniform(20, 235, (2, 3))
        if abs((ground - ink) @ LUMA) < 10 and np.abs(ground - ink).max() > 110:
            return Tones(_colour(ground), _colour(ink))


def _colour(channels: Floats) -> Colour:
    return tuple(float(one) for one in channels)
