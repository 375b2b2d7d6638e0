"""What is round an item and no part of it: panels in panels, drawn rings and arrows, textures."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.client.made_pictures import encoded, likeness
from vitrine_client.images import find_item
from vitrine_client.images.finding.item import STRAYS, SURROUNDINGS
from vitrine_client.images.finding.rectangles import rectangles
from vitrine_client.images.raster import decoded

SHIRT, BOOT, STRAPPED_BAG, HEEL = 2, 0, 31, 49
"""Numbers of rows of the test set; the bag's strap is lighter than the bag, and a gap lies between
the two."""


@pytest.fixture(scope="module")
def items(dataset):
    return dataset.test.images


def lay(page, item, box, ink=(40, 44, 60)):
    """Paints an item on an RGB page, at left, top and side."""
    left, top, side = box
    opacity = Image.fromarray(item).resize((side, side), Image.Resampling.BICUBIC)
    page.paste(Image.new("RGB", (side, side), ink), (left, top), opacity)


def box_from_above(item, walls=(40, 200), size=(400, 500)):
    """Four walls, each of a tone of its own, round a floor on which an item lies."""
    width, height = size
    page = Image.new("RGB", size, (90, 130, 120))
    pen = ImageDraw.Draw(page)
    (a, b), (c, d) = (30, 70), (30, 70)
    outer = [(a, c), (width - a, c), (width - a, height - c), (a, height - c)]
    inner = [(b, d), (width - b, d), (width - b, height - d), (b, height - d)]
    for number, tone in enumerate(np.linspace(*walls, 4).astype(int)):
        after = (number + 1) % 4
        colour = (tone, int(0.8 * tone), int(0.6 * tone))
        pen.polygon([outer[number], outer[after], inner[after], inner[number]], colour)
    pen.rectangle((b, d, width - b, height - d), (232, 232, 236))
    lay(page, item, (b + 15, d + 60, width - 2 * b - 30))
    return page


@pytest.mark.parametrize("walls", [(40, 200), (60, 140), (220, 90)])
@pytest.mark.parametrize("number", [BOOT, SHIRT, HEEL])
def test_item_in_a_box_seen_from_above(items, number, walls):
    """Its sides differ from each other; what they enclose is looked into all the same."""
    found = find_item(encoded(box_from_above(items[number], walls)))
    assert likeness(found.instance, items[number]) > 0.9
    assert SURROUNDINGS in found.warnings


@pytest.mark.parametrize("page_level", [250, 20])
def test_large_picture_of_several_counts(items, page_level):
    """A cloth and a label beside it are panels, too, and touch nearly."""
    page = Image.new("RGB", (600, 420), (page_level,) * 3)
    pen = ImageDraw.Draw(page)
    pen.rectangle((6, 6, 400, 413), (206, 214, 210))
    lay(page, items[BOOT], (50, 60, 300))
    pen.rectangle((407, 6, 593, 206), (60, 64, 80))
    pen.rectangle((407, 213, 593, 413), (238, 238, 232))
    pen.text((460, 300), "size 42", (20, 20, 20))
    found = find_item(encoded(page))
    assert likeness(found.instance, items[BOOT]) > 0.9
    assert found.box[0] + found.box[2] < 400


def circled(item, pen_colour, width, ground=(214, 220, 224)):
    page = Image.new("RGB", (480, 420), ground)
    lay(page, item, (130, 110, 200))
    pen = ImageDraw.Draw(page)
    pen.ellipse((85, 70, 375, 350), None, pen_colour, width)
    return page


@pytest.mark.parametrize("pen_colour", [(230, 30, 40), (30, 90, 230), (0, 0, 0)], ids=str)
@pytest.mark.parametrize("width", [3, 5, 8])
@pytest.mark.parametrize("number", [BOOT, SHIRT, HEEL])
def test_ring_round_an_item_is_no_part_of_it(items, number, width, pen_colour):
    """Whatever pen it was drawn with; the warnings tell of it."""
    found = find_item(encoded(circled(items[number], pen_colour, width)))
    assert likeness(found.instance, items[number]) > 0.9
    assert STRAYS in found.warnings


def test_arrow_that_touches_an_item_is_no_part_of_it(items):
    """It has a colour of its own, and leads away."""
    page = circled(items[SHIRT], (214, 220, 224), 1)
    pen = ImageDraw.Draw(page)
    pen.line((20, 20, 190, 170), (230, 30, 40), 5)
    found = find_item(encoded(page))
    assert likeness(found.instance, items[SHIRT]) > 0.85
    assert found.box[0] > 110


@pytest.mark.parametrize("number", [STRAPPED_BAG, HEEL])
@pytest.mark.parametrize("side", [140, 260, 380])
def test_straps_and_heels_are_no_strokes(items, number, side):
    """They are as thin as what is drawn with a pen, and belong to the item."""
    page = Image.new("RGB", (480, 480), (231, 231, 231))
    lay(page, items[number], (50, 50, side))
    assert likeness(find_item(encoded(page)).instance, items[number]) > 0.9


@pytest.mark.parametrize("ink", [(40, 40, 40), (128, 128, 128), (235, 235, 235)], ids=str)
def test_texture_of_one_colour_hides_nothing_of_another(items, ink):
    """Blades of grass are brighter and darker, and always green: grey of any tone is seen."""
    rng = np.random.default_rng(5)
    shades = np.repeat(np.repeat(rng.uniform(0.45, 1.5, (160, 160)), 3, 0), 3, 1)
    lawn = Image.fromarray((shades[..., None] * (84, 128, 52)).clip(0, 255).astype(np.uint8))
    lay(lawn, items[BOOT], (90, 110, 280), ink)
    found = find_item(encoded(lawn))
    assert likeness(found.instance, items[BOOT] > 25) > 0.8
    assert np.abs(np.array(found.box) - (90, 110, 280, 280))[[0, 2]].max() < 25


@pytest.mark.parametrize("turned", [0, 20, 90])
@pytest.mark.parametrize("levels", [(250, 205), (30, 70), (240, 150)])
def test_stripes_are_a_ground_of_two_colours(items, levels, turned):
    """However an item touches them."""
    page = Image.new("L", (900, 900), levels[0])
    pen = ImageDraw.Draw(page)
    for at in range(0, 900, 50):
        pen.rectangle((at, 0, at + 22, 900), levels[1])
    page = page.rotate(turned, Image.Resampling.BICUBIC).crop((225, 225, 675, 675)).convert("RGB")
    lay(page, items[BOOT], (80, 90, 260), (120, 60, 60) if levels[0] > 128 else (225, 205, 205))
    assert likeness(find_item(encoded(page)).instance, items[BOOT]) > 0.75


@pytest.mark.parametrize("band", [(0.35, 0.45), (0.1, 0.6)])
def test_cut_out_is_the_item_however_straight_its_sides_are(band):
    """A bag of two colours, behind which there is nothing: no panel, and its band no item."""
    assert_found(straight_bag(band))


def test_bag_with_straight_sides_on_a_page_is_an_item():
    """It has a handle, which no panel has; nothing is in it that could be an item."""
    page = Image.new("RGBA", (320, 320), (240, 240, 235, 255))
    page.alpha_composite(straight_bag((0, 0)))
    assert_found(page.convert("RGB"))


def straight_bag(band):
    bag = Image.new("RGBA", (320, 320), (0, 0, 0, 0))
    pen = ImageDraw.Draw(bag)
    pen.rectangle((30, 110, 290, 290), (230, 150, 70, 255))
    pen.rectangle((30, 110 + 180 * band[0], 290, 110 + 180 * band[1]), (30, 40, 50, 255))
    pen.arc((100, 30, 220, 190), 180, 360, (30, 40, 50, 255), 14)
    return bag


def assert_found(bag):
    x, y, width, height = find_item(encoded(bag)).box
    assert np.abs(np.array((x, y, x + width, y + height)) - (30, 30, 291, 291)).max() < 6


def reduced(page):
    return decoded(encoded(page), 10**7).values(3)


def test_rectangles_are_found_by_their_edges():
    """To three pixels of what is looked at; of a frame what is inside."""
    page = Image.new("RGB", (450, 390), (200, 200, 200))
    pen = ImageDraw.Draw(page)
    pen.rectangle((60, 90, 390, 330), (40, 60, 90), (250, 250, 250), 12)
    (found,) = rectangles(reduced(page), 0.0)
    assert np.abs(np.array(found) - (34, 106, 24, 126)).max() <= 3


def test_no_rectangle_without_four_edges():
    """Ruled paper has the edges, but they run on; noise, a disc and a tilted card have none."""
    rng = np.random.default_rng(3)
    squares = Image.new("RGB", (450, 390), (250, 250, 250))
    pen = ImageDraw.Draw(squares)
    for at in range(20, 450, 60):
        pen.line((at, 0, at, 390), (90, 120, 200), 3)
        pen.line((0, at, 450, at), (90, 120, 200), 3)
    disc = Image.new("RGB", (450, 390), (250, 250, 250))
    ImageDraw.Draw(disc).ellipse((90, 60, 350, 320), (20, 40, 60))
    card = Image.new("RGB", (450, 390), (250, 250, 250))
    ImageDraw.Draw(card).polygon([(100, 60), (380, 130), (320, 340), (40, 270)], (20, 40, 60))
    noise = Image.fromarray(rng.integers(0, 255, (390, 450, 3), np.uint8))
    for page in (squares, disc, card, noise):
        assert rectangles(reduced(page), 0.0) == []
