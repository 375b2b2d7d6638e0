"""Findings beside the picture: warnings, nothing at all, a box of the real service; photo first."""

import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from harness.paths import ROOT
from tests.browser.fake_api import LABELS, FakeApi, problem
from tests.browser.test_answers import output
from tests.browser.test_box import ALL, WIDTH, asked_about, at_rest, seeing
from tests.browser.visit import (
    announced,
    answer,
    command,
    item_box,
    pixels,
    unfold_drift,
    verdict,
    warnings,
)
from vitrine_client.images import NOTHING, SIDE, Item, find_item

PHOTO = (600, 800)  # rows, columns
BOOT = (380, 180)  # where its square of 300 pixels is
NOTHING_SEEN = "There is nothing to see in this picture."


def photo(specks: int = 0) -> bytes:
    """A dark boot of the test set on a light, grainy ground, with specks of dust."""
    levels = np.random.default_rng(1).normal(235, 3, PHOTO)
    with Image.open(ROOT / "samples" / "ankle-boot.png") as file:
        boot = 255 - np.asarray(file.convert("L").resize((300, 300), Image.Resampling.LANCZOS))
    x, y = BOOT
    place = levels[y : y + 300, x : x + 300]
    place[:] = np.minimum(place, boot)
    for left, top in ((60, 60), (120, 500), (250, 90))[:specks]:
        levels[top : top + 9, left : left + 9] = 20
    return encoded(levels)


def encoded(levels: np.ndarray, kind: str = "PNG") -> bytes:
    """Grey levels as a file."""
    file = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def give(page: Page, content: bytes, name: str = "photo.png") -> None:
    """Chooses a picture, and waits until all is said of it."""
    kind = f"image/{name.rpartition('.')[2]}"
    file = {"name": name, "mimeType": kind, "buffer": content}
    page.get_by_label("Choose a picture").set_input_files(file)
    expect(page.get_by_role("region", name="Answers")).to_be_visible()
    at_rest(page)


def drawn(page: Page) -> list[float]:
    """The box as it is drawn, in pixels of `photo()`."""
    sheet, box = page.locator("#sheet").bounding_box(), item_box(page).bounding_box()
    scale = sheet["width"] / PHOTO[1]
    place = (box["x"] - sheet["x"], box["y"] - sheet["y"], box["width"], box["height"])
    return [each / scale for each in place]


def expect_seen(page: Page, instance: np.ndarray) -> None:
    """Checks the 28x28 pixels that are shown."""
    seen = pixels(page.get_by_role("img", name="What the models see"))
    assert [each[0] for each in seen] == instance.reshape(-1).tolist()


def expect_nothing(page: Page) -> None:
    """Waits until the page says that there is nothing, and checks that it names no class."""
    answers = page.get_by_role("region", name="Answers")
    expect(answers.get_by_text(NOTHING_SEEN)).to_be_visible()
    expect(answers.get_by_role("article")).to_have_count(0)  # none that is shown
    expect(announced(page)).to_have_text(NOTHING_SEEN)
    text = answers.inner_text()
    assert not [label for label in LABELS if label in text]
    assert "%" not in text


BLANK = {
    "white": np.full((300, 400), 255.0),
    "black": np.zeros((300, 400)),
    "noise": np.random.default_rng(2).uniform(0, 255, (300, 400)),
}


def test_nothing_gets_no_class(visit):
    """By the real service, after a picture that got one; then one that gets one again."""
    page = visit("?sample=bag")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    at_rest(page)
    for kind, levels in BLANK.items():
        give(page, encoded(levels), f"{kind}.png")
        expect_nothing(page)
        expect(item_box(page)).to_be_hidden()
        expect(page.get_by_text("No item was found.")).to_be_visible()
        expect(page.get_by_role("alert")).to_be_empty()
        program = page.get_by_role("region", name="The same from a program")
        expect(program).to_be_hidden()
        give(page, photo())
        expect(verdict(answer(page, "mlp"))).to_contain_text("%")
        expect(program).to_be_visible()
        expect(page.get_by_text(NOTHING_SEEN)).to_be_hidden()


def test_the_real_box_is_drawn_and_dragged(visit, service):
    """It is where the client finds the item too; dragged, the models see what lies in it, and the
    commands that are shown answer the same."""
    content = photo()
    found = find_item(content)
    page = visit()
    give(page, content)
    assert found.box
    assert drawn(page) == pytest.approx(found.box, abs=4)
    expect_seen(page, found.instance)
    start = item_box(page).bounding_box()
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + start["width"] / 2 - 30, start["y"] + 10, steps=4)
    page.mouse.up()
    at_rest(page)
    words = page.get_by_text("Your box: ").inner_text()
    width, height, x, y = [int(word) for word in words.replace(",", "").split() if word.isdigit()]
    assert (width, height) == found.box[2:]
    assert x < found.box[0]
    expect_seen(page, find_item(content, box=(x, y, width, height)).instance)
    said = service.client().predict(content, model="mlp", box=(x, y, width, height))
    expect(verdict(answer(page, "mlp"))).to_contain_text(said.label)
    shown = answer(page, "mlp").locator(".figure").inner_text()
    assert float(shown.split()[0]) == pytest.approx(100 * said.probability, abs=0.06)


def test_the_real_box_by_keyboard(visit, tmp_path):
    """Moved and resized by keys; both commands, as they are copied, answer what the page shows."""
    content = photo()
    (tmp_path / "photo.png").write_bytes(content)
    page = visit()
    give(page, content)
    item_box(page).focus()
    for key in ("ArrowLeft", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    at_rest(page)
    x, y, width, height = find_item(content).box or ()
    box = (x - 16, y, width + 16, height)
    expect_seen(page, find_item(content, box=box).instance)
    label = verdict(answer(page, "mlp")).locator("strong").inner_text()
    page.get_by_role("combobox", name="Model").select_option("mlp")
    assert f"box={','.join(map(str, box))}" in command(page, "curl command").inner_text()
    if shutil.which("curl"):
        curl = command(page, "curl command").inner_text()
        said = json.loads(output("sh", "-c", f"cd {tmp_path} && {curl}"))["predictions"][0]
        assert (said["label"], said["box"]) == (label, list(box))
    lines = f"import os\nos.chdir({str(tmp_path)!r})\n" + command(page, "Python lines").inner_text()
    assert output(sys.executable, "-c", lines).startswith(f"{label} 0.")


def test_real_warnings(visit):
    """Specks of dust are left out, and the page says so in the API's words."""
    content = photo(specks=3)
    page = visit()
    give(page, content)
    said = find_item(content).warnings
    assert said
    expect(warnings(page).get_by_role("listitem")).to_have_text(list(said))
    give(page, photo())
    expect(warnings(page)).to_be_empty()


def test_a_box_where_nothing_was_found(visit):
    """A button gives one in the middle, by keyboard too; models are asked about it."""
    content = encoded(np.full((300, WIDTH), 255.0))
    nothing = Item(np.zeros((SIDE, SIDE), np.uint8), None, (NOTHING,))
    api = FakeApi(item=nothing)
    page = visit(api=api)
    give(page, content)
    expect_nothing(page)
    expect(warnings(page)).to_be_empty()  # it is said once
    page.get_by_role("button", name="Draw a box").focus()
    page.keyboard.press("Enter")
    expect(item_box(page)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    at_rest(page)
    middle = (WIDTH // 4 - 8, 75, WIDTH // 2, 150)
    assert asked_about(api, middle) == ALL
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    page.keyboard.press("Escape")
    expect_nothing(page)
    expect(item_box(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Draw a box")).to_be_focused()
    sheet = page.locator("#sheet").bounding_box()
    page.mouse.move(sheet["x"] + 20, sheet["y"] + 20)
    page.mouse.down()
    page.mouse.move(sheet["x"] + 120, sheet["y"] + 90, steps=3)
    page.mouse.up()
    at_rest(page)
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")


def test_a_picture_that_the_browser_cannot_show(visit):
    """Is answered all the same; the page says why there is no box to drag, and works on."""
    page = visit(api=seeing("stray marks left out"))
    give(page, b"II*\0 and so on", "scan.tiff")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(page.get_by_text("Your browser cannot show this picture")).to_be_visible()
    expect(page.get_by_text("No preview", exact=True)).to_be_visible()
    expect(page.get_by_text("Found: 120 × 90 pixels")).to_be_visible()
    expect(warnings(page)).to_have_text("stray marks left out")
    expect(item_box(page)).to_be_hidden()
    expect(page.get_by_role("button", name="Draw a box")).to_be_hidden()
    give(page, encoded(np.full((300, WIDTH), 255.0)))
    expect(item_box(page)).to_be_visible()
    expect(page.get_by_text("Your browser cannot show this picture")).to_be_hidden()


def test_photo_comes_first(visit):
    """Where it is served: its card, its drift, and the model that the commands name."""
    page = visit("?sample=bag", api=FakeApi(models=("mlp", "mlp-best", "photo", "softmax")))
    headings = page.get_by_role("region", name="Answers").get_by_role("heading", level=3)
    expect(headings).to_have_text(["photo", "mlp", "softmax", "mlp-best"])
    watches = unfold_drift(page).get_by_role("heading", level=3)
    expect(watches).to_have_text(["photo", "mlp", "softmax", "mlp-best"])
    expect(command(page, "curl command")).to_contain_text("/v1/models/photo:predict")
    expect(command(page, "Python lines")).to_contain_text('model="photo"')


def test_three_models_stand_in_a_row(visit):
    """Those that `make train` publishes; their classes can be compared line by line."""
    api = FakeApi(models=("mlp", "photo", "softmax"))
    page = visit("?sample=bag", api=api, viewport={"width": 1280, "height": 900})
    at_rest(page)
    rows = [
        answer(page, model).get_by_role("button", name="Bag").bounding_box()
        for model in ("photo", "mlp", "softmax")
    ]
    assert len({row["y"] for row in rows}) == 1
    assert rows[0]["x"] < rows[1]["x"] < rows[2]["x"]


def test_mlp_is_asked_where_photo_is_not(visit):
    """The commands name it, as the client and the command line do."""
    page = visit("?sample=bag", api=FakeApi())
    expect(command(page, "curl command")).to_contain_text("/v1/models/mlp:predict")


def test_nothing_is_asked_about_nothing(visit):
    """No model is: none could answer, and none can fail."""
    nothing = Item(np.zeros((SIDE, SIDE), np.uint8), None, (NOTHING,))
    api = FakeApi(item=nothing, refusals={":predict": problem(503, "No model is to be asked")})
    page = visit(api=api)
    give(page, encoded(BLANK["white"]))
    expect_nothing(page)
    expect(page.get_by_role("alert")).to_be_empty()
    assert not [path for path in api.asked if path.endswith((":predict", ":explain"))]


def test_a_box_of_the_whole_picture(visit):
    """A box of the whole picture is drawn round all of it, and its corners can be taken hold of."""
    api = FakeApi(item=Item(np.full((SIDE, SIDE), 9, np.uint8), (0, 0, WIDTH, 300)))
    page = visit(api=api)
    give(page, encoded(np.full((300, WIDTH), 255.0)))
    sheet, box = page.locator("#sheet").bounding_box(), item_box(page).bounding_box()
    assert sheet == box
    corner = page.locator('[data-edges="se"]').bounding_box()
    page.mouse.move(corner["x"] + corner["width"] - 2, corner["y"] + corner["height"] - 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    expect(page.get_by_text("Your box: ")).to_contain_text("0 from the left, 0 from the top")
    assert item_box(page).bounding_box()["width"] < 0.6 * sheet["width"]
