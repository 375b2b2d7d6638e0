"""What the page says of a picture: the heat map, the times, the commands, versions side by side."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import requests
from playwright.sync_api import Page, expect

from harness.paths import ROOT
from tests.browser.fake_api import LABELS, FakeApi, problem
from tests.browser.visit import announced, answer, command, pixels, verdict, why

BAG = ROOT / "samples" / "bag.png"


def milliseconds(page: Page, stage: str) -> float:
    """What the card of `mlp` says of a stage."""
    entry = answer(page, "mlp").locator("dl > div", has_text=stage)
    return float(entry.locator("dd").inner_text().split()[0])


def test_all_classes_are_shown(visit, service):
    """Ten bars in the order of the classes, with the API's probabilities; the best stands out."""
    page = visit("?sample=bag")
    card = answer(page, "mlp")
    found = service.client().predict(BAG, model="mlp")
    rows = [f"{label}{100 * share:.1f} %" for label, share in found.probabilities.items()]
    shown = card.locator(".classes").get_by_role("button")
    expect(shown).to_have_text([row.replace("0.0 %", "<0.1 %") for row in rows])
    expect(card.locator(".best")).to_contain_text("Bag")
    expect(card.locator(".best .bar")).to_have_attribute(
        "style", re.compile(f"--share: {found.probability:.4f}")
    )


def test_why_of_softmax(visit, service):
    """The heat map is that of weight times pixel, for the class that was pressed."""
    page = visit("?sample=bag")
    asked = f"{service.url}/v1/models/softmax:explain?class_id=6"
    headers = {"Content-Type": "image/png"}
    said = requests.post(asked, BAG.read_bytes(), headers=headers, timeout=10).json()
    values = [each for row in said["explanations"][0]["attributions"] for each in row]
    card = answer(page, "softmax")
    painted = pixels(why(card, "Shirt"))
    strongest = max(map(abs, values))
    for (red, _, blue, _), value in zip(painted, values, strict=True):
        assert (red > blue) == (value > 0) or abs(value) < 0.01 * strongest
    brightest = max(zip(painted, values, strict=True), key=lambda each: abs(each[1]))
    assert brightest[0][:3] in ([255, 150, 30], [70, 140, 255])
    speaking = sum(value for value in values if value > 0)
    expect(card.locator(".why-text")).to_contain_text("weight × pixel")
    expect(card.locator(".why-text")).to_contain_text(f"for it +{speaking:.2f}")
    expect(announced(page)).to_contain_text("pixels for Shirt add up")


def test_why_of_mlp(visit):
    """The answered class is explained by itself; a press asks for another, a second one lets go."""
    page = visit("?sample=bag")
    card = answer(page, "mlp")
    expect(why(card, "Bag")).to_be_visible()
    expect(card.locator(".why-text")).to_contain_text("gradient × input")
    expect(why(card, "Coat")).to_be_visible()
    pressed = card.locator("[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    expect(pressed).to_contain_text("Coat")
    pressed.click()
    expect(pressed).to_have_count(0)
    expect(card.get_by_role("img", name="Heat map: nothing yet")).to_be_visible()


def test_a_model_that_cannot_say_why(visit):
    """The API's words stand where the heat map would; it is no alarm."""
    detail = "mlp was published without `explain`; train it again to have it"
    api = FakeApi(refusals={"mlp:explain": problem(400, detail)})
    page = visit("?sample=bag", api=api, expects=("400",))
    card = answer(page, "mlp")
    expect(card.locator(".why-text")).to_have_text(detail.replace("`", ""))
    card.get_by_role("button", name="Coat").click()
    expect(card.locator(".why-text")).to_have_text(detail.replace("`", ""))
    expect(page.get_by_role("alert")).to_be_empty()


def test_times_are_split(visit):
    """Server-Timing's stages, and the rest of what the browser measured."""
    page = visit("?sample=bag", api=FakeApi())
    stages = [milliseconds(page, stage) for stage in ("Decode", "Queue", "Model call")]
    assert stages == [0.6, 0.0, 1.9]
    rest, total = milliseconds(page, "Network and rest"), milliseconds(page, "In all")
    assert rest > 0
    assert total == pytest.approx(sum(stages) + rest, abs=0.6)
    shares = (
        answer(page, "mlp")
        .locator(".stack i")
        .evaluate_all("(bars) => bars.map((bar) => Number(bar.style.getPropertyValue('--share')))")
    )
    assert sum(shares) == pytest.approx(1)


def test_the_commands_do_the_same(visit, service):
    """Both are copied by their buttons, and run as they are in a clone."""
    page = visit("?sample=bag", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("combobox", name="Model").select_option("mlp")
    copied = []
    for name in ("Copy the curl command", "Copy the Python lines"):
        button = page.get_by_role("button", name=name)
        button.click()
        expect(button).to_have_text("Copied")
        copied.append(page.evaluate("navigator.clipboard.readText()"))
    curl, python = copied
    assert f"{service.url}/v1/models/mlp:predict" in curl
    assert "Authorization" not in curl
    if shutil.which("curl"):
        assert json.loads(output("sh", "-c", curl))["predictions"][0]["label"] == "Bag"
    assert output(sys.executable, "-c", python).startswith("Bag 0.")


def output(*command: str) -> str:
    """What a command prints in a clone."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_of_files_are_quoted(visit):
    """A name with a space and a quote stays one word of the shell's, and Python's string."""
    page = visit(api=FakeApi())
    file = {"name": "mum's bag.png", "mimeType": "image/png", "buffer": BAG.read_bytes()}
    page.get_by_label("Choose a picture").set_input_files(file)
    expect(command(page, "curl command")).to_contain_text(r"'@mum'\''s bag.png'")
    expect(command(page, "Python lines")).to_contain_text('"mum\'s bag.png"')


def test_stable_and_canary_stand_side_by_side(visit):
    """Two versions with labels are two cards, asked by their labels; other models have one."""
    api = FakeApi(version_labels={"mlp": {"stable": "1", "canary": "2"}})
    page = visit("?sample=bag", api=api)
    stable, canary = answer(page, "mlp", "stable"), answer(page, "mlp", "canary")
    expect(stable.get_by_text("version 1")).to_be_visible()
    expect(canary.get_by_text("version 2")).to_be_visible()
    answers = page.get_by_role("region", name="Answers")
    expect(answers).to_have_attribute("aria-busy", "false")  # nothing moves any more
    assert verdict(stable).inner_text() != verdict(canary).inner_text()
    left, right = stable.bounding_box(), canary.bounding_box()
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    expect(answers.get_by_role("article")).to_have_count(3)
    assert {path for path in api.asked if path.endswith(":predict")} == {
        "/v1/models/softmax:predict",
        "/v1/models/mlp/labels/stable:predict",
        "/v1/models/mlp/labels/canary:predict",
    }
    page.get_by_role("combobox", name="Model").select_option("mlp, canary")
    expect(command(page, "Python lines")).to_contain_text('label="canary"')
    expect(why(canary, "Bag")).to_be_visible()
    assert "/v1/models/mlp/labels/canary:explain" in api.asked
    assert "/v1/models/mlp:explain" not in api.asked


def test_one_version_with_two_labels_is_one_card(visit):
    """And names both; a model that is no classifier has none."""
    page = visit("?sample=bag", api=FakeApi(version_labels={"mlp": {"stable": "1", "canary": "1"}}))
    expect(answer(page, "mlp", "stable", "canary")).to_be_visible()
    headings = page.get_by_role("region", name="Answers").get_by_role("heading", level=3)
    expect(headings).to_have_text(["mlp", "softmax"])


def test_below_a_path(visit, service):
    """A proxy may serve the gateway below a path: every address is relative."""
    page = visit()
    expect(page.get_by_role("heading", name="Why ")).to_have_count(2)  # all is asked that would be
    prefix = f"{service.url}/below"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(
        f"{prefix}/**",
        lambda route: route.fulfill(
            response=route.fetch(url=route.request.url.replace(prefix, service.url))
        ),
    )
    page.goto(f"{prefix}/?sample=bag")
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
    expect(command(page, "curl command")).to_contain_text(f"{prefix}/v1/models/")
    assert [url for url in asked if not url.startswith((prefix, "blob:"))] == []
    assert len(LABELS) == answer(page, "mlp").locator(".classes li").count()
    expect(page.get_by_role("heading", name="Why ")).to_have_count(2)  # all is answered
    page.unroute_all(behavior="ignoreErrors")
