"""Pictures of the page, to look at and for the README.

    python -m tests.browser.screenshots http://127.0.0.1:8080 reports/page

writes `docs/images/page-light.png` and `page-dark.png` of the service that runs there, and into the
folder what is hard to bring about: errors, drift, a canary, as `fake_api.py` answers.
"""

import argparse
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from harness.paths import ROOT
from tests.browser.chromium import find, launch
from tests.browser.fake_api import FakeApi, label_shift, problem, watched
from tests.browser.foreign import Foreign
from tests.browser.visit import item_box, sample, unfold_drift, verdict, why
from vitrine_client.images import NOTHING, SIDE, Item

IMAGES = ROOT / "docs" / "images"
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
MARGIN = 24  # CSS pixels below what is shown
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

Then = Callable[[Page], object]


@contextmanager
def opened(browser: Browser, url: str, api: FakeApi | None, options: dict) -> Iterator[Page]:
    """The page as it is with an API, and with a browser's options."""
    context = browser.new_context(reduced_motion="reduce", **options)
    page = context.new_page()
    if api:
        api.stand_before(page)
    page.goto(url)
    page.wait_for_load_state("networkidle")
    yield page
    context.close()


def ask_why(page: Page) -> None:
    """Asks each card that does not say so by itself about the class that it answers."""
    for card in page.get_by_role("region", name="Answers").get_by_role("article").all():
        label = verdict(card).locator("strong").inner_text()
        expect(why(card, label)).to_be_visible()
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_load_state("networkidle")


def choose(page: Page) -> None:
    """Opens the choice of models."""
    page.locator("#choice summary").click()


def put_right(page: Page) -> None:
    """Moves the box by keyboard."""
    item_box(page).press("ArrowRight")
    item_box(page).press("Enter")
    page.wait_for_load_state("networkidle")


def write(page: Page, file: Path, end: Locator) -> None:
    """Writes the page from its top to the end of an element."""
    box = end.bounding_box() or {}
    width = page.evaluate("innerWidth")
    # Not `full_page`: for that, a phone with a touch screen becomes a desktop.
    page.set_viewport_size({"width": width, "height": round(box["y"] + box["height"]) + MARGIN})
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image = image.quantize(256, kmeans=8, dither=Image.Dither.NONE)
    image.save(file, optimize=True)
    print(file, f"{file.stat().st_size / 1024:.0f} kB")


def for_readme(browser: Browser, url: str) -> None:
    """An ankle boot as the real models see it, in light and in the dark."""
    for scheme in ("light", "dark"):
        options = DESKTOP | {"color_scheme": scheme, "device_scale_factor": 1.5}
        with opened(browser, f"{url}/?sample=ankle-boot", None, options) as page:
            for _ in range(3):  # connections are open, and code is compiled
                sample(page, "Ankle boot").click()
                page.wait_for_load_state("networkidle")
            ask_why(page)
            write(page, IMAGES / f"page-{scheme}.png", page.get_by_role("region", name="Answers"))


def for_review(browser: Browser, url: str, folder: Path) -> None:
    """Each state that the page can be in."""
    folder.mkdir(parents=True, exist_ok=True)
    early = watched(images=4, scores={}, thresholds={}, reason="4 images: too few to tell")
    drifted = {"mlp": [label_shift()], "softmax": [early]}
    refused = problem(503, "1024 images wait for mlp already, as many as may; try again later")
    nothing: Then = lambda page: None  # noqa: E731
    shown = np.full((SIDE, SIDE), 99, np.uint8)
    doubtful = Item(shown, (2, 3, 22, 18), ("stray marks left out", "two items, the larger one"))
    blank = Item(np.zeros_like(shown), None, (NOTHING,))
    many = tuple(f"class {number}" for number in range(1000))
    foreign = {"cats": Foreign(explains=False), "net": Foreign(labels=many, best=700)}
    cases: list[tuple[str, str, FakeApi, dict, Then]] = [
        ("empty", "", FakeApi(), DESKTOP, nothing),
        ("light", "?sample=bag", FakeApi(), DESKTOP, ask_why),
        ("dark", "?sample=bag", FakeApi(), DESKTOP | {"color_scheme": "dark"}, ask_why),
        ("phone", "?sample=bag", FakeApi(), PHONE, ask_why),
        ("phone-dark", "?sample=bag", FakeApi(), PHONE | {"color_scheme": "dark"}, ask_why),
        ("error", "?sample=bag", FakeApi(refusals={":predict": refused}), DESKTOP, nothing),
        ("key", "?sample=bag", FakeApi(key="any"), DESKTOP, nothing),
        ("box", "?sample=bag", FakeApi(item=doubtful), DESKTOP, put_right),
        ("box-phone", "?sample=bag", FakeApi(item=doubtful), PHONE, put_right),
        ("nothing", "?sample=bag", FakeApi(item=blank), DESKTOP, nothing),
        ("drift-alarm", "", FakeApi(watches=drifted), DESKTOP, unfold_drift),
        ("many", "", FakeApi(models=[f"m{each:02}" for each in range(28)]), DESKTOP, choose),
        ("foreign", "?sample=bag", FakeApi(foreign=foreign), DESKTOP, nothing),
        (
            "canary",
            "?sample=bag",
            FakeApi({"mlp": {"stable": "1", "canary": "2"}}),
            DESKTOP,
            ask_why,
        ),
    ]
    for name, path, api, options, then in cases:
        with opened(browser, f"{url}/{path}", api, options) as page:
            then(page)
            write(page, folder / f"{name}.png", page.locator("body"))


def main() -> None:
    """Takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a running service with both models of the text")
    parser.add_argument("folder", type=Path, nargs="?", help="where the other pictures go")
    arguments = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    path = find() or parser.error("there is no Chromium here")
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        for_readme(browser, arguments.url)
        if arguments.folder:
            for_review(browser, arguments.url, arguments.folder)


if __name__ == "__main__":
    main()
