"""`vitrine_client.images.rows`: rows of the data set, told from all else, and read at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import compress

import numpy as np
import pytest
from PIL import Image

from tests.client.made_pictures import encoded
from tests.fuzz.rows import png
from vitrine_client.errors import InvalidImage
from vitrine_client.images import SIDE, find_item, find_rows
from vitrine_client.images.rows import as_row, read_row
from vitrine_training.data import fashion_mnist as data

BORDER = np.pad(np.zeros((SIDE - 2, SIDE - 2), bool), 1, constant_values=True)


def is_row(grey):
    """The rule in NumPy's words: a quarter of the border is black, and more than is white."""
    black, white = np.count_nonzero(grey[BORDER] <= 16), np.count_nonzero(grey[BORDER] >= 239)
    return 4 * black >= np.count_nonzero(BORDER) and black > white


@pytest.fixture(scope="module")
def rows():
    return data.load().test.images


def made(seed):
    """Levels at and next to the bounds, in shares that make rows and others."""
    chance = np.random.default_rng(seed)
    black = chance.random()
    white = chance.random() * (1 - black)
    shares = np.repeat([black, 1 - black - white, white], 2) / 2
    return chance.choice(np.array([0, 16, 17, 238, 239, 255], np.uint8), (SIDE, SIDE), p=shares)


def test_rows_are_told_by_their_border(rows):
    """The verdict is the rule's, of 10,000 pictures that are made for it and of real rows."""
    for grey in [*map(made, range(10_000)), *rows[:1000], *(255 - rows[:1000])]:
        expected = grey if is_row(grey) else 255 - grey if is_row(255 - grey) else None
        found = as_row(grey)
        assert (found is None) == (expected is None)
        assert found is None or np.array_equal(found, expected)


def test_other_sizes_are_no_rows():
    """Black pictures, and of as many pixels."""
    for shape in ((27, 28), (28, 27), (56, 14), (1, 784)):
        assert as_row(np.zeros(shape, np.uint8)) is None


def test_rows_are_read_as_pillow_reads_them(rows):
    """Real ones, whichever way they are packed; they may be written to."""
    for index, row in enumerate(rows[:500]):
        content = encoded(Image.fromarray(row), compress_level=index % 10)
        read = read_row(content)
        np.testing.assert_array_equal(read, row)
        item = find_item(content)
        np.testing.assert_array_equal(item.instance, row)
        item.instance[0, 0] += 1
        np.testing.assert_array_equal(read, row)


def test_several_rows_are_what_each_is_alone(rows):
    """Where each is a row as it is with something in it; if one is anything else, none is told."""
    files = [encoded(Image.fromarray(grey)) for grey in map(made, range(2000))]
    one_by_one = [find_item(each) for each in files]
    at_once = [bool(find_rows([each])) for each in files]
    for grey, item, alone in zip(map(made, range(2000)), one_by_one, at_once, strict=True):
        assert alone == (is_row(grey) and grey.any())
        assert not alone or np.array_equal(item.instance, grey)
    chosen = [index for index, alone in enumerate(at_once) if alone]
    found = find_rows([files[index] for index in chosen])
    assert len(chosen) > 100
    for item, index in zip(found, chosen, strict=True):
        np.testing.assert_array_equal(item.instance, one_by_one[index].instance)
        assert (item.box, item.warnings) == (one_by_one[index].box, ())
    plain = encoded(Image.fromarray(rows[0]))
    broken = plain[:50] + bytes(len(plain) - 66) + plain[-16:]
    blank = encoded(Image.fromarray(np.zeros_like(rows[0])))
    for other in (broken, blank, encoded(Image.fromarray(255 - rows[1])), b""):
        assert find_rows([plain, other, plain]) is None
    assert find_rows([plain, plain], max_pixels=783) is None


def test_samples_are_read_at_once():
    """What `curl` sends in the first steps is such a file."""
    samples = sorted(Path("samples").glob("*.png"))
    assert samples
    assert all(read_row(each.read_bytes()) is not None for each in samples)


def test_rows_are_read_in_any_thread(rows):
    """Threads that decode at the same time have no pixels of each other's."""
    files = [encoded(Image.fromarray(row)) for row in rows[:200]]
    with ThreadPoolExecutor(8) as threads:
        for row, read in zip(rows[:200], threads.map(read_row, files), strict=True):
            np.testing.assert_array_equal(read, row)


def test_other_files_are_left_to_pillow(rows):
    """Other kinds, sizes, depths and parts; and all that is damaged."""
    row = Image.fromarray(rows[0])
    plain = encoded(row)
    others = {
        "colour": encoded(row.convert("RGB")),
        "transparency": encoded(row, transparency=3),
        "palette": encoded(row.convert("P")),
        "16 bits": encoded(Image.fromarray(rows[0].astype(np.uint16) * 257)),
        "size": encoded(row.resize((29, 28))),
        "EXIF": encoded(row, exif=Image.Exif()),
        "profile": encoded(row, icc_profile=b"profile"),
        "resolution": encoded(row, dpi=(72, 72)),
        "GIF": encoded(row, "GIF"),
        "more behind": plain + b"\0",
        "cut off": plain[:-1],
        "no end": plain[:-12],
        "pixels cut off": plain[:41] + plain[60:],
        "nothing": b"",
        "a head": plain[:41],
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    others["EXIF"] = encoded(row, exif=exif)
    assert {name for name, content in others.items() if read_row(content) is not None} == set()


def test_damaged_row_is_refused_in_the_usual_words(rows):
    """Its pixels are packed badly, and lengths are right."""
    plain = encoded(Image.fromarray(rows[0]))
    broken = plain[:50] + bytes(len(plain) - 66) + plain[-16:]
    assert read_row(broken) is None
    with pytest.raises(InvalidImage, match="damaged or truncated"):
        find_item(broken)


def test_row_that_ends_early_has_nothing_of_the_one_before(rows):
    """Pillow takes packed pixels that end early, and has black in place of the others."""
    few = b"\0" + bytes(range(100, 100 + SIDE))
    content = png(
        [
            (b"IHDR", encoded(Image.fromarray(rows[0]))[16:29]),
            (b"IDAT", compress(few)),
            (b"IEND", b""),
        ]
    )
    assert read_row(encoded(Image.fromarray(rows[0]))).any()
    read = read_row(content)
    np.testing.assert_array_equal(read[0], list(few[1:]))
    assert not read[1:].any()


def test_limit_of_pixels_holds(rows):
    """One below the pixels of a row."""
    with pytest.raises(InvalidImage, match="28x28 pixels, more than 783"):
        find_item(encoded(Image.fromarray(rows[0])), max_pixels=783)
