"""The newest question wins, whatever it came from: a slow answer never overwrites a later one."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from harness.paths import ROOT
from harness.waiting import wait_for
from tests.browser.fake_api import FakeApi
from tests.browser.test_box import at_rest, drag, give, seeing
from tests.browser.visit import answer, sample, verdict

BAG = ROOT / "samples" / "bag.png"

# Files whose name begins with "slow" are read when the test says so.
SLOW_FILES = """
const read = Blob.prototype.arrayBuffer;
const go = new Promise((resolve) => (window.go = resolve));
Blob.prototype.arrayBuffer = async function () {
  if (this.name?.startsWith("slow")) await go;
  return read.call(this);
};
"""


def choose(page: Page, name: str, content: bytes | None = None) -> None:
    """Chooses a file of this name."""
    file = {"name": name, "mimeType": "image/png", "buffer": content or BAG.read_bytes()}
    page.get_by_label("Choose a picture").set_input_files(file)


def seen_of(page: Page, name: str) -> None:
    """Waits until a picture is shown, and all that was asked of it is said."""
    expect(page.get_by_role("img", name=f"What the models see of {name}")).to_be_visible()
    at_rest(page)


def held(page: Page, api: FakeApi, count: int = 1) -> None:
    """Waits until so many questions are held."""

    def are_there() -> bool:
        page.evaluate("0")  # has what the page asked come here
        return len(api.held) >= count

    wait_for(are_there, 30, "the questions")


def expect_shown(page: Page, name: str) -> None:
    """Checks that a picture is still the one that all is about."""
    page.evaluate("new Promise((resolve) => setTimeout(resolve))")  # what was answered is read
    expect(page.locator("#picture-name")).to_have_text(name)
    expect(page.get_by_role("img", name=f"What the models see of {name}")).to_be_visible()
    expect(page.get_by_role("img", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")


@pytest.mark.parametrize(
    "slow", [":predict", pytest.param("/v1/instances", marks=pytest.mark.wide)]
)
def test_a_file_that_is_answered_slowly(visit, slow):
    """A sample that was pressed later stays."""
    api = FakeApi()
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    api.holding = slow
    choose(page, "old.png")
    held(page, api)
    expect(answer(page, "mlp")).to_have_attribute("aria-busy", "true")  # it is of another picture
    api.holding = ""
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    api.release()
    expect_shown(page, "coat.png")


def test_a_file_that_is_read_slowly(visit):
    """It was chosen before the sample was pressed."""
    api = FakeApi()
    page = visit("?sample=bag", api=api, script=SLOW_FILES)
    seen_of(page, "bag.png")
    choose(page, "slow.png")
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    page.evaluate("window.go()")
    expect_shown(page, "coat.png")


def test_a_sample_that_loads_slowly(visit):
    """A file that was chosen later stays, and is what the address is about."""
    page = visit(api=FakeApi())
    seen_of(page, "ankle-boot.png")
    waiting = []
    page.route("**/samples/shirt.png", lambda route: waiting.append(route))
    sample(page, "Shirt").click()
    choose(page, "mine.png")
    seen_of(page, "mine.png")
    for route in waiting:
        route.continue_()
    expect_shown(page, "mine.png")
    assert "sample" not in page.url


def test_a_box_that_is_answered_slowly(visit):
    """Another picture came; its box and pixels are its own."""
    api = seeing()
    page = visit(api=api)
    give(page)
    api.holding = "/v1/instances"
    drag(page, (260, 100), (180, 140))
    held(page, api)
    api.holding = ""
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    api.release()
    expect_shown(page, "coat.png")
    expect(page.locator("#box-words")).to_contain_text("Found: ")


def test_keys_on_the_box_before_another_picture(visit):
    """Whoever moves the box and gives a picture before it is asked gets the picture's answer."""
    api = seeing()
    page = visit(api=api)
    give(page)
    page.locator("#box").press("ArrowLeft")
    choose(page, "next.png")
    seen_of(page, "next.png")
    page.wait_for_timeout(900)  # longer than the pause after keys
    expect_shown(page, "next.png")
    assert api.boxes == []


def test_a_class_that_is_explained_slowly(visit):
    """The one that was pressed last is explained."""
    api = FakeApi()
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    card = answer(page, "mlp")
    api.holding = ":explain"
    card.get_by_role("button", name="Coat").click()
    held(page, api)
    api.holding = ""
    card.get_by_role("button", name="Dress").click()
    expect(card.get_by_role("heading", name="Why Dress")).to_be_visible()
    api.release()
    page.evaluate("0")
    expect(card.get_by_role("heading", name="Why Dress")).to_be_visible()


def test_a_class_that_is_pressed_while_its_answer_is_under_way(visit):
    """That class is explained, of the new picture, and not the answered one."""
    api = FakeApi()
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    card = answer(page, "mlp")
    api.holding = ":predict"
    sample(page, "Coat").click()
    held(page, api, 2)
    card.get_by_role("button", name="Dress").click()
    api.release()
    expect(card.get_by_role("heading", name="Why Dress")).to_be_visible()
    _, _, content = [each for each in api.sent if each[0].endswith("mlp:explain")][-1]
    asked = [each for each in api.sent if each[0].endswith("mlp:predict")][-1]
    assert content == asked[2]


def test_models_that_are_chosen_while_others_are_asked(visit):
    """Only those that are chosen at the end have cards, and each has its answer."""
    api = FakeApi(models=("mlp", "photo", "softmax"))
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    page.locator("#choice summary").click()
    api.holding = ":predict"
    sample(page, "Coat").click()
    held(page, api, 3)
    api.holding = ""
    page.get_by_role("checkbox", name="softmax").uncheck()
    at_rest(page)
    api.release()
    headings = page.get_by_role("region", name="Answers").get_by_role("heading", level=3)
    expect(headings).to_have_text(["photo", "mlp"])
    expect_shown(page, "coat.png")


def test_a_key_that_is_put_right_at_once(visit):
    """The refusal of the first key comes last, and nobody sees it."""
    api = FakeApi(key="right")
    page = visit("?sample=bag", api=api, expects=("401",))
    field = page.get_by_label("API key")
    expect(field).to_be_visible()
    api.holding = "/v1/models"
    for key in ("wrong", "right"):
        field.fill(key)
        page.evaluate("document.getElementById('key-form').requestSubmit()")
        page.evaluate("document.getElementById('key-form').hidden = false")
    held(page, api, 2)
    api.release()
    seen_of(page, "bag.png")
    expect_shown(page, "bag.png")


def test_the_first_sample_makes_way(visit):
    """For a picture that somebody gave before the models were known."""
    api = FakeApi(holding="/v1/models")
    page = visit(api=api)
    held(page, api)
    choose(page, "mine.png")
    api.release()
    seen_of(page, "mine.png")
    expect_shown(page, "mine.png")
    assert len([path for path, *_ in api.sent if path == "/v1/instances"]) == 1


def test_a_picture_is_uploaded_once(visit):
    """To three models, with their heat maps: they get what is seen of it, to the bit."""
    noise = np.random.default_rng(5).integers(0, 256, 200_000, np.uint8).tobytes()
    content = BAG.read_bytes() + noise  # behind the picture's end
    api = FakeApi(models=("mlp", "photo", "softmax"))
    page = visit("?sample=coat", api=api)
    seen_of(page, "coat.png")
    before = len(api.sent)
    choose(page, "large.png", content)
    seen_of(page, "large.png")
    for model in ("photo", "mlp", "softmax"):
        expect(answer(page, model).get_by_role("heading", name="Why Bag")).to_be_visible()
    sent = api.sent[before:]
    assert [len(body) for path, _, body in sent if path == "/v1/instances"] == [len(content)]
    rest = [body for path, _, body in sent if path != "/v1/instances"]
    assert len(rest) == 6
    assert max(map(len, rest)) < 1000
    page.get_by_text("Models: 3 of 3").click()
    page.get_by_role("checkbox", name="softmax").uncheck()
    page.get_by_role("checkbox", name="softmax").check()
    at_rest(page)
    assert len([path for path, *_ in api.sent if path == "/v1/instances"]) == 2
