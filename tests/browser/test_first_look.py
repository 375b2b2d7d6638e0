"""The first look at the page: a sample that is answered, the answer in view, models to choose."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, watched
from tests.browser.screenshots import PHONE
from tests.browser.test_newest import choose, held, seen_of
from tests.browser.visit import answer, sample, unfold_drift, verdict

MANY = (*(f"m{number:02}" for number in range(26)), "photo", "mlp")


def names(page: Page) -> list[str]:
    """Which models have cards."""
    region = page.get_by_role("region", name="Answers")
    return region.get_by_role("heading", level=3).all_inner_texts()


def test_it_begins_with_an_answer(visit):
    """Of the real models, explained, at the top of the page; the way back is as it was."""
    page = visit()
    seen_of(page, "ankle-boot.png")
    for model in ("mlp", "softmax"):
        expect(verdict(answer(page, model))).to_contain_text("%")
        expect(answer(page, model).get_by_role("heading", name="Why ")).to_be_visible()
    assert page.url.endswith("/")
    assert page.evaluate("[history.length, scrollY]") == [2, 0]
    choose(page, "mine.png")
    seen_of(page, "mine.png")
    assert page.evaluate("history.length") == 2


def test_it_begins_without_where_a_key_is_wanted(visit):
    """Nothing is asked about a picture, and only the key is missing."""
    api = FakeApi(key="s3cret")
    page = visit(api=api, expects=("401",))
    expect(page.get_by_label("API key")).to_be_visible()
    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(1)
    assert api.sent == []
    page.get_by_label("API key").fill("s3cret")
    page.get_by_role("button", name="Use this key").click()
    seen_of(page, "ankle-boot.png")


@pytest.mark.parametrize(
    ("given", "motion"),
    [
        ("sample", "reduce"),
        ("file", "no-preference"),
        pytest.param("sample", "no-preference", marks=pytest.mark.wide),
        pytest.param("file", "reduce", marks=pytest.mark.wide),
    ],
)
def test_the_answer_is_in_view_on_a_phone(visit, motion, given):
    """After a tap on a sample, and after a photo was taken or chosen."""
    page = visit(api=FakeApi(), reduced_motion=motion, **PHONE)
    seen_of(page, "ankle-boot.png")
    assert page.evaluate("scrollY") == 0
    if given == "sample":
        sample(page, "Coat").tap()
    else:
        choose(page, "photo.jpg")
    expect(verdict(answer(page, "mlp"))).to_be_in_viewport(ratio=1)
    expect(answer(page, "mlp").locator(".best")).to_be_in_viewport(ratio=1)


def test_those_who_scroll_are_left_where_they_are(visit):
    """They look at something else by then."""
    api = FakeApi()
    page = visit(api=api, **PHONE)
    seen_of(page, "ankle-boot.png")
    api.holding = ":predict"
    sample(page, "Coat").tap()
    held(page, api, 2)
    page.evaluate("scrollTo(0, 200)")
    api.release()
    seen_of(page, "coat.png")
    assert page.evaluate("scrollY") == 200


def test_the_answer_is_in_view_on_a_low_screen(visit):
    """And the picture as far as there is room."""
    page = visit(api=FakeApi(), viewport={"width": 1280, "height": 640})
    seen_of(page, "ankle-boot.png")
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    expect(verdict(answer(page, "mlp"))).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("img", name="What the models see of coat.png")).to_be_in_viewport()


def test_six_models_are_asked(visit):
    """Of 28, photo first; others are asked when somebody chooses them, and alone."""
    api = FakeApi(models=MANY)
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    assert names(page) == ["photo", "mlp", "m00", "m01", "m02", "m03"]
    assert len([path for path in api.asked if path.endswith(":predict")]) == 6
    assert len([path for path in api.asked if path.endswith(":explain")]) == 3
    assert not [path for path in api.asked if path.endswith("/drift")]
    page.get_by_text("Models: 6 of 28").click()
    before = len(api.sent)
    page.get_by_role("checkbox", name="m25").check()
    expect(verdict(answer(page, "m25"))).to_contain_text("Bag")
    page.get_by_role("checkbox", name="m00").uncheck()
    expect(page.get_by_text("Models: 6 of 28")).to_be_visible()
    assert names(page) == ["photo", "mlp", "m01", "m02", "m03", "m25"]
    assert [path for path, *_ in api.sent[before:]] == ["/v1/models/m25:predict"]
    options = page.get_by_role("combobox", name="Model").get_by_role("option")
    expect(options).to_have_text(["photo", "mlp", "m01", "m02", "m03", "m25"])
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    assert names(page) == ["photo", "mlp", "m01", "m02", "m03", "m25"]


def test_models_that_cannot_answer_are_not_asked(visit):
    """They are offered, last: one may be loaded by now. Without any other, they are asked."""
    api = FakeApi(models=("photo", "mlp", "softmax"), broken=("photo",))
    page = visit("?sample=bag", api=api)
    seen_of(page, "bag.png")
    assert names(page) == ["mlp", "softmax"]
    expect(page.get_by_role("alert")).to_be_empty()
    page.get_by_text("Models: 2 of 3").click()
    page.get_by_role("checkbox", name="photo").check()
    expect(verdict(answer(page, "photo"))).to_contain_text("Bag")
    assert names(page) == ["mlp", "softmax", "photo"]
    page = visit("?sample=bag", api=FakeApi(models=("photo", "mlp"), broken=("photo", "mlp")))
    seen_of(page, "bag.png")
    assert names(page) == ["photo", "mlp"]


def test_the_program_keeps_its_model(visit):
    """By its name: another that is left out has it stay."""
    page = visit("?sample=bag", api=FakeApi(models=("mlp", "photo", "softmax")))
    seen_of(page, "bag.png")
    model = page.get_by_role("combobox", name="Model")
    model.select_option("mlp")
    page.get_by_text("Models: 3 of 3").click()
    page.get_by_role("checkbox", name="photo").uncheck()
    expect(model.get_by_role("option")).to_have_count(2)
    expect(model).to_have_value("mlp")


def test_playing_is_no_alarm(visit):
    """Of a window that is hardly filled: folded up, without the colour of alarms, and in words."""
    played = watched(
        drift="covariate",
        alarm=True,
        images=33,
        scores={"covariate": 25920.0, "label": 3.4},
        thresholds={"covariate": 21.73, "label": 8.13},
    )
    api = FakeApi(
        watches={"mlp": [played, watched("7", images=0)]}, models=("mlp", "photo", "softmax")
    )
    page = visit("?sample=bag", api=api, viewport={"width": 1280, "height": 900})
    seen_of(page, "bag.png")
    region = page.get_by_role("region", name="Drift")
    expect(region.get_by_role("article")).to_have_count(0)
    watches = unfold_drift(page).get_by_role("article")
    expect(watches).to_have_count(3)  # none of version 7, which nobody asked
    watch = watches.filter(has=page.get_by_role("heading", name="mlp"))
    expect(watch).to_contain_text("From 33 pictures so far, tried here or sent by programs.")
    expect(watch).to_contain_text("1,193 times the limit")
    expect(watch).not_to_have_class(re.compile(r"\balarm\b"))
    widths = {round(each.bounding_box()["width"]) for each in watches.all()}
    assert len(widths) == 1
