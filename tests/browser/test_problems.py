"""What goes wrong is said on the page, in the API's words, and the page stays usable."""

import re

import pytest
from playwright.sync_api import Page, expect

from harness.paths import ROOT
from harness.waiting import wait_for
from tests.browser.fake_api import FakeApi, problem, watched
from tests.browser.visit import answer, command, sample, unfold_drift, verdict

BAG = ROOT / "samples" / "bag.png"


def test_a_file_that_is_no_picture(visit):
    """The page's own words; trying the same again is not offered; a picture then works."""
    page = visit(expects=("400",))
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    page.get_by_label("Choose a picture").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("“notes.txt” is no picture. Choose a PNG")
    expect(page.get_by_role("region", name="The same from a program")).to_be_hidden()
    file = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.get_by_label("Choose a picture").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("“broken.png” is no picture")
    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.get_by_role("region", name="Answers")).to_be_hidden()
    expect(page.get_by_text("No picture", exact=True)).to_be_visible()
    sample(page, "Bag").click()
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (413, "The body has more than 33554432 bytes"),
        (503, "Full"),
        pytest.param(429, "Too many requests", marks=pytest.mark.wide),
    ],
)
def test_a_refusal(visit, status, detail):
    """Is said once, however many models refuse, where it is seen."""
    refused = problem(status, f"{detail}; try `later`")
    page = visit(api=FakeApi(refusals={":predict": refused}), expects=(str(status),))
    sample(page, "Bag").click()
    items = page.get_by_role("alert").get_by_role("listitem")
    expect(items).to_have_text([f"{detail}; try later"])
    expect(items).to_be_in_viewport()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible(visible=status != 413)


def test_a_refusal_stays_in_view(visit):
    """Where what is above it grows afterwards, as it does when a large picture is there."""
    api = FakeApi(refusals={":predict": problem(503, "Full")})
    page = visit(api=api, expects=("503",), viewport={"width": 1280, "height": 600})
    sample(page, "Bag").click()
    said = page.get_by_role("alert").get_by_role("listitem")
    expect(said).to_be_in_viewport()
    page.locator(".stage").evaluate("it => (it.style.paddingBottom = '100vh')")
    expect(said).to_be_in_viewport()


def test_one_model_that_fails(visit):
    """Leaves the others their answers, and its own card says that there is none."""
    api = FakeApi(refusals={"softmax:predict": problem(503, "The model server is not answering")})
    page = visit("?sample=bag", api=api, expects=("503",))
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(verdict(answer(page, "softmax"))).to_have_text("No answer")
    expect(page.get_by_role("alert")).to_contain_text("The model server is not answering")
    api.refusals.clear()
    page.get_by_role("button", name="Try again").click()
    expect(verdict(answer(page, "softmax"))).to_contain_text("Bag")
    expect(page.get_by_role("alert")).to_be_empty()


def test_offline(visit):
    """Nobody answers: said in words, and trying again works once somebody does."""
    page = visit(api=FakeApi(), expects=("ERR_FAILED", "ERR_INTERNET_DISCONNECTED"))
    expect(page.get_by_role("region", name="Drift")).to_be_visible()
    page.unroute_all()
    page.context.set_offline(True)
    page.get_by_label("Choose a picture").set_input_files(BAG)
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    sample(page, "Coat").click()
    expect(page.get_by_role("alert")).to_contain_text("The sample did not load")
    page.context.set_offline(False)
    sample(page, "Coat").click()
    expect(verdict(answer(page, "mlp"))).to_contain_text("%")


def test_what_a_proxy_says(visit):
    """An answer that is no problem of the API's is named by its status."""
    page = visit(api=FakeApi(refusals={"/v1/models": (502, {})}), expects=("502",))
    expect(page.get_by_role("alert")).to_contain_text("The gateway says: 502 Bad Gateway")


def test_a_key_is_asked_for(visit):
    """And sent, kept nowhere else, and left out of the commands, which name a variable."""
    page = visit("?sample=bag", api=FakeApi(key="s3cret"), expects=("401",))
    field = page.get_by_label("API key")
    for key, visible in (("wrong", True), ("s3cret", False)):
        field.fill(key)
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(int(visible))
        expect(field).to_be_visible(visible=visible)
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(command(page, "curl command")).to_contain_text('Bearer $VITRINE_API_KEY"')
    expect(command(page, "Python lines")).to_contain_text('os.environ["VITRINE_API_KEY"]')
    assert "s3cret" not in page.get_by_role("region", name="The same from a program").inner_text()
    kept = page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")
    assert kept == ["", 0, 0]


def test_a_newer_picture_takes_over(visit):
    """What was asked about the one before is cancelled; meanwhile the answers are busy."""
    api = FakeApi()
    page = visit("?sample=bag", api=api)
    answers = page.get_by_role("region", name="Answers")
    expect(answers).to_have_attribute("aria-busy", "false")
    cancelled: list[str] = []
    page.on("requestfailed", lambda request: cancelled.append(request.url.rpartition("/")[2]))
    sample(page, "Shirt").click()
    expect(page.get_by_role("img", name="What the models see of shirt.png")).to_be_visible()
    expect(answers).to_have_attribute("aria-busy", "false")
    api.holding, before = ":predict", len(api.asked)
    asked = {"softmax:predict", "mlp:predict"}

    def are_held() -> bool:
        page.evaluate("0")  # has what the page asked come here
        return asked <= {path.rpartition("/")[2] for path in api.asked[before:]}

    sample(page, "Coat").click()
    expect(answers).to_have_attribute("aria-busy", "true")
    wait_for(are_held, 30, "the questions")
    api.holding = ""
    sample(page, "Dress").click()
    expect(page.get_by_role("img", name="What the models see of dress.png")).to_be_visible()
    expect(answers).to_have_attribute("aria-busy", "false")
    assert asked <= set(cancelled)
    expect(page.get_by_role("alert")).to_be_empty()


def asked_for_drift(api: FakeApi) -> int:
    """How often the page asked for the drift of one model."""
    return api.asked.count("/v1/models/mlp/drift")


def meter(page: Page, name: str) -> str | None:
    """What a meter of the first watch says."""
    return page.get_by_role("meter", name=name).first.get_attribute("aria-valuetext")


def test_drift_is_an_alarm(visit, alarm):
    """Said in words, with scores beyond their limits, and the classes that are more or fewer."""
    api = FakeApi(watches={"mlp": [alarm]})
    page = visit(api=api)
    expect(verdict(answer(page, "softmax"))).not_to_be_empty()  # an answer asks for drift, too
    watch = unfold_drift(page).get_by_role("article").first
    expect(watch).to_contain_text("The mix of classes has changed")
    expect(watch).to_contain_text(alarm["reason"])
    assert meter(page, "How often each class comes") == "3.8 times the limit"
    assert meter(page, "How the pictures look") == "71\xa0% of the limit"
    assert (meter(page, "Window") or "").startswith("500 of 500 pictures, since ")
    expect(watch).to_have_class(re.compile(r"\balarm\b"))
    expect(watch).to_contain_text("From 500 pictures, tried here or sent by programs.")
    expect(watch.get_by_role("row", name="Bag")).to_have_text(["Bag10.0 %46.0 %"])
    api.watches.clear()
    page.get_by_role("button", name="Refresh").click()
    expect(watch).to_contain_text("No drift")
    assert asked_for_drift(api) == 2


def test_drift_of_the_real_models(visit):
    """After a prediction the watch of each model has seen an image."""
    page = visit("?sample=bag")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    watches = unfold_drift(page).get_by_role("article")
    expect(watches).to_have_count(2)
    expect(watches.first.get_by_role("meter", name="Window")).to_be_visible()


def test_drift_is_off(visit):
    """The API's words, once; nobody is asked again but by the button."""
    detail = "This gateway does not watch for drift; start it without VITRINE_DRIFT=0"
    api = FakeApi(refusals={"/drift": problem(404, detail)})
    page = visit(api=api, expects=("404",))
    region = unfold_drift(page)
    expect(region.get_by_text(detail, exact=True)).to_be_visible()
    sample(page, "Bag").click()
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    before = asked_for_drift(api)
    sample(page, "Coat").click()
    expect(page.get_by_role("img", name="What the models see of coat.png")).to_be_visible()
    expect(page.get_by_role("region", name="Answers")).to_have_attribute("aria-busy", "false")
    assert asked_for_drift(api) == before
    page.get_by_role("button", name="Refresh").click()
    expect(region).to_have_attribute("aria-busy", "false")
    assert asked_for_drift(api) == before + 1


def test_drift_cannot_be_told_yet(visit, alarm):
    """Too few images, or a model without a baseline: the state and the reason in words."""
    early = alarm | {"drift": "none", "reason": "Nothing yet", "images": 0, "since": None}
    early |= {"scores": {}, "thresholds": {}}
    few = watched(images=4, reason="Too few", scores={}, thresholds={})
    unknown = early | {"drift": "unknown", "reason": "Its card has no baseline", "classes": []}
    page = visit(api=FakeApi(watches={"mlp": [early, few], "softmax": [unknown]}))
    watches = unfold_drift(page).get_by_role("article")
    expect(watches).to_have_count(2)  # nobody asked the first version
    expect(watches.first).to_contain_text("Too early to say")
    expect(watches.first).to_contain_text("From 4 pictures so far, tried here or sent by programs.")
    expect(watches.last).to_contain_text("Not watched")
    expect(watches.last).to_contain_text("Its card has no baseline")
