"""Flags of wrong answers, as a visitor of the page sends them."""

from playwright.sync_api import Locator, Page

from tests.browser.visit import answer


def flag_of(page: Page, model: str = "mlp") -> tuple[Locator, Locator, Locator]:
    """The labels to choose from, the button, and what came of it."""
    card = answer(page, model)
    labels = card.get_by_role("combobox", name="Wrong? It is")
    said = card.locator(".flag").get_by_role("status")
    return labels, card.get_by_role("button", name="Send", exact=True), said


def flag(page: Page, label: str, model: str = "mlp") -> Locator:
    """Flags what a model answers; returns what is said of it."""
    labels, send, said = flag_of(page, model)
    labels.select_option(label)
    send.click()
    return said


def enter_key(page: Page, key: str) -> None:
    """Has the page use an API key."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()
