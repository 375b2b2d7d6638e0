"""The page is for everyone: by keyboard alone, by ear, on a phone, in the dark."""

import itertools
import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi
from tests.browser.visit import announced, answer, unfold_drift, verdict, why
from vitrine_client.images import SIDE, Item

NAMED_ROLES = {"button", "link", "textbox", "combobox", "image", "meter", "dialog", "region"}
NAMED_ROLES |= {"application"}  # the box
DOUBTFUL = Item(np.full((SIDE, SIDE), 99, np.uint8), (2, 3, 20, 20), ("stray marks left out",))

# For each element with text of its own: what it says, and the contrast of WCAG 2.2 to what is
# behind it.
CONTRASTS = """
() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) =>
    [red, green, blue]
      .map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
      .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((node) => [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim()))
    .filter((node) => node.checkVisibility() && !node.closest(".unseen, .skip, option"))
    .map((node) => {
      const [one, other] = [channels(getComputedStyle(node).color), behind(node)].map(luminance);
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      return [node.textContent.trim().slice(0, 40), contrast];
    });
}
"""

# Whether what has the focus, or the label that stands for it, is outlined.
OUTLINED = """
() => [document.activeElement, document.activeElement.closest("label")].some(
  (node) => node && getComputedStyle(node).outlineStyle !== "none")
"""


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until what has this text or name has the focus, which is always seen."""
    found = []
    for _ in range(60):
        page.keyboard.press("Tab")
        text = page.evaluate(
            "document.activeElement.textContent.trim() ||"
            "document.activeElement.querySelector('img')?.alt ||"
            "document.activeElement.closest('label')?.textContent.trim()"
        )
        found.append(text)
        assert page.evaluate(OUTLINED), f"the focus on {text!r} cannot be seen"
        if text and text.startswith(name):
            return
    raise AssertionError(f"no way to {name!r}: {found}")


def test_by_keyboard_alone(visit):
    """From the top of the page to a prediction, to a heat map, and to a copied command."""
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    tab_to(page, "Skip to the picture")
    page.keyboard.press("Enter")
    tab_to(page, "Bag")
    page.keyboard.press("Enter")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    tab_to(page, "Shirt")
    page.keyboard.press("Space")
    shirt = answer(page, "mlp").get_by_role("img", name="pixels for Shirt")
    expect(shirt).to_be_visible()
    tab_to(page, "Copy")
    page.keyboard.press("Enter")
    expect(announced(page)).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl ")


def tree(page: Page) -> list[tuple[str, str]]:
    """The role and the name of all that Chromium tells screen readers of."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    told = [node for node in nodes if not node["ignored"]]
    return [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in told]


def test_by_ear(visit, alarm):
    """All that can be used or looked at has a name; landmarks and one main heading are there."""
    page = visit("?sample=bag", api=FakeApi(watches={"mlp": [alarm]}))
    expect(why(answer(page, "mlp"), "Bag")).to_be_visible()
    expect(unfold_drift(page).get_by_role("meter").first).to_be_visible()
    told = tree(page)
    assert [role for role, name in told if role in NAMED_ROLES and not name] == []
    assert {"banner", "navigation", "main", "contentinfo", "alert", "status"} <= dict(told).keys()
    names = {name for _, name in told}
    assert {"Bag", "Choose a picture", "Answers", "Drift", "The same from a program"} <= names
    assert page.get_by_role("heading", level=1).count() == 1
    levels = page.locator("h1, h2, h3, h4").evaluate_all(
        "(all) => all.filter((each) => each.checkVisibility()).map((each) => +each.tagName[1])"
    )
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_text_can_be_read(visit, alarm):
    """Every text has a contrast of 4.5:1 at least (WCAG 2.2, AA), in light and in the dark."""
    api = FakeApi({"mlp": {"stable": "1"}}, {"mlp": [alarm]}, item=DOUBTFUL)
    page = visit("?sample=bag", api=api, reduced_motion="reduce")
    expect(why(answer(page, "mlp"), "Bag")).to_be_visible()
    expect(unfold_drift(page).get_by_role("meter").first).to_be_visible()
    page.evaluate("document.dispatchEvent(new DragEvent('drop', {dataTransfer: new DataTransfer}))")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_text("stray marks left out")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [each for each in contrasts if each[1] < 4.5] == []
        background = page.locator("html").evaluate("(it) => getComputedStyle(it).backgroundColor")
        brightness = max(map(int, re.findall(r"\d+", background)))
        assert (brightness < 64) == (scheme == "dark")


@pytest.mark.parametrize("width", [320, 820, pytest.param(412, marks=pytest.mark.wide)])
def test_on_a_phone(visit, width, alarm):
    """Nothing is wider than the screen, whatever is open; what is touched is large enough."""
    api = FakeApi({"mlp": {"stable": "1", "canary": "2"}}, {"mlp": [alarm]}, item=DOUBTFUL)
    page = visit(
        "?sample=bag",
        api=api,
        viewport={"width": width, "height": 700},
        has_touch=True,
        is_mobile=True,
    )
    expect(why(answer(page, "mlp", "canary"), "Bag")).to_be_visible()
    unfold_drift(page)
    page.locator("#choice summary").click()
    expect(page.get_by_role("checkbox", name="mlp, canary")).to_be_visible()
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.get_by_text("stray marks left out")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in page.get_by_role("button").evaluate_all(
        "(all) => all.map((each) => each.getBoundingClientRect().toJSON())"
    ):
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, 2.5.8
        assert box["right"] <= width


def test_without_motion(visit):
    """Who asked for less motion sees none."""
    page = visit("?sample=bag", api=FakeApi(), reduced_motion="reduce")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    moving = page.evaluate(
        "document.getAnimations().length + [...document.querySelectorAll('*')].filter((each) =>"
        "['', '::before'].some((part) => "
        "parseFloat(getComputedStyle(each, part).transitionDuration) > 0)).length"
    )
    assert moving == 0


def test_the_policy_is_in_force(visit):
    """Code that somebody smuggles into the page is not run, and the violation is noted."""
    page = visit("?sample=bag", api=FakeApi(), expects=("Content Security Policy", "violation"))
    page.evaluate(
        "() => { const code = document.createElement('script');"
        "code.textContent = 'window.smuggled = true'; document.body.append(code); }"
    )
    page.wait_for_function("window.violations.length")
    assert page.evaluate("[window.smuggled, window.violations]") == [None, ["script-src-elem"]]


def test_links_for_programs(visit):
    """The header leads to the other pages, which are there."""
    page = visit(api=FakeApi())
    links = page.get_by_role("navigation").get_by_role("link")
    expect(links).to_have_text(["Try it", "API", "OpenAPI", "Metrics"])
    for link in links.all():
        address = link.evaluate("(it) => it.href")
        assert page.request.get(address).status == 200
