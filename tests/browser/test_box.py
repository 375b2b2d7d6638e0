"""The box round the item, on the picture: seen where the item is, put right by mouse and finger."""

import io
import math
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, problem
from tests.browser.visit import answer, command, item_box, pixels, verdict, warnings, why
from vitrine_client.images import SIDE, Item

WIDTH, HEIGHT = 400, 300
FOUND = (200, 60, 120, 90)
GREEN, WHITE = (0, 160, 0), (255, 255, 255)
_ORIENTATION, _RESOLUTION = 0x0112, (0x011A, 0x011B)
_EXIF, _PIXELS = 0x8769, (0xA002, 0xA003)
_TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By EXIF orientation, how an upright picture is turned before it is kept."""


def picture(kind: str = "PNG", orientation: int = 1, *, dense: bool = False) -> bytes:
    """A green patch at FOUND, once upright; `dense` says that pixels are finer than a screen's."""
    levels = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    x, y, width, height = FOUND
    levels[y : y + height, x : x + width] = GREEN
    image = Image.fromarray(levels)
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    if dense:
        exif.get_ifd(_EXIF).update(zip(_PIXELS, (WIDTH // 2, HEIGHT // 2), strict=True))
        exif.update(dict.fromkeys(_RESOLUTION, 144.0))
    turn = _TURNS[orientation]
    turned = image if turn is None else image.transpose(turn)
    file = io.BytesIO()
    turned.save(file, kind, exif=exif, quality=95)
    return file.getvalue()


def seeing(*said: str, **options: object) -> FakeApi:
    """An API that finds the patch, and warns."""
    shown = np.full((SIDE, SIDE), 200, np.uint8)
    return FakeApi(item=Item(shown, FOUND, said), **options)


def give(page: Page, content: bytes | None = None, kind: str = "PNG") -> None:
    """Chooses a picture, and waits until the models have answered."""
    file = {"name": f"item.{kind.lower()}", "mimeType": f"image/{kind.lower()}"}
    file["buffer"] = picture() if content is None else content
    page.get_by_label("Choose a picture").set_input_files(file)
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    at_rest(page)


def at_rest(page: Page) -> None:
    """Waits until nobody is asked any more."""
    expect(page.get_by_role("region", name="Answers")).to_have_attribute("aria-busy", "false")


def in_words(box: tuple[int, ...], whose: str = "Your box") -> str:
    """What the page says of where the box is."""
    x, y, width, height = box
    return f"{whose}: {width} × {height} pixels, {x} from the left, {y} from the top."


def expect_box(page: Page, box: tuple[int, ...], whose: str = "Your box") -> None:
    """Waits until the box is there, by its words and by what is drawn, to a screen's pixel."""
    expect(item_box(page)).to_have_accessible_description(
        re.compile(re.escape(in_words(box, whose)))
    )
    # At one moment: a message that comes or goes moves them both.
    sheet, drawn = item_box(page).evaluate(
        "drawn => [document.getElementById('sheet'), drawn].map("
        "each => each.getBoundingClientRect().toJSON())"
    )
    scale = sheet["width"] / WIDTH
    assert sheet["height"] == pytest.approx(HEIGHT * scale, abs=1)
    shown = [drawn["x"] - sheet["x"], drawn["y"] - sheet["y"], drawn["width"], drawn["height"]]
    assert shown == pytest.approx([each * scale for each in box], abs=1)


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture, in its pixels, is on the screen."""
    sheet = page.locator("#sheet").bounding_box()
    scale = sheet["width"] / WIDTH
    return sheet["x"] + x * scale, sheet["y"] + y * scale


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drags with the mouse, from and to points in pixels of the picture."""
    page.locator("#sheet").scroll_into_view_if_needed()
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *end), steps=4)
    page.mouse.up()


def asked_about(api: FakeApi, box: tuple[int, ...]) -> set[str]:
    """The ends of the paths that were asked about a box."""
    text = ",".join(map(str, box))
    return {path.rpartition("/")[2] for path, asked in api.boxes if asked == text}


ALL = {"instances"}  # models get what is seen there


@pytest.mark.parametrize(
    ("kind", "orientation", "dense"),
    [
        ("JPEG", 1, True),
        ("PNG", 8, False),
        ("WEBP", 5, False),
        *(pytest.param(*each, False, marks=pytest.mark.wide) for each in (("PNG", 1), ("JPEG", 6))),
        *(
            pytest.param("WEBP", orientation, False, marks=pytest.mark.wide)
            for orientation in _TURNS
            if orientation != 5
        ),
    ],
)
def test_it_is_where_the_item_is(visit, kind, orientation, dense):
    """On the upright picture, however the file keeps it: inside all is green, outside nothing."""
    page = visit(api=seeing())
    give(page, picture(kind, orientation, dense=dense), kind)
    expect_box(page, FOUND, "Found")
    page.locator("#sheet").scroll_into_view_if_needed()
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    x, y, width, height = FOUND
    margin = 16  # of the picture: wider than lines and handles
    for right, down in ((x + margin, y + margin), (x + width - margin, y + height - margin)):
        red, green, blue = shot.getpixel(on_screen(page, right, down))
        assert green > 120 > 60 > max(red, blue)
    for right, down in ((x - margin, y + height / 3), (x + width + margin, y + height / 3)):
        red, green, blue = shot.getpixel(on_screen(page, right, down))
        assert red == pytest.approx(blue, abs=9)  # what is left out is dimmed, but no colour
        assert red == pytest.approx(green, abs=9)
        assert red > 100


def test_it_is_moved_by_its_inside(visit):
    """And all models are asked about it; the commands name it, and the pixels are new."""
    api = seeing()
    page = visit(api=api)
    give(page)
    assert api.boxes == []
    expect(command(page, "curl command")).not_to_contain_text("box=")
    api.item = Item(np.full((SIDE, SIDE), 90, np.uint8), FOUND)
    drag(page, (260, 100), (180, 140))
    moved = (120, 100, 120, 90)
    expect_box(page, moved)
    at_rest(page)
    assert asked_about(api, moved) == ALL
    assert pixels(page.get_by_role("img", name="What the models see of"))[0] == [90, 90, 90, 255]
    expect(command(page, "curl command")).to_contain_text(":predict?box=120,100,120,90'")
    expect(command(page, "Python lines")).to_contain_text(", box=(120, 100, 120, 90))")
    expect(why(answer(page, "mlp"), "Coat")).to_be_visible()
    new = [
        content for path, _, content in api.sent if path.endswith(("mlp:predict", "mlp:explain"))
    ]
    assert new[-1][-28 * 28 :] == bytes([90]) * 28 * 28
    drag(page, (180, 140), (-900, 900))
    expect_box(page, (0, HEIGHT - 90, 120, 90))


@pytest.mark.parametrize(
    "edges",
    [
        *("e", "nw"),
        *(pytest.param(each, marks=pytest.mark.wide) for each in ("n", "s", "w", "ne", "se", "sw")),
    ],
)
def test_it_is_resized_by_its_edges(visit, edges):
    """Each handle moves its own edges, outwards and inwards, and not past the others."""
    page = visit(api=seeing())
    give(page)
    x, y, width, height = FOUND
    across = {"w": x, "e": x + width}
    along = {"n": y, "s": y + height}
    start = (
        next((across[each] for each in edges if each in across), x + width / 2),
        next((along[each] for each in edges if each in along), y + height / 2),
    )
    drag(page, start, (start[0] + 20, start[1] + 16))
    west, east = x + 20 * ("w" in edges), x + width + 20 * ("e" in edges)
    north, south = y + 16 * ("n" in edges), y + height + 16 * ("s" in edges)
    expect_box(page, (west, north, east - west, south - north))
    handle = page.locator(f'[data-edges="{edges}"]').bounding_box()
    centre = (handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.move(*centre)
    page.mouse.down()
    page.mouse.move(*on_screen(page, *(2 * x + width - centre[0], 2 * y + height - centre[1])))
    page.mouse.move(*on_screen(page, -500 if "e" in edges else 900, -500 if "s" in edges else 900))
    page.mouse.up()
    least = math.ceil(0.02 * WIDTH)
    left = east - least if "w" in edges else west
    top = south - least if "n" in edges else north
    wide = least if set(edges) & {"e", "w"} else east - west
    high = least if set(edges) & {"n", "s"} else south - north
    expect_box(page, (left, top, wide, high))


def test_another_is_drawn(visit):
    """By dragging beside it, in any direction, up to the picture's edge; a tap changes nothing."""
    api = seeing()
    page = visit(api=api)
    give(page)
    page.locator("#sheet").click(position={"x": 10, "y": 10})
    expect_box(page, FOUND, "Found")
    drag(page, (150, 250), (40, 200))
    expect_box(page, (40, 200, 110, 50))
    at_rest(page)
    assert asked_about(api, (40, 200, 110, 50)) == ALL
    drag(page, (200, 100), (9999, -9999))
    expect_box(page, (200, 0, 200, 100))
    at_rest(page)
    assert len(api.boxes) == 2


def test_it_is_found_again(visit):
    """By a button that is there while the box is somebody's own; nothing is uploaded again."""
    api = seeing()
    page = visit(api=api)
    give(page)
    again = page.get_by_role("button", name="Find it again")
    expect(again).to_be_hidden()
    drag(page, (260, 100), (180, 140))
    at_rest(page)
    before = api.asked.count("/v1/instances")
    again.click()
    expect_box(page, FOUND, "Found")
    expect(again).to_be_hidden()
    expect(item_box(page)).to_be_focused()
    at_rest(page)
    assert api.asked.count("/v1/instances") == before
    expect(command(page, "curl command")).not_to_contain_text("box=")


def test_escape_ends_a_drag(visit):
    """The box is where it was, and nobody is asked."""
    api = seeing()
    page = visit(api=api)
    give(page)
    page.mouse.move(*on_screen(page, 260, 100))
    page.mouse.down()
    page.mouse.move(*on_screen(page, 180, 140), steps=3)
    expect_box(page, (120, 100, 120, 90))
    page.keyboard.press("Escape")
    expect_box(page, FOUND, "Found")
    page.mouse.move(*on_screen(page, 100, 140), steps=3)
    page.mouse.up()
    expect_box(page, FOUND, "Found")
    assert api.boxes == []


def test_a_newer_picture_has_its_own(visit):
    """A box that was put by hand goes with its picture, and so do its warnings."""
    api = seeing("stray marks left out")
    page = visit(api=api)
    give(page)
    drag(page, (260, 100), (180, 140))
    at_rest(page)
    api.item = Item(np.zeros((SIDE, SIDE), np.uint8) + 9, (10, 20, 30, 40))
    api.boxes.clear()
    give(page, picture("JPEG"), "JPEG")
    expect_box(page, (10, 20, 30, 40), "Found")
    expect(warnings(page)).to_be_empty()
    assert api.boxes == []


def test_a_box_that_is_refused(visit):
    """The API's words are said, and the box stays to be put right."""
    api = seeing()
    page = visit(api=api, expects=("400",))
    give(page)
    api.refusals = {each: problem(400, "The box is too narrow") for each in ALL}
    drag(page, (260, 100), (180, 140))
    expect(page.get_by_role("alert")).to_have_text("The box is too narrow")
    api.refusals = {}
    drag(page, (180, 140), (200, 140))
    expect(page.get_by_role("alert")).to_be_empty()
    expect_box(page, (140, 100, 120, 90))


@pytest.mark.parametrize("width", [320, pytest.param(412, marks=pytest.mark.wide)])
def test_by_finger(visit, width):
    """Handles are as large as a finger, and what is dragged is the box, not the page."""
    api = seeing()
    page = visit(api=api, viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    give(page)
    expect_box(page, FOUND, "Found")
    page.locator("#sheet").scroll_into_view_if_needed()
    for handle in page.locator('.handle:is([data-edges="nw"], [data-edges="se"])').all():
        sides = [handle.bounding_box()[side] for side in ("width", "height")]
        assert min(sides) >= 36  # 44 on a larger box
    finger = page.context.new_cdp_session(page)
    scrolled = page.evaluate("scrollY")

    def touch(event: str, *points: tuple[float, float]) -> None:
        spots = [dict(zip("xy", on_screen(page, *point), strict=True)) for point in points]
        finger.send("Input.dispatchTouchEvent", {"type": event, "touchPoints": spots})

    x, y, wide, high = FOUND
    touch("touchStart", (x + wide, y + high))
    for step in range(1, 5):
        touch("touchMove", (x + wide + 5 * step, y + high + 20 * step))
    touch("touchEnd")
    larger = (x, y, wide + 20, high + 80)
    expect_box(page, larger)
    at_rest(page)
    assert page.evaluate("scrollY") == scrolled
    assert asked_about(api, larger) == ALL


def test_rectangles_stay_inside(visit):
    """Whatever is dragged, by however much: whole pixels in the picture, and never empty."""
    page = visit(api=FakeApi())
    bad = page.evaluate(
        """
        async () => {
          const { between, grown, middle, moved, resized, rounded } =
            await import(new URL("./static/box/rectangle.js", document.baseURI));
          let state = 7;
          const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
          const far = () => (random() - 0.5) * 3000;
          const bad = [];
          for (let turn = 0; turn < 5000; turn++) {
            const size = { width: Math.ceil(random() * 900), height: Math.ceil(random() * 9) };
            if (turn % 2) [size.width, size.height] = [size.height, size.width];
            const start = middle(size);
            const edges = ["n", "e", "s", "w", "nw", "ne", "se", "sw"][turn % 8];
            for (const made of [
              start,
              moved(start, [far(), far()], size),
              resized(start, edges, [far(), far()], size),
              grown(start, far(), size),
              between([far(), far()], [far(), far()], size),
            ]) {
              const [x, y, width, height] = rounded(made, size);
              const whole = [x, y, width, height].every(Number.isInteger);
              const right = x >= 0 && width >= 1 && x + width <= size.width;
              const down = y >= 0 && height >= 1 && y + height <= size.height;
              if (!whole || !right || !down) bad.push([size, made]);
            }
          }
          return bad.slice(0, 3);
        }
        """
    )
    assert bad == []
