"""`vitrine_training.photos`: pictures as people send them, drawn round items of the data set."""

import hashlib
import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from tests.docs.pages import PAGES
from vitrine_training.data import fashion_mnist as data
from vitrine_training.photos import (
    KINDS,
    STRANGERS,
    depths,
    dirt,
    frames,
    lettering,
    overlays,
    placing,
)
from vitrine_training.photos.canvas import Place, even, inside, some_size, still

DRAWN = 3
"""Pictures of each kind."""

DIGESTS = """
import hashlib, sys
import numpy as np
from vitrine_training.data.fashion_mnist import load
from vitrine_training.photos import KINDS
images = load().test.images
for kind in [*KINDS.values()][::3]:
    print(hashlib.sha256(kind.draw(images[3], kind.generator(3), images[9:14])).hexdigest())
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(scope="module")
def items():
    return data.load().test.images


@pytest.fixture(scope="module")
def drawn(items):
    """Some encoded files of each kind."""
    return {
        name: [
            kind.draw(items[number], kind.generator(number), items[500:520])
            for number in range(DRAWN)
        ]
        for name, kind in KINDS.items()
    }


def opened(content, frame=0):
    """The pixels of a file, float [h, w, channels], with opacity taken off a middle grey."""
    with Image.open(io.BytesIO(content)) as image:
        image.seek(frame)
        if image.mode.startswith("I"):
            return np.asarray(image, float)[..., None]
        rgba = np.asarray(image.convert("RGBA"), float)
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 127 * (1 - alpha)


def frames_of(content):
    with Image.open(io.BytesIO(content)) as image:
        return [opened(content, number) for number in range(getattr(image, "n_frames", 1))]


def rings(picture):
    """How many uniform rings of pixels a picture has about it, and the level of the outer one."""
    level = picture[0, 0].copy()
    width = 0
    while width < min(picture.shape[:2]) // 2:
        last = -1 - width
        ring = [picture[width], picture[last], picture[:, width], picture[:, last]]
        inner = [side[width : len(side) - width] for side in ring]
        if any(np.ptp(np.vstack([side, level[None]]), axis=0).max() > 0 for side in inner):
            break
        width += 1
    return width, level


def test_there_are_kinds_enough_and_two_are_apart():
    """Those that lose the item's tones are the two that the goal names."""
    assert len(KINDS) >= 44
    lost = {name for name, kind in KINDS.items() if not kind.leaves_item_visible}
    assert lost == {"dithered-scan", "pencil-outline"}
    assert all(name == kind.name for name, kind in KINDS.items())
    assert all(kind.photograph.__doc__ for kind in KINDS.values())


def test_strangers_are_ten_that_leave_the_item_visible():
    """They come last, so that the others are reported first."""
    strangers = [kind for kind in KINDS.values() if kind.group in STRANGERS]
    assert [kind.group for kind in strangers] == [group for group in STRANGERS for _ in range(10)]
    assert strangers == [*KINDS.values()][-len(strangers) :]
    assert all(kind.leaves_item_visible and not kind.with_others for kind in strangers)


@pytest.mark.parametrize("name", KINDS)
def test_pictures_are_files_that_open_without_a_warning(drawn, name):
    """Of 200 to 4000 pixels, and none is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for content in drawn[name]:
            picture = frames_of(content)[-1]
            assert 40 <= min(picture.shape[:2]) <= max(picture.shape[:2]) <= 4500
            assert picture.std() > 0


@pytest.mark.parametrize("name", KINDS)
def test_pictures_depend_on_item_and_seed_only(items, drawn, name):
    """The same seed gives the same bytes, and another seed or item gives others."""
    kind = KINDS[name]
    again = kind.draw(items[0], kind.generator(0), items[500:520])
    assert again == drawn[name][0]
    assert kind.draw(items[0], kind.generator(1), items[500:520]) != again


@pytest.mark.parametrize("name", KINDS)
def test_the_item_is_there(items, name):
    """A drawing of nothing differs, by something that is as large as the smallest item at least."""
    kind = KINDS[name]
    with_item, without = (
        frames_of(kind.draw(one, kind.generator(0), items[500:520]))[-1]
        for one in (items[0], np.zeros_like(items[0]))
    )
    assert with_item.shape == without.shape
    difference = np.abs(with_item - without).max(axis=2)
    rows, columns = (
        np.flatnonzero((difference > 0.4 * difference.max()).any(axis)) for axis in (1, 0)
    )
    assert max(np.ptp(rows), np.ptp(columns)) / min(with_item.shape[:2]) > 0.04


def test_other_processes_draw_the_same(items):
    """Bytes depend on nothing that differs between processes, and need no TensorFlow."""
    there = subprocess.run(
        [sys.executable, "-c", DIGESTS], capture_output=True, text=True, check=True
    ).stdout.split()
    here = [
        hashlib.sha256(kind.draw(items[3], kind.generator(3), items[9:14])).hexdigest()
        for kind in [*KINDS.values()][::3]
    ]
    assert there == here


def test_items_beside_the_item_may_be_left_out(items):
    """Then they are the item itself, turned; kinds without company do not look at them."""
    for kind in KINDS.values():
        alone = kind.draw(items[0], kind.generator(0))
        in_company = kind.draw(items[0], kind.generator(0), items[500:520])
        if not kind.with_others:
            assert alone == in_company
    assert {name for name, kind in KINDS.items() if kind.with_others} >= {"two-items", "shop-page"}


def test_frames_have_the_stated_widths(items):
    """From 1 to 24 pixels and of any level, as is seen in the pictures themselves."""
    kind, widths, levels = KINDS["frame"], [], []
    for number in range(150):
        content = kind.draw(items[number], kind.generator(number))
        if content.startswith(b"\x89PNG"):
            width, level = rings(opened(content))
            widths.append(width)
            levels.append(level.mean())
    least, most = frames.FRAME_PX
    assert (least, most) == (1, 24)
    assert min(widths) <= 6
    assert max(widths) >= 18
    inside = [least <= width <= most for width in widths]  # else the frame is as the ground
    assert np.mean(inside) >= 0.9
    assert min(levels) < 64
    assert max(levels) > 192


def test_bars_have_the_stated_height(items):
    """From 5 to 40 % of the side that they lengthen."""
    kind, shares = KINDS["letterbox"], []
    for number in range(60):
        picture = opened(kind.draw(items[number], kind.generator(number))).mean(axis=2)
        even_rows = np.ptp(picture, axis=1) < 12  # JPEG's rings are less
        bar = int(np.argmin(even_rows & (np.abs(picture.mean(axis=1) - picture[0].mean()) < 6)))
        shares.append(bar / len(picture))
    least, most = frames.BARS
    assert (least, most) == (0.05, 0.40)
    assert min(shares) >= least - 0.01
    assert min(shares) < 0.12
    assert np.median(shares) <= most
    assert np.quantile(shares, 0.8) > 0.25


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_depths_keep_to_their_bits(items, drawn, bits):
    """Levels reach far up to the highest of the depth, and not beyond."""
    name = {10: "ten", 12: "twelve", 14: "fourteen", 16: "sixteen"}[bits] + "-bits"
    for content in drawn[name]:
        picture = opened(content)
        assert 0.5 * 2**bits < picture.max() < 2**bits
        assert np.ptp(picture) > 0.2 * 2**bits


def test_first_frames_are_blank(drawn):
    """The item comes with the second to fourth frame."""
    for name in ("blank-then-item", "fade-in"):
        for content in drawn[name]:
            shown = [np.ptp(picture, axis=(0, 1)).max() > 20 for picture in frames_of(content)]
            assert 2 <= len(shown) <= 4
            assert not shown[0]
            assert shown[-1]


def test_colours_that_differ_in_hue_alone(items):
    """In grey there is hardly anything left, in colour there is plenty."""
    kind = KINDS["isoluminant"]
    for number in range(20):
        picture = opened(kind.draw(np.full((28, 28), 255, np.uint8), kind.generator(number)))
        assert np.abs(np.ptp(np.quantile(picture @ depths.LUMA, [0.01, 0.99]))) < 25
        assert np.ptp(np.quantile(picture, [0.01, 0.99], axis=(0, 1)), axis=0).max() > 90


def test_low_contrast_is_low(items):
    """By as many levels as the file states."""
    kind = KINDS["low-contrast"]
    least, most = depths.CONTRAST
    for number in range(20):
        picture = opened(kind.draw(np.full((28, 28), 255, np.uint8), kind.generator(number)))
        levels = np.ptp(np.quantile(picture.mean(axis=2), [0.01, 0.99]))
        assert 0.8 * least < levels < 1.3 * most


def test_one_bit_scans_have_one_bit(drawn):
    """PNG or TIFF of mode 1."""
    for name in ("threshold-scan", "dithered-scan"):
        modes = {Image.open(io.BytesIO(content)).mode for content in drawn[name]}
        assert modes == {"1"}


def test_item_at_the_edge_touches_it(items):
    """Part of the item lies on the outermost pixels, and at most five percent is cut off."""
    kind = KINDS["at-the-edge"]
    assert placing.CUT[1] == 0.05
    for number in range(20):
        with_item, without = (
            opened(kind.draw(one, kind.generator(number)))
            for one in (items[number], np.zeros_like(items[number]))
        )
        changed = np.abs(with_item - without).max(axis=2) > 15
        edges = changed[:2], changed[-2:], changed[:, :2], changed[:, -2:]
        assert any(edge.any() for edge in edges), f"number {number}"


def test_sizes_and_shapes_vary():
    """Portrait, landscape and square, from 240 to 900 pixels."""
    sizes = np.array([some_size(np.random.default_rng(seed)) for seed in range(300)])
    assert 240 <= sizes.max(axis=1).min() <= 300
    assert 750 <= sizes.max(axis=1).max() <= 900
    portrait, landscape = sizes[:, 0] > sizes[:, 1], sizes[:, 0] < sizes[:, 1]
    assert all(kind.sum() > 40 for kind in (portrait, landscape, ~(portrait | landscape)))


def test_light_items_on_dark_ground_come_as_well(items):
    """In some kinds both ways round."""
    found = [still(items[0], np.random.default_rng(seed)).tones for seed in range(80)]
    light = [sum(tones.ink) > sum(tones.ground) for tones in found]
    assert 8 < sum(light) < 40


def test_dust_is_in_the_stated_range():
    """The strength of dust that the measurements of users' pictures began with."""
    assert dirt.SPECKS == (1, 40)
    assert dirt.SPECK_PX == (1, 12)
    assert overlays.CAPTION == (0.02, 0.12)
    assert (placing.SMALL[0], placing.LARGE[1]) == (0.08, 0.90)


def test_specks_are_as_many_and_as_large_as_stated():
    """Counted on a picture without an item: at most 12 pixels of 600 across, and 1 to 40."""
    kind, blank = KINDS["dust-on-white"], np.zeros((28, 28), np.uint8)
    for number in range(30):
        picture = opened(kind.draw(blank, kind.generator(number))).mean(axis=2)
        dark = picture < 128
        most = 12 * max(picture.shape) / 600 + 1
        assert 1 <= dark.sum() <= 40 * most**2


def test_what_reaches_beyond_the_edge_is_cut():
    """And what lies wholly inside is whole."""
    alpha = np.arange(16, dtype=np.float32).reshape(4, 4)
    photo = even((10, 10), (0, 0, 0))
    region, seen = inside(photo, alpha, Place(-1, 8, 4))
    assert region.shape == (2, 3, 3)
    np.testing.assert_array_equal(seen, alpha[:2, 1:])
    region, seen = inside(photo, alpha, Place(3, 3, 4))
    assert region.shape == (4, 4, 3)
    assert seen is not alpha
    np.testing.assert_array_equal(seen, alpha)


def test_words_are_legible():
    """The font has every sign that prices are written with."""
    missing = lettering.font(40).getmask("\uffff")
    for sign in set("".join((*lettering.PRICES, *lettering.NAMES, "©"))) - {" "}:
        assert bytes(lettering.font(40).getmask(sign)) != bytes(missing), sign


def test_the_page_says_how_many_kinds_there_are():
    """In docs/training.md, and every group has its row there."""
    page = PAGES["docs/training.md"]
    strangers = sum(kind.group in STRANGERS for kind in KINDS.values())
    assert f"{len(KINDS) - strangers} kinds of pictures" in page
    for group in {kind.group for kind in KINDS.values()}:
        assert f"| {group} |" in page
