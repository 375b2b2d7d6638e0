"""File formats, animations and cameras' faults."""

import numpy as np
from PIL import Image, ImageFilter

from vitrine_training.data.idx import Pixels
from vitrine_training.photos.canvas import Floats, Tones, still, tinted
from vitrine_training.photos.encoding import encode, file, jpeg, to_image
from vitrine_training.photos.kinds import kind

POOR_QUALITY = 5, 25
"""Of JPEG files that were sent on too often."""

BLANK_FRAMES = 1, 3
"""Of an animation, before the item comes."""

BLUR_PX = 1, 5
"""The radius of a lens out of focus, in pixels of 600."""

SHAKE_PX = 3, 14
"""How far a camera moves, in pixels of 600."""


@kind("formats")
def webp(item: Pixels, rng: np.random.Generator) -> bytes:
    """WebP, as the web has it."""
    quality = int(rng.integers(60, 95))
    return encode(to_image(still(item, rng).pixels), "WEBP", quality=quality, method=2)


@kind("formats")
def avif(item: Pixels, rng: np.random.Generator) -> bytes:
    """AVIF, as shops have it."""
    quality = int(rng.integers(40, 90))
    image = to_image(still(item, rng, sides=(240, 700)).pixels)
    return encode(image, "AVIF", quality=quality, speed=10, max_threads=1)


@kind("formats")
def tiff(item: Pixels, rng: np.random.Generator) -> bytes:
    """TIFF, as scanners write it, with one of its compressions or with none."""
    compression = str(rng.choice(["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]))
    return encode(to_image(still(item, rng).pixels), "TIFF", compression=compression)


@kind("formats")
def bmp(item: Pixels, rng: np.random.Generator) -> bytes:
    """BMP, in colour or in grey."""
    image = to_image(still(item, rng, sides=(240, 600)).pixels)
    return encode(image.convert("L") if rng.random() < 0.3 else image, "BMP")


@kind("formats")
def poor_jpeg(item: Pixels, rng: np.random.Generator) -> bytes:
    """A JPEG file of low quality, with its squares and rings."""
    quality = int(rng.integers(POOR_QUALITY[0], POOR_QUALITY[1], endpoint=True))
    return jpeg(still(item, rng).pixels, quality)


@kind("formats")
def cmyk_jpeg(item: Pixels, rng: np.random.Generator) -> bytes:
    """A JPEG file in a printer's colours."""
    return encode(to_image(still(item, rng).pixels).convert("CMYK"), "JPEG", quality=90)


@kind("formats")
def grey_and_opacity(item: Pixels, rng: np.random.Generator) -> bytes:
    """A cut-out in grey with opacity; its colour where it lets everything through is arbitrary."""
    photo = still(item, rng, tones=_paper(rng)).pixels[..., 0]
    empty = still(np.zeros_like(item), rng).pixels
    seen = np.clip((photo.max() - photo) / 20, 0, 1) * 255
    grey = np.where(seen > 0, photo, empty[0, 0, 0])
    cut_out = Image.fromarray(np.dstack([grey, seen]).astype(np.uint8))
    return encode(cut_out, "PNG", compress_level=1)


@kind("formats")
def blank_then_item(item: Pixels, rng: np.random.Generator) -> bytes:
    """An animation (GIF, WebP or PNG) whose first frames are blank."""
    made = still(item, rng, sides=(240, 500))
    last = to_image(made.pixels.copy())
    blank = Image.new("RGB", last.size, tuple(round(one) for one in made.tones.ground[:3]))
    count = int(rng.integers(BLANK_FRAMES[0], BLANK_FRAMES[1], endpoint=True))
    frames = [blank] * count + [last]
    form = str(rng.choice(["GIF", "WEBP", "PNG"]))
    durations = [100 + 20 * number for number in range(len(frames))]  # equal frames are kept apart
    return encode(
        frames[0], form, save_all=True, append_images=frames[1:], duration=durations, loop=0
    )


@kind("formats")
def fade_in(item: Pixels, rng: np.random.Generator) -> bytes:
    """An animation that begins black, and in which the item is there from the second frame on."""
    image = to_image(still(item, rng, sides=(240, 500)).pixels)
    frames = [Image.new("RGB", image.size), image, image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
    form = str(rng.choice(["GIF", "WEBP"]))
    return encode(frames[0], form, save_all=True, append_images=frames[1:], duration=200, loop=0)


@kind("cameras")
def blurred(item: Pixels, rng: np.random.Generator) -> bytes:
    """A lens out of focus."""
    made = still(item, rng)
    radius = made.px(rng.uniform(*BLUR_PX))
    return _after(made.pixels, ImageFilter.GaussianBlur(radius), rng)


@kind("cameras")
def shaken(item: Pixels, rng: np.random.Generator) -> bytes:
    """A camera that moved a little, in one direction."""
    made = still(item, rng)
    steps = max(2, round(made.px(rng.uniform(*SHAKE_PX))))
    angle = rng.uniform(0, np.pi)
    total = np.zeros_like(made.pixels)
    for step in np.linspace(-0.5, 0.5, min(steps, 9)) * steps:
        shift = round(step * np.sin(angle)), round(step * np.cos(angle))
        total += _moved(made.pixels, *shift)
    return file(total / min(steps, 9), rng)


@kind("cameras")
def colour_noise(item: Pixels, rng: np.random.Generator) -> bytes:
    """A phone's sensor by night, whose three channels have a noise each."""
    photo = still(item, rng).pixels
    photo += rng.uniform(6, 22) * rng.standard_normal(photo.shape, np.float32)
    return jpeg(photo, int(rng.integers(50, 90)))


@kind("cameras")
def sharpened(item: Pixels, rng: np.random.Generator) -> bytes:
    """Sharpened too much, with seams of light along edges, and some noise."""
    made = still(item, rng)
    made.grain(rng, rng.uniform(0, 2))
    radius = max(1.0, made.px(2))
    return _after(made.pixels, ImageFilter.UnsharpMask(radius, int(rng.integers(100, 300))), rng)


def _after(photo: Floats, filtering: ImageFilter.Filter, rng: np.random.Generator) -> bytes:
    return file(np.array(to_image(photo).filter(filtering), np.float32), rng)


def _moved(photo: Floats, down: int, right: int) -> Floats:
    """Returns the picture moved; its edge is repeated where nothing comes in."""
    height, width = photo.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return photo[rows][:, columns]


def _paper(rng: np.random.Generator) -> Tones:
    return Tones((255, 255, 255), tinted(rng, 0, 60, 0))
