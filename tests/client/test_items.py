"""`vitrine_client.images.find_item`: the item of a picture, whatever is around it."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.client.made_pictures import encoded, likeness, on_a_page
from vitrine_client.errors import InvalidImage, InvalidRequest
from vitrine_client.images import FORMATS, NOTHING, SIDE, find_item
from vitrine_client.images.finding.item import CUT_OFF, FAINT, OUTLINE, STRAYS, SURROUNDINGS
from vitrine_training.photos import KINDS, STRANGERS

ITEMS = [range(4), pytest.param(range(8), marks=pytest.mark.wide)]
"""Pictures of each kind: enough to tell a kind that is read from one that is not."""

LIKE = 0.6
"""Correlation with the item that the median picture of a kind has at least; tones are lost in
drawings and scans. Read by its extent of ink, a dusty page has 0.3."""


READ = [kind for kind in KINDS.values() if kind.group not in STRANGERS]
"""Those of strangers were drawn without regard to how they are read; what becomes of them is
measured, and no promise."""


@pytest.fixture(scope="module")
def items(dataset):
    return dataset.test.images


@pytest.fixture(scope="module")
def boot(items):
    return items[0]


def page_of(item, side=280, ground=245, size=(400, 400), at=(60, 60)):
    """An item, dark on a page, float [h, w]."""
    page = np.full(size, ground, np.float64)
    opacity = np.asarray(Image.fromarray(item).resize((side, side), Image.Resampling.BICUBIC)) / 255
    top, left = at
    page[top : top + side, left : left + side] *= 1 - opacity
    return page


def as_png(page):
    return encoded(Image.fromarray(np.rint(page.clip(0, 255)).astype(np.uint8)))


@pytest.mark.parametrize("numbers", ITEMS, ids=str)
@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.name)
def test_item_is_found_in_pictures_of_every_kind(items, kind, numbers):
    """Dust, frames, bars, captions, screens, shadows, cloth, wood, depths, drawings: the item is
    what is left."""
    found = []
    for number in numbers:
        instance = find_item(kind.draw(items[number], kind.generator(number))).instance
        found.append(likeness(instance, items[number]) if instance.any() else 0.0)
    assert np.median(found) > LIKE


MARKS = {
    "one speck of dust": lambda page: page.__setitem__(np.s_[20:22, 370:372], 0),
    "a hair": lambda page: [page.__setitem__((y, 2 + y // 2), 30) for y in range(350)],
    "a caption": lambda page: page.__setitem__(np.s_[375:390, 40:360:3], 0),
    "a stamp": lambda page: page.__setitem__(np.s_[10:30, 10:50], 90),
}


@pytest.mark.parametrize("mark", MARKS)
def test_stray_marks_are_left_out_and_said(boot, mark):
    """A mark moves the item by next to nothing, and the warnings tell of it."""
    page = page_of(boot)
    plain = find_item(as_png(page))
    MARKS[mark](page)
    marked = find_item(as_png(page))
    assert STRAYS in marked.warnings
    assert STRAYS not in plain.warnings
    assert np.abs(marked.instance.astype(int) - plain.instance).mean() < 3
    assert np.abs(np.array(marked.box) - plain.box).max() < 8


@pytest.mark.parametrize("width", [1, 2, 7, 24])
@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
def test_frame_of_any_width_and_level_is_peeled_off(boot, width, level):
    """What is inside the frame counts."""
    framed = np.pad(page_of(boot), width, constant_values=level)
    found = find_item(as_png(framed))
    assert likeness(found.instance, boot) > 0.9
    if abs(level - 245) > 100 and width > 2:
        assert SURROUNDINGS in found.warnings


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("axis", [0, 1])
def test_bars_are_no_part_of_the_picture(boot, share, axis):
    """Letterbox and pillarbox, 5 to 40 % of a side each."""
    width = round(400 * share / (1 - 2 * min(share, 0.4)))
    margins = [(width, width), (0, 0)] if axis == 0 else [(0, 0), (width, width)]
    found = find_item(as_png(np.pad(page_of(boot), margins, constant_values=0)))
    assert likeness(found.instance, boot) > 0.9


def test_larger_of_two_items_counts_and_the_other_is_told_of(items, boot):
    """The box is round the larger one."""
    page = page_of(boot, size=(400, 640), at=(60, 40))
    page[100:240, 450:590] = page_of(items[1], side=140, size=(140, 140), at=(0, 0))
    found = find_item(as_png(page))
    assert found.warnings == ("two items, the larger one",)
    x, _, width, _ = found.box
    assert x + width < 340
    assert likeness(found.instance, boot) > 0.9


def test_box_is_where_the_item_is(boot):
    """In pixels of the picture, x, y, width and height, to a pixel of the instance."""
    rows, columns = np.flatnonzero(boot.any(1)), np.flatnonzero(boot.any(0))
    for side, at in ((280, (60, 60)), (60, (300, 20)), (380, (5, 10))):
        scale = side / SIDE
        expected = np.array(
            [
                at[1] + columns[0] * scale,
                at[0] + rows[0] * scale,
                (columns[-1] + 1 - columns[0]) * scale,
                (rows[-1] + 1 - rows[0]) * scale,
            ]
        )
        box = np.array(find_item(as_png(page_of(boot, side=side, at=at))).box)
        assert np.abs(box - expected).max() < 1.5 * scale


def test_box_is_upright_where_the_file_is_not(boot):
    """EXIF first, then the box: what a person sees is measured."""
    page = Image.fromarray(page_of(boot, at=(20, 110)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(page.transpose(Image.Transpose.ROTATE_90), exif=exif)
    upright = find_item(encoded(page)).box
    assert np.abs(np.array(find_item(turned).box) - upright).max() <= 3
    given = find_item(turned, box=(110, 20, 280, 280))
    assert given.box == (110, 20, 280, 280)
    assert likeness(given.instance, boot) > 0.85


def test_large_jpeg_is_measured_in_its_own_pixels(boot):
    """A JPEG is decoded at a fraction of its size; the box is not."""
    page = Image.fromarray(page_of(boot).astype(np.uint8)).resize((2400, 2400))
    small = np.array(find_item(as_png(page_of(boot))).box)
    large = np.array(find_item(encoded(page, "JPEG")).box)
    assert np.abs(large - 6 * small).max() < 24


def test_given_box_counts_and_not_what_would_be_found(items, boot):
    """A person points at the smaller item, and it is taken."""
    page = page_of(boot, size=(400, 640), at=(60, 40))
    page[100:240, 450:590] = page_of(items[1], side=140, size=(140, 140), at=(0, 0))
    found = find_item(as_png(page), box=(450, 100, 140, 140))
    assert found.box == (450, 100, 140, 140)
    assert found.warnings == ()
    assert likeness(found.instance, items[1]) > 0.9


def test_given_box_is_rounded_to_pixels(boot):
    """Decimals, as a page that was scaled has them."""
    assert find_item(as_png(page_of(boot)), box=(59.6, 60.4, 280.2, 279.7)).box == (
        60,
        60,
        280,
        280,
    )


def test_nothing_in_a_given_box_is_nothing(boot):
    """An empty corner of a picture that shows an item shows nothing."""
    found = find_item(as_png(page_of(boot)), box=(2, 2, 30, 30))
    assert found.empty
    assert found.warnings == (NOTHING,)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 401, 10), "box 0,0,401,10 is not inside the picture, which has 400x400 pixels"),
        ((-1, 0, 10, 10), "not inside"),
        ((500, 500, 10, 10), "not inside"),
        ((0, 0, 0, 10), "is empty"),
        ((5, 5, 10, -3), "is empty"),
        ((float("nan"), 0, 10, 10), "four numbers in pixels"),
        ((0, 0, float("inf"), 10), "four numbers in pixels"),
        ((0, 0, 10), "four numbers in pixels"),
    ],
)
def test_box_that_is_none_is_refused(boot, box, message):
    """Outside, empty, no number: the message says which, and it is no fault of the picture's."""
    with pytest.raises(InvalidRequest, match=message) as refused:
        find_item(as_png(page_of(boot)), box=box)
    assert not isinstance(refused.value, InvalidImage)


def ramp(low, high):
    return np.broadcast_to(np.linspace(low, high, 400), (300, 400))


RNG = np.random.default_rng(3)
Y, X = np.mgrid[-1:1:300j, -1:1:400j]
EMPTY = {
    "white": np.full((300, 400), 255.0),
    "grey": np.full((300, 400), 128.0),
    "black": np.zeros((300, 400)),
    "one pixel": np.full((1, 1), 200.0),
    "row of zeros": np.zeros((SIDE, SIDE)),
    "uniform noise": RNG.uniform(0, 255, (300, 400)),
    "uniform noise, small": RNG.uniform(0, 255, (50, 60)),
    "noise in colours": RNG.uniform(0, 255, (300, 400, 3)),
    "noise of a sensor": RNG.normal(128, 10, (300, 400)),
    "light from a side": ramp(80, 240),
    "dark corners": 220 - 90 * (X**2 + Y**2),
    "a pool of light": 100 + 120 * np.exp(-4 * ((X - 0.2) ** 2 + Y**2)),
    "a soft shadow": 200 - 90 * np.exp(-6 * (X**2 + Y**2)),
    "a frame round nothing": np.pad(np.full((280, 380), 230.0), 10, constant_values=20),
    "bars above and below nothing": np.where(np.abs(Y) > 0.7, 0.0, 200.0) + 0 * X,
    "a wall above a table": np.where(Y > 0.1, 90.0, 210.0) + 0 * X,
    "dust": np.where(RNG.random((300, 400)) < 0.003, 30.0, 250.0),
    "one speck": np.where((np.abs(X - 0.3) < 0.01) & (np.abs(Y) < 0.01), 0.0, 240.0),
    "a horizontal line": np.where(np.abs(Y) < 0.01, 0.0, 240.0) + 0 * X,
}


@pytest.mark.parametrize("case", EMPTY)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_picture_of_nothing_is_empty(case, file_format):
    """No class can be made up of what shows no item: it has no box, and black pixels."""
    pixels = Image.fromarray(np.rint(EMPTY[case].clip(0, 255)).astype(np.uint8))
    found = find_item(encoded(pixels, file_format))
    assert found.empty
    assert found.box is None
    assert found.warnings == (NOTHING,)
    assert found.instance.shape == (SIDE, SIDE)
    assert not found.instance.any()


def test_noise_is_empty_whatever_the_dice_say():
    """200 pictures of noise, of three sizes, hold no item."""
    rng = np.random.default_rng(11)
    for number in range(200):
        size = ((40, 60), (64, 64), (150, 200))[number % 3]
        noise = rng.uniform(0, 255, size) if number % 2 else rng.normal(128, 40, size)
        assert find_item(as_png(noise)).empty


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_counts_whatever_the_depth(boot, bits, channels):
    """10, 12, 14 bits in 16-bit pixels, and all 16: what a camera or a scanner keeps."""
    levels = np.rint(page_of(boot) * ((2**bits - 1) / 255)).astype(np.uint16)
    if channels == 1:
        content = encoded(Image.fromarray(levels))
    else:
        content = png_of_16_bits(np.repeat(levels[..., None], 3, 2))
    assert likeness(find_item(content).instance, boot) > 0.9


def png_of_16_bits(levels):
    """A PNG of uint16 [h, w, 3], which Pillow reads and does not write."""
    from tests.client.test_refused_images import png_chunk

    height, width, _ = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, body) for name, body in chunks)


def test_narrow_range_of_deep_levels_is_contrast(boot):
    """A detector whose levels lie between 30,000 and 30,500 shows what it shows."""
    levels = 30_000 + np.rint(page_of(boot) * (500 / 255))
    found = find_item(encoded(Image.fromarray(levels.astype(np.uint16))))
    assert likeness(found.instance, boot) > 0.9


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_with_something_in_it_counts(boot, file_format):
    """An animation that begins blank shows what comes; what comes later does not count."""
    photo = on_a_page(boot).convert("RGB")
    blank, other = Image.new("RGB", photo.size, "white"), Image.new("RGB", photo.size, "black")
    content = encoded(blank, file_format, save_all=True, append_images=[blank, photo, other])
    assert likeness(find_item(content).instance, boot) > 0.9


def test_blank_animation_is_empty():
    """However many frames it has."""
    blank = [Image.new("L", (60, 40), 200 + number) for number in range(50)]
    content = encoded(blank[0], "GIF", save_all=True, append_images=blank[1:])
    assert find_item(content).empty


def test_frames_are_bounded_by_pixels(boot):
    """The limit is for all that is decoded of a file."""
    photo = on_a_page(boot)
    blank = Image.new("L", photo.size, 255)
    content = encoded(blank, "GIF", save_all=True, append_images=[photo.convert("L")])
    assert find_item(content, max_pixels=photo.width * photo.height).empty
    assert not find_item(content, max_pixels=2 * photo.width * photo.height).empty


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_that_is_named_is_read(boot, file_format):
    """`FORMATS` is what the messages offer."""
    content = encoded(on_a_page(boot).convert("RGB"), file_format)
    assert likeness(find_item(content).instance, boot) > 0.85


def test_outline_is_filled_in_and_said(boot):
    """Models know surfaces, not lines."""
    inside = np.asarray(Image.fromarray(boot).resize((280, 280))) > 25
    line = inside & ~np.roll(inside, 3, 0) | inside & ~np.roll(inside, -3, 0)
    line |= inside & ~np.roll(inside, 3, 1) | inside & ~np.roll(inside, -3, 1)
    page = np.full((400, 400), 250.0)
    page[60:340, 60:340][line] = 20
    found = find_item(as_png(page))
    assert OUTLINE in found.warnings
    assert likeness(found.instance, boot > 25) > 0.8


def test_faint_item_and_one_that_is_cut_off_are_doubtful(boot):
    """The answer says so, and is given."""
    faint = 230 + (page_of(boot) - 245) * 0.06
    assert FAINT in find_item(as_png(faint)).warnings
    half = page_of(boot)[:, :220]
    assert CUT_OFF in find_item(as_png(half)).warnings


def test_light_item_on_dark_ground_is_the_same_item(boot):
    """Which of the two is darker does not matter."""
    page = page_of(boot)
    dark, light = find_item(as_png(page)), find_item(as_png(255 - page))
    assert np.abs(dark.instance.astype(int) - light.instance).mean() < 2


def test_item_of_the_same_tone_is_seen_by_its_colour(boot):
    """Red on a green that is as light as it."""
    opacity = np.asarray(Image.fromarray(boot).resize((280, 280)))[..., None] / 255
    picture = np.full((400, 400, 3), (0.0, 129.0, 0.0))
    picture[60:340, 60:340] += opacity * (np.array([253.0, 0, 0]) - (0, 129.0, 0))
    image = Image.fromarray(np.rint(picture.clip(0, 255)).astype(np.uint8))
    tones = np.asarray(image.convert("L")).astype(int)
    assert np.ptp(tones) < 12
    assert likeness(find_item(encoded(image)).instance, boot) > 0.85


def test_clean_pictures_are_hardly_warned_of(items):
    """There is nothing to say of a picture that shows one item; a few have parts that lie apart."""
    warned = [number for number in range(100) if find_item(as_png(page_of(items[number]))).warnings]
    assert len(warned) <= 5


def test_open_file_and_path_are_read_once(boot, tmp_path):
    """A file may be a stream that cannot be read again."""
    path = tmp_path / "page.png"
    path.write_bytes(as_png(page_of(boot)))
    stream = io.BytesIO(path.read_bytes())
    assert find_item(path).box == find_item(stream).box == find_item(str(path)).box
    assert stream.read() == b""
