"""Wrong answers are flagged on the page, and what came of it is said there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from harness.gateway import Gateway, gateway
from harness.service import Service
from tests.browser.fake_api import LABELS, FakeApi, problem
from tests.browser.flagging import enter_key, flag, flag_of
from tests.browser.visit import Visit, answer, sample, verdict
from vitrine_serving.gateway.access import keys

WHERE = "/feedback"


@dataclass(frozen=True)
class Flagging:
    """A gateway that takes feedback, its file, and a key to it."""

    gateway: Gateway
    path: Path
    key: str

    def lines(self) -> list[dict]:
        text = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def flagging(
    chromium: str, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flagging]:
    """The gateway; its models are those of the whole service."""
    folder = tmp_path_factory.mktemp("feedback")
    path, keys_file = folder / "feedback.jsonl", folder / "keys"
    key = keys.add(keys_file, "ann")
    settings = {"feedback_log": path, "keys_file": keys_file, "models": "mlp"}
    with gateway(service.grpc_address, **settings) as running:
        yield Flagging(running, path, key)


@pytest.fixture
def visit_it(flagging: Flagging, browser: Browser) -> Iterator:
    """Opens its page, with an API of a test's own before it if that gives one."""
    visits: list[Visit] = []

    def open_page(**options: object) -> Page:
        visits.append(Visit(browser, flagging.gateway.url, **options))
        return visits[-1].open("")

    yield open_page
    for each in visits:
        each.finish()


def test_a_picture_and_its_flag(visit_it, flagging):
    """A picture is answered, flagged, again, and otherwise: the file has one line of it."""
    page = visit_it(expects=("401", "409"))
    enter_key(page, flagging.key)
    expect(verdict(answer(page, "mlp"))).to_be_visible()  # of the sample that is there at first
    before = len(flagging.lines())
    with page.expect_response("**:predict") as answered:
        sample(page, "Trouser").click()
    expect(verdict(answer(page, "mlp"))).to_contain_text("Trouser")
    expect(flag(page, "Coat")).to_have_text("Noted. Thank you.")
    expect(flag(page, "Coat")).to_have_text("This was noted before. Thank you.")
    expect(flag(page, "Dress")).to_contain_text("was flagged as Coat of mlp before")
    [line] = flagging.lines()[before:]
    del line["time"]
    assert line == {
        "request_id": answered.value.headers["x-request-id"],
        "index": 0,
        "model": "mlp",
        "class_id": 4,
        "label": "Coat",
        "key": "ann",
    }


def test_by_keyboard_alone(visit_it, flagging):
    """Tab leads from the answer to the labels and on to the button; the focus stays there."""
    page = visit_it(expects=("401",))
    page.get_by_label("API key").focus()
    page.keyboard.type(flagging.key)
    page.keyboard.press("Enter")
    expect(verdict(answer(page, "mlp"))).to_be_visible()
    labels, send, said = flag_of(page)
    before = len(flagging.lines())
    answer(page, "mlp").locator(".classes").get_by_role("button").last.focus()
    page.keyboard.press("Tab")
    expect(labels).to_be_focused()
    page.keyboard.type("Shirt")
    expect(labels).to_have_value("Shirt")
    page.keyboard.press("Tab")
    expect(send).to_be_focused()
    page.keyboard.press("Enter")
    expect(said).to_have_text("Noted. Thank you.")
    expect(send).to_be_focused()
    assert [line["label"] for line in flagging.lines()[before:]] == ["Shirt"]


def test_what_is_sent(visit_it):
    """The request of the answer that is shown, and the label by its name."""
    api = FakeApi(models=("mlp",), refusals={WHERE: (201, {"again": False})})
    page = visit_it(api=api)
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(flag(page, "Coat")).to_have_text("Noted. Thank you.")
    [(path, kind, body)] = [each for each in api.sent if each[0].endswith(WHERE)]
    assert (path, kind) == ("/v1/models/mlp/feedback", "application/json")
    place = api.asked.index("/v1/models/mlp:predict") + 1
    assert json.loads(body) == {"request_id": f"request-{place}", "label": "Coat"}


REFUSALS = {
    400: "mlp has no class Coat; it has Boot",
    403: "A proxy on the way says no",
    404: "This gateway takes no feedback",
    409: "Picture 0 was flagged as Shirt of mlp before",
    507: "This is not noted, as the gateway cannot write its `feedback log`",
}


def test_refusals_are_said_beside_it(visit_it):
    """In the API's words, in a live region; the answers stay, and it can be sent again."""
    api = FakeApi(models=("mlp",))
    page = visit_it(api=api, expects=tuple(map(str, REFUSALS)))
    for status, detail in REFUSALS.items():
        api.refusals = {WHERE: problem(status, detail)}
        expect(flag(page, "Coat")).to_have_text(f"{detail.replace('`', '')}.")
        expect(page.get_by_role("alert")).to_be_empty()
    api.refusals[WHERE] = (201, {"again": False})
    expect(flag(page, "Coat")).to_have_text("Noted. Thank you.")


def test_a_key_that_is_gone(visit_it):
    """It is asked for once more; the picture stays, and so does what was chosen."""
    wanted = problem(401, "This API key is not known here; check it")
    api = FakeApi(models=("mlp",), refusals={WHERE: wanted})
    page = visit_it(api=api, expects=("401",))
    expect(flag(page, "Coat")).to_contain_text("This API key is not known here")
    expect(page.get_by_label("API key")).to_be_visible()
    api.refusals.clear()
    api.refusals[WHERE] = (201, {"again": False})
    enter_key(page, "s3cret")
    expect(page.get_by_label("API key")).to_be_hidden()
    _, send, said = flag_of(page)
    send.click()
    expect(said).to_have_text("Noted. Thank you.")


def test_nothing_is_sent_without_a_label(visit_it):
    """One has to be chosen; what was answered is none of them, and each answer begins anew."""
    api = FakeApi(models=("mlp",), refusals={WHERE: (201, {"again": False})})
    page = visit_it(api=api)
    labels, send, said = flag_of(page)
    expect(labels.locator("option")).to_have_text(["choose", *LABELS])
    expect(labels.locator("option:disabled")).to_have_text(["Bag"])
    send.click()
    expect(said).to_be_empty()
    assert not [path for path, *_ in api.sent if path.endswith(WHERE)]
    flag(page, "Coat")
    expect(said).to_have_text("Noted. Thank you.")
    sample(page, "Coat").click()
    expect(said).to_be_empty()
    expect(labels).to_have_value("")


def test_what_is_said_is_of_the_answer_that_is_shown(visit_it):
    """What came of a flag is not said below the answer about another picture."""
    api = FakeApi(models=("mlp",), holding=WHERE, refusals={WHERE: problem(409, "Too late")})
    page = visit_it(api=api, expects=("409",))
    said = flag(page, "Coat")
    expect(said).to_have_text("Sending.")
    sample(page, "Dress").click()
    expect(said).to_be_empty()
    with page.expect_response(f"**{WHERE}"):
        api.release()
    flag_of(page)[0].focus()  # after the page has handled it
    expect(said).to_be_empty()


def test_labels_that_others_wrote(visit_it):
    """They are text, whatever they have in them, and are sent whole."""
    odd = ("<b>Boot</b>", "x" * 200, "7")
    api = FakeApi(models=("mlp",), labels=odd, best=0, refusals={WHERE: (201, {"again": False})})
    page = visit_it(api=api)
    labels, send, said = flag_of(page)
    expect(labels.locator("option")).to_have_text(["choose", odd[0], f"{'x' * 100}…", "7"])
    labels.select_option("x" * 200)
    send.click()
    expect(said).to_have_text("Noted. Thank you.")
    assert any(
        json.loads(body)["label"] == "x" * 200 for path, _, body in api.sent if WHERE in path
    )


def test_it_is_hidden_where_it_is_off(visit):
    """A gateway that takes no feedback has nothing of it on its page."""
    page = visit("?sample=bag", api=FakeApi())
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(page.get_by_text("Wrong? It is")).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), pytest.param(1280, "dark", marks=pytest.mark.wide)]
)
def test_it_is_accessible(visit_it, width, scheme):
    """By axe's rules, before and after it was sent, on a phone and a desktop."""
    api = FakeApi(models=("mlp",), refusals={WHERE: (201, {"again": False})})
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    page = visit_it(api=api, **options)
    for _ in range(2):
        expect(page.locator('[aria-busy="true"]')).to_have_count(0)
        found = Axe().run(page, context=".flag")
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(flag(page, "Coat")).to_have_text("Noted. Thank you.")
