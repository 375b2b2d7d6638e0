"""The reference of the API at /docs: its commands, search and outline, with scripts and without."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, Route, expect

from harness.service import Service


def commands(page: Page) -> list[str]:
    """What can be copied."""
    return page.locator(".command").all_inner_texts()


def outline(page: Page) -> Locator:
    """The list of what there is."""
    return page.get_by_role("navigation", name="Outline")


def field(page: Page) -> Locator:
    """Where one searches."""
    return page.get_by_role("searchbox", name="Search the API")


def marked(page: Page) -> Locator:
    """The entry of the outline for the place where one is."""
    return outline(page).locator("[aria-current]")


def test_commands_name_the_address_of_the_page(visit, service):
    """The host and the port that the page was asked at, and no other."""
    found = commands(visit("docs"))
    assert len(found) > 15
    for command in found:
        assert re.findall(r"https?://[^/\s'\"]+", command) == [service.url]


def test_commands_name_the_path_that_a_proxy_serves_the_page_below(visit, service):
    """Which no header told the gateway; and a shell takes nothing in it for more than letters."""
    page = visit("docs")

    def below(route: Route) -> None:
        path = urlsplit(route.request.url).path.split("/below;'", 1)[1]
        route.fulfill(response=page.request.get(service.url + path))

    page.route("**/below;'/**", below)
    page.goto(f"{service.url}/below;'/docs")
    expect(page.get_by_role("button", name="Copy the command").first).to_be_visible()
    found = commands(page)
    assert len(found) > 15
    assert all(f"{service.url}/below%3B%27/" in command for command in found)


def test_a_command_is_copied(visit):
    """As it is shown; and a screen reader is told."""
    page = visit("docs", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role(
        "button", name="Copy the command for POST /v1/models/{model}:explain"
    ).last.click()
    expect(page.locator("#announced")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied in commands(page)
    assert copied.startswith("curl ")
    assert ":explain" in copied


def test_the_search_shows_what_has_all_words(visit):
    """Entries, errors and schemas, and in the outline no others; without words, all are back."""
    page = visit("docs")
    everything = page.locator("[data-search]:visible").count()
    field(page).fill("drift Deviation")
    status = page.get_by_role("status").filter(has_text="found")
    shown = page.locator("[data-search]:visible").all_inner_texts()
    expect(status).to_have_text(f"{len(shown)} found")
    assert 0 < len(shown) < everything
    hidden = outline(page).get_by_role("link", name="/v1/instances")
    expect(hidden).to_be_hidden()
    expect(page.get_by_role("heading", name="Errors")).to_be_hidden()
    field(page).fill("xyzzy")
    expect(page.get_by_text("No matches")).to_be_visible()
    expect(page.locator("[data-search]:visible")).to_have_count(0)
    field(page).press("Escape")
    expect(page.locator("[data-search]:visible")).to_have_count(everything)
    expect(hidden).to_be_visible()


def test_a_link_to_what_the_search_hides_ends_the_search(visit):
    """A reader who follows it comes to a place that is there; also by the browser's Back."""
    page = visit("docs")
    field(page).fill("/v1/models List")
    page.locator("article#models").get_by_role("link", name="Models", exact=True).click()
    models = page.locator("article#Models")
    expect(models).to_be_in_viewport()
    expect(field(page)).to_have_value("")
    page.goto(f"{page.url.partition('#')[0]}#explain")
    field(page).fill("xyzzy")
    expect(models).to_be_hidden()
    page.go_back()
    expect(models).to_be_in_viewport()


def test_the_outline_marks_the_place(visit):
    """One entry, in view, that follows what is read; also at the end, which no scrolling brings to
    the top of the window."""
    page = visit("docs", viewport={"width": 1280, "height": 700})
    outline(page).get_by_role("link", name=":explain").click()
    expect(marked(page)).to_contain_text(":explain")
    assert marked(page).get_attribute("aria-current") == "location"
    page.locator("article#metadata").evaluate("(it) => it.scrollIntoView()")
    expect(marked(page)).to_contain_text("/metadata")
    expect(marked(page)).to_be_in_viewport()
    for name in ("Problem", "Ready", "Live"):
        outline(page).get_by_role("link", name=name, exact=True).click()
        expect(marked(page)).to_have_text(name)
    page.evaluate("history.replaceState(null, '', location.pathname)")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("article").last.get_attribute("id")
    expect(marked(page)).to_have_text(str(last))
    expect(marked(page)).to_be_in_viewport()


def test_nothing_is_wider_than_the_screen(visit):
    """With all examples open, too; what is wide scrolls in its own box."""
    page = visit("docs", viewport={"width": 1280, "height": 700})
    page.locator("details").evaluate_all("(all) => all.forEach((each) => (each.open = true))")
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_have_the_same_columns(visit):
    """From table to table, so that the eye finds each thing where it was."""
    page = visit("docs", viewport={"width": 1280, "height": 700})
    columns = page.locator("main table").evaluate_all(
        "(all) => all.map((each) => [...each.rows[0].cells].map((cell) =>"
        " Math.round(cell.getBoundingClientRect().left)).join())"
    )
    assert len(columns) > 15
    assert len(set(columns)) == 1


def test_it_is_read_without_scripts(browser: Browser, service: Service):
    """Commands have the address that was asked; there is nothing that would do nothing."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{service.url}/docs".replace("127.0.0.1", "localhost"))
    here = service.url.replace("127.0.0.1", "localhost")
    assert all(here in command for command in commands(page))
    assert page.get_by_role("button").count() == 0
    expect(page.locator("#query")).to_be_hidden()
    outline(page).get_by_role("link", name="Problem", exact=True).click()
    expect(page.locator("article#Problem")).to_be_in_viewport()
    context.close()


def test_by_keyboard(visit):
    """Past the header and the outline by one key; or to the search, and on to what it found."""
    page = visit("docs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the reference")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    field(page).focus()
    page.keyboard.type("readyz")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_be_visible()
    assert focused.evaluate("(it) => getComputedStyle(it).outlineStyle") != "none"
