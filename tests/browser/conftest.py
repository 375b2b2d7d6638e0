"""A real browser before the real service, and pages on which nothing may go wrong unseen."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from harness.service import Service
from tests.browser.chromium import NAMES, find, launch
from tests.browser.fake_api import label_shift
from tests.browser.visit import TIMEOUT_MS, Visit

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; without one, nothing here can be tested."""
    return find() or pytest.skip(f"no browser here; looked for {', '.join(NAMES)}")


# Of a module, not the session: where it is open, no other test could run an event loop.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser, with a camera that shows a test picture."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: str, service: Service, browser: Browser) -> Iterator[Open]:
    """Opens the page; fails the test if anything went wrong there that it did not expect."""
    visits: list[Visit] = []

    def open_page(path: str = "", **options: object) -> Page:
        visits.append(Visit(browser, service.url, **options))
        return visits[-1].open(path)

    yield open_page
    for each in visits:
        each.finish()


@pytest.fixture
def alarm() -> dict[str, Any]:
    """What a watch says where there are far more bags than there were."""
    return label_shift()
