"""Odd files and odd labels: what is wrong with a file is never told as the gateway's fault."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, problem
from tests.browser.test_box import at_rest, drag, picture, seeing
from tests.browser.test_giving_pictures import hand_over
from tests.browser.test_newest import BAG, choose, expect_shown, seen_of
from tests.browser.visit import announced, answer, command, verdict, why
from vitrine_serving.gateway.settings import Settings

UNREADABLE = """
void (Blob.prototype.arrayBuffer = async () => { throw new DOMException('odd', '%s'); });
"""
LABELS = ("42", "38", "Trouser", "7", "40", "S", "<b>M</b>", "__proto__", "0", "Q" * 80)


def expect_refused(page: Page, *texts: str) -> None:
    """Checks that the page says so, blames no gateway, and shows nothing of another picture."""
    said = page.get_by_role("alert")
    for text in texts:
        expect(said).to_contain_text(text)
    assert "does not answer" not in said.inner_text()
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.get_by_role("region", name="Answers")).to_be_hidden()
    expect(page.get_by_role("region", name="The same from a program")).to_be_hidden()
    expect(page.get_by_text("No picture", exact=True)).to_be_visible()


def test_a_file_that_is_saved_anew(visit, tmp_path):
    """What was chosen is what is asked about, whatever becomes of the file."""
    file = tmp_path / "mine.png"
    file.write_bytes(picture())
    api = seeing()
    page = visit(api=api)
    page.get_by_label("Choose a picture").set_input_files(file)
    seen_of(page, "mine.png")
    file.write_bytes(b"something else")
    expect(why(answer(page, "mlp"), "Coat")).to_be_visible()
    file.unlink()
    drag(page, (260, 100), (180, 140))
    at_rest(page)
    expect_shown(page, "mine.png")
    _, _, content = [each for each in api.sent if each[0] == "/v1/instances"][-1]
    assert content == picture()


REASONS = {
    "NotFoundError": "is not there any more: it was moved or deleted. Choose it again.",
    "NotReadableError": "it has changed since you chose it, or you may not open it",
    "SecurityError": "cannot be read",
}


def test_a_file_that_cannot_be_read(visit):
    """It is gone, changed, or somebody else's."""
    page = visit("?sample=bag", api=FakeApi())
    seen_of(page, "bag.png")
    for name, text in REASONS.items():
        page.evaluate(UNREADABLE % name)
        choose(page, f"{name}.png")
        expect_refused(page, f"“{name}.png”", text)


def test_an_empty_file(visit):
    """Nobody is asked about it."""
    api = FakeApi()
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    before = len(api.sent)
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "none.png", "mimeType": "image/png", "buffer": b""}
    )
    expect_refused(page, "“none.png” is empty")
    assert len(api.sent) == before


def test_a_file_that_is_too_large(visit):
    """The page knows the gateway's limit, and uploads nothing that would be refused."""
    api = FakeApi()
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    limit = page.locator("meta[name=max-body-bytes]")
    assert limit.get_attribute("content") == str(Settings().requests.max_body_bytes)
    limit.evaluate("(it) => (it.content = 2 ** 20)")
    before = len(api.sent)
    choose(page, "large.tiff", bytes(2**20 + 2**19))
    expect_refused(page, "“large.tiff” has 1.5 MiB, and this gateway takes 1.0 MiB at most")
    assert len(api.sent) == before


NO_PICTURES = [
    ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is a drawing"),
    ("scan.pdf", b"%PDF-1.7", "This is a PDF document, not a picture"),
    ("notes.txt", b"no picture", "“notes.txt” is no picture. Choose a PNG"),
]


def test_files_that_are_no_pictures(visit):
    """The real gateway knows what they are; nothing is said of curl or content types."""
    page = visit("?sample=bag", expects=("400",))
    seen_of(page, "bag.png")
    for name, content, text in NO_PICTURES:
        file = {"name": name, "mimeType": "text/plain", "buffer": content}
        page.get_by_label("Choose a picture").set_input_files(file)
        expect(page.get_by_role("alert")).to_contain_text(text)
        expect(page.get_by_role("alert")).to_contain_text(f"“{name}”")
        expect(page.get_by_role("alert")).not_to_contain_text("curl")
        expect(page.get_by_role("region", name="The same from a program")).to_be_hidden()


def test_a_gateway_that_ends_is_not_the_users_fault(visit):
    """And a file that was chosen is asked about again."""
    page = visit("?sample=bag", api=FakeApi(), expects=("ERR_CONNECTION_REFUSED",))
    seen_of(page, "bag.png")
    page.route("**/v1/instances", lambda route: route.abort("connectionrefused"))
    choose(page, "mine.png")
    expect(page.get_by_role("alert")).to_contain_text("The gateway does not answer. Is it running?")
    page.unroute("**/v1/instances")
    page.get_by_role("button", name="Try again").click()
    seen_of(page, "mine.png")
    expect_shown(page, "mine.png")


def test_the_rate_limit_is_waited_for(visit):
    """As long as the gateway says, and the page says so meanwhile."""
    refused = (*problem(429, "Too many requests"), {"Retry-After": "1"})
    api = FakeApi()
    page = visit("?sample=bag", api=api, expects=("429",))
    seen_of(page, "bag.png")
    api.refusals = {":predict": refused, ":explain": refused}
    choose(page, "mine.png")
    expect(page.locator("#waiting")).to_contain_text("Going on in 1 s")
    api.refusals = {}
    seen_of(page, "mine.png")
    expect(answer(page, "softmax").get_by_role("heading", name="Why Bag")).to_be_visible()
    expect(page.locator("#waiting")).to_be_empty()
    expect_shown(page, "mine.png")


def test_labels_like_numbers(visit):
    """Classes are known by their ids: what is pressed is asked about and explained."""
    api = FakeApi(labels=LABELS, best=1)
    page = visit("?sample=bag", api=api)
    card = answer(page, "mlp")
    expect(card.locator(".classes .name")).to_have_text(list(LABELS))
    expect(card.locator(".best .name")).to_have_text("38")
    expect(card.locator(".verdict strong")).to_have_text("38")
    expect(card.get_by_role("heading", name="Why 38")).to_be_visible()
    for class_id, label in enumerate(LABELS):  # the longest comes last
        row = card.locator(".classes button").nth(class_id)
        if row.get_attribute("aria-pressed") == "false":
            row.click()
        expect(row).to_have_attribute("aria-pressed", "true")
        expect(card.get_by_role("heading", name=f"Why {label}, ")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_several_files_at_once(visit):
    """All are there to pick from; the first is answered, and what each was stays noted."""
    page = visit(api=FakeApi())
    seen_of(page, "ankle-boot.png")
    names = ("one.png", "two.png", "notes.txt")
    page.get_by_label("Choose a picture").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": BAG.read_bytes()} for name in names]
    )
    seen_of(page, "one.png")
    tray = page.get_by_role("list", name="You gave 3 pictures")
    expect(tray.get_by_role("button")).to_have_count(3)
    tray.get_by_role("button", name="two.png").click()
    seen_of(page, "two.png")
    expect(tray.get_by_role("button", name="two.png Bag")).to_have_attribute("aria-current", "true")
    expect(tray.get_by_role("button", name="one.png Bag")).to_be_visible()
    choose(page, "single.png")
    seen_of(page, "single.png")
    expect(tray).to_be_hidden()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_several_files_that_are_dropped_or_pasted(visit, event):
    """None is lost without a word; a picture that is in no file can be saved for the commands."""
    page = visit(api=FakeApi())
    seen_of(page, "ankle-boot.png")
    hand_over(page, event, "one.png", "two.png")
    seen_of(page, "one.png")
    expect(page.get_by_text("You gave 2 pictures. Press one to ask about it.")).to_be_visible()
    save = page.get_by_role("link", name="Save one.png first")
    expect(save).to_be_visible(visible=event == "paste")
    expect(command(page, "curl command")).to_contain_text("@one.png")


def test_more_files_than_are_kept(visit):
    """The page says how many it took."""
    page = visit(api=FakeApi())
    seen_of(page, "ankle-boot.png")
    hand_over(page, "drop", *(f"{number}.png" for number in range(30)))
    seen_of(page, "0.png")
    expect(page.get_by_text("You gave the first 24 of 30 pictures")).to_be_visible()


def test_an_answer_is_announced(visit):
    """Of the newest picture, and nothing after one that is none."""
    page = visit("?sample=bag", api=FakeApi())
    expect(announced(page)).to_contain_text("mlp: Bag, ")
    page.evaluate(UNREADABLE % "NotFoundError")
    choose(page, "mine.png")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(announced(page)).to_be_empty()
    expect(verdict(answer(page, "mlp"))).to_have_count(0)
