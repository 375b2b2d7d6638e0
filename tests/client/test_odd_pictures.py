"""Odd pictures that are valid: deep and blank, of many frames, half transparent; none of them may
fail in a way that nobody foresaw."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.client.made_pictures import encoded, likeness
from vitrine_client.errors import InvalidImage, InvalidRequest
from vitrine_client.images import NOTHING, SIDE, find_item

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def boot(dataset):
    return dataset.test.images[0]


def page(boot, size=(240, 200), ground=240.0):
    levels = np.full(size, ground)
    opacity = np.asarray(Image.fromarray(boot).resize((140, 140), Image.Resampling.BICUBIC)) / 255
    levels[30:170, 40:180] *= 1 - opacity
    return levels


@pytest.mark.parametrize("level", [0, 1, 5, 255, 4_095, 32_000, 65_535])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_even_picture_of_any_depth_is_empty(level, dtype):
    """Its least level is its greatest, whatever that is."""
    found = find_item(Image.fromarray(np.full((40, 60), level, dtype)))
    assert found.empty
    assert found.warnings == (NOTHING,)


@pytest.mark.parametrize("period", [1, 2, 3])
def test_fine_pattern_of_deep_levels_is_read(period):
    """Which is even as soon as it is made smaller."""
    pattern = (np.indices((600, 600)).sum(0) // period % 2 * 40_000).astype(np.uint16)
    assert find_item(Image.fromarray(pattern)).instance.shape == (SIDE, SIDE)


def test_levels_beyond_what_can_be_subtracted(boot):
    """Floats as large as they get still show what they show."""
    levels = (page(boot) - 120).astype(np.float32) * np.float32(2.5e36)
    assert likeness(find_item(Image.fromarray(levels)).instance, boot) > 0.9


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_later_frame_counts_by_its_own_size(boot, file_format):
    """It is not decoded where it has more pixels than are left of the limit."""
    first, second = Image.new("L", (64, 64), 255), Image.fromarray(page(boot).astype(np.uint8))
    if file_format == "GIF":
        content = gif_that_grows(first, second)
    elif file_format == "TIFF":
        content = encoded(first, "TIFF", save_all=True, append_images=[second])
    else:
        content = encoded(
            first.resize(second.size), file_format, save_all=True, append_images=[second]
        )
    pixels = sum(one.width * one.height for one in (first, second))
    enough = 2 * second.width * second.height
    assert not find_item(content, max_pixels=enough).empty
    assert find_item(content, max_pixels=min(pixels, enough) - 1).empty


def gif_that_grows(first, second):
    """Two GIFs as one, whose second frame is larger than the first."""
    one, other = encoded(first, "GIF"), encoded(second, "GIF")
    colours = 3 * 2 ** ((other[10] & 7) + 1)
    start = other.index(b",", 13 + colours)
    descriptor = bytearray(other[start : start + 10])
    descriptor[9] = 0x80 | (other[10] & 7)  # its own table of colours
    return one[:-1] + bytes(descriptor) + other[13 : 13 + colours] + other[start + 10 :]


@pytest.mark.parametrize("seed", [4, 41, 45, *range(100, 120)])
def test_noisy_opacity_is_read(seed):
    """Cut-outs of which no pixel is certain."""
    rng = np.random.default_rng(seed)
    height = int(rng.integers(60, 260))
    width = int(height * rng.uniform(1, 4))
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., :3] = rng.integers(0, 256, 3)
    pixels[..., 3] = rng.integers(0, 256, (height, width))
    for _ in range(int(rng.integers(0, 3))):
        y, x = int(rng.integers(0, height)), int(rng.integers(0, width))
        tall, wide = int(rng.integers(1, height)), int(rng.integers(1, width))
        pixels[y : y + tall, x : x + wide, :3] = rng.integers(0, 256, 3)
    found = find_item(pixels)
    assert found.empty == (not found.instance.any())


@pytest.mark.parametrize("opacity", [70, 100, 125])
def test_translucent_ground_is_a_ground(opacity):
    """What is opaque on it is the item."""
    picture = Image.new("RGBA", (200, 200), (200, 0, 0, opacity))
    picture.paste((0, 0, 0, 255), (70, 60, 130, 140))
    picture.paste((40, 0, 0, 255), (90, 40, 110, 60))
    box = np.array(find_item(picture).box)
    assert np.abs(box - (70, 40, 60, 100)).max() <= 3


@pytest.mark.parametrize("strips", [1, 2, 5])
@pytest.mark.parametrize("most", [255, 1_023, 4_095])
def test_few_bits_of_sixteen_in_every_strip(boot, strips, most):
    """Pillow keeps the high bytes of such colours; the low ones are read for the whole picture."""
    levels = np.rint(page(boot) * (most / 255)).astype(np.uint16)
    found = find_item(tiff_of_16_bits(np.repeat(levels[..., None], 3, 2), strips))
    assert likeness(found.instance, boot) > 0.9


def tiff_of_16_bits(levels, strips):
    """An uncompressed TIFF of uint16 [h, w, 3] in so many strips, which Pillow does not write."""
    height, width, _ = levels.shape
    rows = -(-height // strips)
    parts = [levels[at : at + rows].astype("<u2").tobytes() for at in range(0, height, rows)]
    entries = 10
    extra = 8 + 2 + 12 * entries + 4
    offsets_at, counts_at = extra + 6, extra + 6 + 4 * len(parts)
    data = counts_at + 4 * len(parts)
    starts = np.cumsum([data, *map(len, parts)])[:-1].tolist()

    def pointer(values, at):
        return values[0] if len(values) == 1 else at

    counts = [len(part) for part in parts]
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, extra),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, len(parts), pointer(starts, offsets_at)),
        (277, 3, 1, 3),
        (278, 4, 1, rows),
        (279, 4, len(parts), pointer(counts, counts_at)),
        (284, 3, 1, 1),
    ]
    header = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", entries)
    header += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    header += struct.pack("<3H", 16, 16, 16)
    header += struct.pack(f"<{len(parts)}I", *starts) + struct.pack(f"<{len(parts)}I", *counts)
    return header + b"".join(parts)


def test_box_in_which_nothing_is_left_is_empty():
    """A sliver at the item's corner gives a black row, of which no class can be told."""
    picture = np.full((40, 40), 255, np.uint8)
    picture[10:30, 10:30] = 0
    found = find_item(picture, box=(30, 9, 2, 1))
    assert found.empty
    assert found.warnings == (NOTHING,)


@pytest.mark.parametrize(
    "box",
    [(1e308, 0, 1e308, 1), (0, 1e308, 1, 1e308), (10**400, 0, 1, 1), "1234", (None,) * 4, 5, {}],
    ids=str,
)
def test_box_of_no_numbers_is_refused(boot, box):
    """Whatever was given in its place, and numbers whose sum is none."""
    with pytest.raises(InvalidRequest, match="four numbers"):
        find_item(page(boot).astype(np.uint8), box=box)


def test_box_begins_in_the_last_pixel(boot):
    """Which is inside the picture, though it is rounded to beyond it."""
    found = find_item(page(boot).astype(np.uint8), box=(199.6, 0, 0.3, 5))
    assert found.empty


def test_buffers_are_bytes(boot):
    """So are the premultiplied modes of Pillow pictures."""
    content = encoded(Image.fromarray(page(boot).astype(np.uint8)))
    expected = find_item(content).instance
    for one in (bytearray(content), memoryview(content)):
        np.testing.assert_array_equal(find_item(one).instance, expected)
    premultiplied = Image.open(io.BytesIO(content)).convert("LA").convert("La")
    np.testing.assert_allclose(find_item(premultiplied).instance, expected, atol=1)


@pytest.mark.parametrize(
    "given", [None, 7, io.StringIO("text"), "a\0b"], ids=["nothing", "number", "text", "NUL"]
)
def test_what_is_no_picture_at_all_is_refused(given):
    """In the words of the rest of them."""
    with pytest.raises(InvalidImage):
        find_item(given)
