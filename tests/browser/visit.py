"""A visit to the page: opens it, and notes what no visitor should ever cause."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.browser.fake_api import FakeApi

TIMEOUT_MS = 30_000

# Of a copy: where a canvas is read twice, Chromium warns.
_PIXELS = """
(it) => {
  const copy = new OffscreenCanvas(it.width, it.height).getContext("2d");
  copy.drawImage(it, 0, 0);
  return Array.from(copy.getImageData(0, 0, it.width, it.height).data);
}
"""

_NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(event.violatedDirective);
});
"""


class Visit:
    """A page of its own, in a context of its own; `options` are the context's.

    Nothing moves by itself there unless they say so: what moves cannot be measured.

    `expects` has what the console may say: Chromium notes each answer of 400 and above there.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        api: FakeApi | None = None,
        expects: tuple[str, ...] = (),
        script: str = "",
        **options: object,
    ) -> None:
        self._url = url
        self._expects = expects
        self._said: list[str] = []
        self._foreign: list[str] = []
        self._context = browser.new_context(**{"reduced_motion": "reduce", **options})
        self.page = self._context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.add_init_script(_NOTE_VIOLATIONS + script)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self._said.append(str(error)))
        self.page.on("request", self._note_request)
        if api:
            api.stand_before(self.page)

    def open(self, path: str) -> Page:
        """Opens the page and waits for its modules."""
        self.page.goto(f"{self._url}/{path}")
        return self.page

    def finish(self) -> None:
        """Fails where the console said something, a script failed, or a stranger was asked."""
        violations = self.page.evaluate("window.violations")
        self._context.close()
        assert self._said == []
        assert self._foreign == []
        assert violations == [] or "violation" in self._expects

    def _note_console(self, message: ConsoleMessage) -> None:
        serious = message.type in ("error", "warning")
        if serious and not any(each in message.text for each in self._expects):
            self._said.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https") and url.netloc != urlsplit(self._url).netloc:
            self._foreign.append(request.url)


def sample(page: Page, label: str) -> Locator:
    """The button of a sample picture."""
    samples = page.get_by_role("list", name="Or try one of these")
    return samples.get_by_role("button", name=label, exact=True)


def answer(page: Page, *texts: str) -> Locator:
    """The answer of a model, by what is in the card: its name, a version label."""
    card = page.get_by_role("region", name="Answers").get_by_role("article")
    for text in texts:
        card = card.filter(has=page.get_by_text(text, exact=True))
    return card


def command(page: Page, name: str) -> Locator:
    """The command, or lines, that do the same."""
    return page.get_by_role("group", name=name)


def item_box(page: Page) -> Locator:
    """The box round the item, on the picture."""
    return page.get_by_role("application", name="Box round the item")


def announced(page: Page) -> Locator:
    """The live region that says what the models answered."""
    return page.get_by_role("status").and_(page.locator("#announced"))


def warnings(page: Page) -> Locator:
    """The live region beside the picture."""
    return page.get_by_role("status").and_(page.locator("#warnings"))


def verdict(card: Locator) -> Locator:
    """What a card answers in words."""
    return card.locator(".verdict")


def unfold_drift(page: Page) -> Locator:
    """Opens what the gateway says of drift, and returns the region."""
    region = page.get_by_role("region", name="Drift")
    region.get_by_role("heading", name="Drift").click()
    return region


def why(card: Locator, label: str) -> Locator:
    """Asks a card why it is that class, unless it says so by itself, and returns its heat map."""
    row = card.get_by_role("button", name=re.compile(f"^{label}"))
    expect(card).to_have_attribute("aria-busy", "false")
    if row.get_attribute("aria-pressed") == "false":
        row.click()
    return card.get_by_role("img", name=f"pixels for {label}")


def pixels(canvas: Locator) -> list[list[int]]:
    """The [red, green, blue, alpha] of each pixel of a canvas, row by row."""
    flat = canvas.evaluate(_PIXELS)
    return [flat[at : at + 4] for at in range(0, len(flat), 4)]
