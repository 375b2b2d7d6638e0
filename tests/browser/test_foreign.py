"""Models that Vitrine did not train: their own sizes, colours, classes and figures on the page."""

import re
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from harness.paths import ROOT
from tests.browser.fake_api import CANNOT_EXPLAIN, NPY, FakeApi, problem
from tests.browser.foreign import COLOUR, Foreign
from tests.browser.test_accessibility import check
from tests.browser.test_box import at_rest, drag, give, picture, seeing
from tests.browser.test_newest import seen_of
from tests.browser.visit import announced, answer, item_box, pixels, sample, verdict, why

BAG = (ROOT / "samples" / "bag.png").read_bytes()
MANY = tuple(f"class {number}" for number in range(1000))
HOSTILE = "<img src=x onerror=alert(1)> " + "Donaudampfschifffahrt" * 8
LONG = HOSTILE * 2


def sight(page: Page, model: str, name: str) -> Locator:
    """What a model sees, where it is shown."""
    return page.get_by_role("img", name=f"What {model} sees of {name}", exact=True)


def on_black(levels: np.ndarray) -> list[list[int]]:
    """The [red, green, blue, 255] of what a model sees."""
    if levels.ndim == 2 or levels.shape[2] == 1:
        levels = np.repeat(levels.reshape(*levels.shape[:2], 1), 3, axis=2)
    if levels.shape[2] == 4:
        levels = np.round(levels[..., :3] * (levels[..., 3:] / 255))
    return [[*map(int, pixel), 255] for pixel in levels.reshape(-1, 3)]


def test_a_colour_model_has_a_sight_of_its_own(visit):
    """In its size and colours, crisp, on its card; the others share theirs, beside the picture."""
    cats = Foreign(warnings=("it is <b>stretched</b>",))
    api = seeing(foreign={"cats": cats})
    page = visit(api=api)
    give(page)
    card = answer(page, "cats")
    shown = sight(page, "cats", "item.png")
    assert pixels(shown) == on_black(cats.levels(picture(), None))
    assert [shown.get_attribute(each) for each in ("width", "height")] == ["32", "24"]
    style = "(it) => [getComputedStyle(it).imageRendering, getComputedStyle(it).objectFit]"
    assert shown.evaluate(style) == ["pixelated", "contain"]
    assert shown.bounding_box()["width"] < card.bounding_box()["width"] / 2
    expect(card).to_contain_text("What it sees 32 × 24 pixels, in colour")
    expect(card).to_contain_text("it is <b>stretched</b>")
    expect(answer(page, "mlp").locator(".sight")).to_be_hidden()
    shared = page.get_by_role("img", name="What the models see of item.png")
    expect(shared).to_have_attribute("width", "28")
    expect(page.get_by_text("28 × 28 pixels")).to_be_visible()
    expect(verdict(card)).to_contain_text("dog")
    expect(why(card, "dog")).to_be_visible()


def test_a_foreign_model_gets_the_picture(visit):
    """As it was given, with the box that somebody put; the others get what was seen of it."""
    api = seeing(foreign={"cats": Foreign()})
    page = visit(api=api)
    give(page)
    expect(why(answer(page, "cats"), "dog")).to_be_visible()
    last = {path.rpartition("/")[2]: (kind, body) for path, kind, body in api.sent}
    for method in ("instances", "predict", "explain"):
        assert last[f"cats:{method}"] == ("image/png", picture())
    assert {last[f"{model}:predict"][0] for model in ("mlp", "softmax")} == {NPY}
    drag(page, (260, 100), (180, 140))
    at_rest(page)
    expect(why(answer(page, "cats"), "dog")).to_be_visible()
    boxes = [box for path, box in api.boxes if path.endswith("v1/instances")]
    for method in ("instances", "predict", "explain"):
        assert (f"/v1/models/cats:{method}", boxes[-1]) in api.boxes


def test_without_any_of_ours(visit):
    """What the first model sees stands beside the picture, and the page speaks of no clothes."""
    cats = Foreign()
    dogs = Foreign(replace(COLOUR, shape=(9, 9)))
    api = FakeApi(models=(), foreign={"cats": cats, "dogs": dogs})
    page = visit("?sample=bag", api=api)
    at_rest(page)
    shown = sight(page, "cats", "bag.png")
    expect(shown).to_have_count(1)
    expect(shown).to_have_id("instance")
    assert pixels(shown) == on_black(cats.levels(BAG, None))
    expect(page.locator("#sight-title")).to_have_text("What cats sees")
    expect(page.locator("#sight-size")).to_have_text("32 × 24 pixels, in colour")
    expect(sight(page, "dogs", "bag.png")).to_be_visible()
    expect(answer(page, "dogs")).to_contain_text("9 × 9 pixels")
    expect(item_box(page)).to_be_visible()
    assert "/v1/instances" not in api.asked
    assert "clothing" not in page.locator(".intro").inner_text()


def test_sizes_and_channels(visit):
    """Any of them is drawn as it is."""
    shapes = [(8, 6), (8, 6, 1), (1, 1, 4), (5, 90, 3), (None, None, None)]
    foreign = {
        f"model {number}": Foreign(replace(COLOUR, shape=shape), explains=False)
        for number, shape in enumerate(shapes)
    }
    page = visit(api=seeing(models=("mlp",), foreign=foreign), expects=("400",))
    give(page)
    for name, model in foreign.items():
        drawn = pixels(sight(page, name, "item.png"))
        assert drawn == on_black(model.levels(picture(), None)), name


def test_a_large_instance(visit):
    """Is drawn coarser, and told in its own size; so is its heat map."""
    model = Foreign(replace(COLOUR, shape=(2100, 30, 3)))
    page = visit("?sample=bag", api=FakeApi(foreign={"tall": model}))
    card = answer(page, "tall")
    expect(card).to_contain_text("30 × 2100 pixels, in colour")
    shown = sight(page, "tall", "bag.png")
    assert [shown.get_attribute(each) for each in ("width", "height")] == ["10", "700"]
    assert pixels(shown) == on_black(model.levels(BAG, None)[::3, ::3])
    assert shown.bounding_box()["height"] < 200
    expect(why(card, "dog")).to_have_attribute("height", "700")


@pytest.mark.parametrize("grid", [pytest.param((24, 32), marks=pytest.mark.wide), (6, 4)])
def test_a_heat_map_over_what_it_sees(visit, grid):
    """In the size of its pictures, whatever that of the attributions is; colours are dimmed."""
    model = Foreign(grid=grid)
    page = visit(api=seeing(foreign={"cats": model}))
    give(page)
    card = answer(page, "cats")
    painted = np.array(pixels(why(card, "dog"))).reshape(24, 32, 4)[..., :3]
    assert (painted[:12] == [255, 150, 30]).all()
    seen = model.levels(picture(), None)[12:].astype(float)
    weight = 0.5**0.6
    expected = 0.3 * seen * (1 - weight) + weight * np.array([70, 140, 255])
    assert np.abs(painted[12:] - expected).max() <= 1
    expect(card.locator(".why-text")).to_contain_text(f"for it +{grid[0] * grid[1] / 2:.2f}")


def test_a_foreign_model_that_does_not_explain(visit):
    """Says so in a line, and is asked once; it is no alarm, and the others explain."""
    api = FakeApi(foreign={"cats": Foreign(explains=False)})
    page = visit("?sample=bag", api=api, expects=("400",))
    at_rest(page)
    card = answer(page, "cats")
    line = f"This model does not explain its answers. {CANNOT_EXPLAIN}".replace("`", "")
    expect(card.locator(".why-text")).to_have_text(line)
    card.get_by_role("button", name="bird").click()
    expect(card.locator(".why-text")).to_have_text(line)
    for model in ("mlp", "softmax"):
        expect(answer(page, model).get_by_role("heading", name="Why Bag")).to_be_visible()
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    expect(card.locator(".why-text")).to_have_text(line)
    expect(page.get_by_role("alert")).to_be_empty()
    assert api.asked.count("/v1/models/cats:explain") == 1


def test_many_classes(visit):
    """The best are shown, more when somebody asks for them; each is known by its id."""
    api = FakeApi(models=("mlp",), foreign={"net": Foreign(labels=MANY, best=700)})
    page = visit("?sample=bag", api=api)
    card = answer(page, "net")
    rows = card.locator(".classes button")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("class 70070.0 %")
    expect(rows.nth(1)).to_contain_text("class 0")
    expect(answer(page, "mlp").locator(".classes button")).to_have_count(10)
    expect(answer(page, "mlp").locator(".more")).to_be_hidden()
    more = card.get_by_role("button", name="Show 50 more of 1000 classes")
    more.focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(60)
    expect(more).to_be_focused()
    rows.nth(59).click()
    expect(card.get_by_role("heading", name="Why class 58, ")).to_be_visible()
    expect(rows.nth(59)).to_have_attribute("aria-pressed", "true")
    assert [box for path, _, box in api.sent if path.endswith("net:explain")]
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    expect(rows).to_have_count(10)


def test_more_until_all_are_shown(visit):
    """The focus goes on where the button goes; those of up to twenty keep their order."""
    few = Foreign(labels=MANY[:20], best=19)
    some = Foreign(labels=MANY[:21], best=20)
    page = visit("?sample=bag", api=FakeApi(models=(), foreign={"few": few, "some": some}))
    names = answer(page, "few").locator(".classes .name")
    expect(names).to_have_text(list(MANY[:20]))
    card = answer(page, "some")
    card.get_by_role("button", name="Show 11 more of 21 classes").focus()
    page.keyboard.press("Enter")
    expect(card.locator(".classes button")).to_have_count(21)
    expect(card.locator(".classes button").nth(10)).to_be_focused()
    expect(card.locator(".more")).to_be_hidden()


def test_scores_are_no_shares(visit):
    """They sum to anything: there is no per cent, and no word of how sure that is."""
    model = Foreign(replace(COLOUR, kind="scores"), highest=0.9)
    page = visit("?sample=bag", api=FakeApi(models=(), foreign={"tags": model}))
    card = answer(page, "tags")
    expect(why(card, "dog")).to_be_visible()
    expect(verdict(card)).to_have_text("Highest score dog 0.900 or cat, 0.500")
    expect(card.locator(".classes .share")).to_have_text(["0.500", "0.900", "0.250"])
    expect(card.get_by_role("heading", name="Why dog, 0.900?")).to_be_visible()
    assert "%" not in card.inner_text()
    expect(announced(page)).to_have_text("tags: dog, 0.900.")


def test_assumptions(visit):
    """Folded up on the card of the model, with who says the rest; asked for once."""
    sentence = "scaling 0..1 assumed: write profile.json to change it"
    sources = {"input": "signature", "shape": "signature", "scaling": "assumed"}
    model = Foreign(replace(COLOUR, sources=sources), assumptions=(sentence,))
    api = FakeApi(foreign={"cats": model})
    page = visit("?sample=bag", api=api)
    at_rest(page)
    details = answer(page, "cats").locator(".assumed")
    expect(details.get_by_text(sentence)).to_be_hidden()
    details.get_by_text("1 assumption about this model").click()
    expect(details.get_by_role("listitem")).to_have_text([sentence, "From signature: input, shape"])
    expect(answer(page, "mlp").locator(".assumed")).to_be_hidden()
    sample(page, "Coat").click()
    seen_of(page, "coat.png")
    assert api.asked.count("/v1/models/cats/profile") == 1


def test_models_that_take_no_pictures(visit):
    """Have no card; they are named in a line, with the reason where there is one."""
    others = {"linear": "it answers `numbers` and not classes", "odd": ""}
    page = visit("?sample=bag", api=FakeApi(others=others))
    at_rest(page)
    line = page.locator("#not-asked")
    expect(line).to_have_text("Not asked: linear (it answers numbers and not classes), odd")
    expect(line.locator("code")).to_have_text("numbers")
    expect(answer(page)).to_have_count(2)
    others = {f"m{number}": "it takes text" for number in range(9)}
    page = visit("?sample=bag", api=FakeApi(others=others))
    expect(page.locator("#not-asked")).to_contain_text("m5 (it takes text) and 3 more")
    page = visit("?sample=bag", api=FakeApi(others={}))
    at_rest(page)
    expect(page.locator("#not-asked")).to_be_hidden()


def test_a_version_that_takes_no_pictures(visit):
    """Though the newest one does: its card has no answer, and the reason is said."""
    nothing = {"model": "cats", "version": "1", "profile": None, "assumptions": []}
    refused = (200, nothing | {"reason": "it takes <b>text</b>"})
    api = FakeApi(foreign={"cats": Foreign()}, refusals={"cats/profile": refused})
    page = visit("?sample=bag", api=api)
    expect(page.get_by_role("alert")).to_contain_text("it takes <b>text</b>")
    expect(verdict(answer(page, "cats"))).to_have_text("No answer")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    assert "/v1/models/cats:predict" not in api.asked


@pytest.mark.parametrize(
    "address", [pytest.param("cats:instances", marks=pytest.mark.wide), "cats:predict"]
)
def test_a_foreign_model_that_fails(visit, address):
    """Leaves the others their answers, and works when it is tried again."""
    api = FakeApi(foreign={"cats": Foreign()}, refusals={address: problem(503, "It is away")})
    page = visit("?sample=bag", api=api, expects=("503",))
    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_text(["It is away"])
    expect(verdict(answer(page, "cats"))).to_have_text("No answer")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    api.refusals.clear()
    page.get_by_role("button", name="Try again").click()
    expect(verdict(answer(page, "cats"))).to_contain_text("dog")
    expect(page.get_by_role("alert")).to_be_empty()


def test_the_first_of_foreign_models_fails(visit):
    """Nothing of an earlier picture stays beside the new one; a file that is none is one of all."""
    foreign = {"cats": Foreign(), "dogs": Foreign()}
    api = FakeApi(models=(), foreign=foreign)
    page = visit("?sample=bag", api=api, expects=("503", "400"))
    at_rest(page)
    api.refusals = {"cats:instances": problem(503, "It is away")}
    sample(page, "Coat").click()
    expect(page.get_by_role("alert")).to_contain_text("It is away")
    expect(page.get_by_role("img", name="What the models see: nothing")).to_be_visible()
    expect(verdict(answer(page, "dogs"))).to_contain_text("dog")
    api.refusals = {":instances": problem(400, "This is no picture, or so")}
    sample(page, "Dress").click()
    expect(page.get_by_role("alert")).to_contain_text("“dress.png” is no picture")
    expect(page.get_by_role("region", name="Answers")).to_be_hidden()


def test_one_that_sees_nothing(visit):
    """Says so on its card, while the others answer; it is not asked."""
    api = FakeApi(foreign={"cats": Foreign(empty=True)})
    page = visit("?sample=bag", api=api)
    at_rest(page)
    expect(verdict(answer(page, "cats"))).to_have_text("There is nothing to see in this picture.")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(announced(page)).not_to_contain_text("cats")
    assert "/v1/models/cats:predict" not in api.asked


def test_a_profile_that_cannot_be_had(visit):
    """The models are asked as our own: they say themselves what is wrong."""
    api = FakeApi(refusals={"/profile": problem(404, "No such address")})
    page = visit("?sample=bag", api=api, expects=("404",))
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "dark"), pytest.param(1280, "light", marks=pytest.mark.wide)]
)
def test_what_others_wrote_is_text(visit, width, scheme):
    """Names, classes, reasons and assumptions: none is HTML or widens the page, and what is long
    is cut, with all of it in the title."""
    model = Foreign(
        labels=(HOSTILE, *MANY[:30]),
        best=0,
        assumptions=(LONG,),
        warnings=(LONG,),
    )
    api = FakeApi(foreign={HOSTILE.replace("/", ""): model}, others={"x" * 300: LONG})
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    page = visit("?sample=bag", api=api, **options)
    at_rest(page)
    card = page.get_by_role("article").filter(has_text="Donaudampf")
    expect(card.get_by_role("heading", name=re.compile("^Why <img"))).to_be_visible()
    card.locator(".assumed summary").click()
    page.locator("#choice summary").click()
    assert page.locator("main img[src=x]").count() == 0
    for place in (".verdict strong", "h3"):
        cut = card.locator(place).first
        expect(cut).to_have_text(f"{HOSTILE[:100]}…")
        expect(cut).to_have_attribute("title", HOSTILE)
    sentences = (card.locator(".assumed li").first, card.locator(".sight figcaption p").last)
    for sentence in (*sentences, page.locator("#not-asked bdi").last):
        expect(sentence).to_have_text(f"{LONG[:250]}…")
        expect(sentence).to_have_attribute("title", LONG)
    expect(page.locator("#not-asked bdi").first).to_have_attribute("title", "x" * 300)
    check(page, width)
