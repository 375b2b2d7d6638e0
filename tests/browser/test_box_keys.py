"""The box round the item, by keyboard and by ear."""

import re

from playwright.sync_api import expect

from harness.waiting import wait_for
from tests.browser.test_box import ALL, FOUND, WIDTH, asked_about, at_rest, expect_box, give, seeing
from tests.browser.visit import announced, item_box, sample

STEP = round(0.02 * WIDTH)
X, Y, W, H = FOUND


MOVES = [
    (["ArrowLeft", "ArrowUp", "ArrowUp"], (X - STEP, Y - 2 * STEP, W, H)),
    (["ArrowRight", "Control+ArrowDown"], (X + STEP, Y + 5 * STEP, W, H)),
    (["Shift+ArrowRight", "Shift+ArrowUp"], (X, Y, W + STEP, H - STEP)),
    (["Shift+Control+ArrowLeft"], (X, Y, W - 5 * STEP, H)),
    (["PageUp"], (X - 40, Y - 40, W + 80, H + 80)),
    (["PageDown"], (X + W // 3, Y + H // 3, W // 3, H // 3)),
    (["+"], (X - STEP, Y - STEP, W + 2 * STEP, H + 2 * STEP)),
    (["-"], (X + STEP, Y + STEP, W - 2 * STEP, H - 2 * STEP)),
    (["Control+ArrowLeft"] * 9, (0, Y, W, H)),
]
"""Keys, and where they bring the box that was found."""


def test_keys(visit):
    """Arrows move it, with Shift they resize it; Ctrl and the page keys go further."""
    api = seeing()
    page = visit(api=api)
    give(page)
    item_box(page).focus()
    for keys, box in MOVES:
        for key in keys:
            page.keyboard.press(key)
        expect_box(page, box)
        page.keyboard.press("Enter")
        at_rest(page)
        assert asked_about(api, box) == ALL
        page.keyboard.press("Escape")
        expect_box(page, FOUND, "Found")
        at_rest(page)


def test_it_is_asked_by_itself(visit):
    """Once, after the last key; the box is a stop of the Tab key, and its focus is seen."""
    api = seeing()
    page = visit(api=api)
    give(page)
    sample(page, "Ankle boot").focus()
    page.keyboard.press("Tab")
    expect(item_box(page)).to_be_focused()
    assert item_box(page).evaluate("(it) => getComputedStyle(it).outlineStyle") != "none"
    expect(page.get_by_text("Arrows move the box")).to_be_visible()
    scrolled = page.evaluate("scrollY")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("scrollY") == scrolled
    wait_for(lambda: bool(page.evaluate("1") and api.boxes), 30, "the question")
    at_rest(page)
    moved = (X, Y + 3 * STEP, W, H)
    assert {box for _, box in api.boxes} == {",".join(map(str, moved))}
    assert len(api.boxes) == len(ALL)


def test_escape_goes_back(visit):
    """To the box that was found, which the models are asked about; a second one is for others."""
    api = seeing()
    page = visit(api=api)
    give(page)
    item_box(page).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    at_rest(page)
    page.keyboard.press("Escape")
    expect_box(page, FOUND, "Found")
    at_rest(page)
    assert len(api.boxes) == len(ALL)
    page.evaluate("() => { document.onkeydown = (it) => (window.held = it.defaultPrevented); }")
    page.keyboard.press("Escape")
    assert page.evaluate("window.held") is False


def test_by_ear(visit):
    """It has a name, keys in words, and a live region says where it is after each change."""
    page = visit(api=seeing())
    give(page)
    live = page.locator("[aria-live=polite]")
    expect(live).to_have_text("Found: 120 × 90 pixels, 200 from the left, 60 from the top.")
    box = item_box(page)
    expect(box).to_have_accessible_description(re.compile("Arrows move the box.* Escape finds it"))
    box.focus()
    page.keyboard.press("ArrowRight")
    expect(live).to_have_text("Your box: 120 × 90 pixels, 208 from the left, 60 from the top.")
    expect(announced(page)).to_contain_text("mlp: Bag")
