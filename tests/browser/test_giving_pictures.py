"""All ways to give the page a picture, each to a prediction by the real models."""

import base64
import re

import pytest
from playwright.sync_api import Page, expect

from harness.paths import ROOT
from tests.browser.fake_api import FakeApi
from tests.browser.visit import announced, answer, pixels, sample, verdict
from vitrine_client.images import to_instance

BAG = ROOT / "samples" / "bag.png"

# What a browser does with a file that is dropped or pasted, as scripts can.
_HAND_OVER = """
([event, names, text]) => {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File([bytes], name, { type: "image/png" }));
  if (!names.length) transfer.setData("text/plain", "no picture");
  const options = { bubbles: true, cancelable: true };
  document.body.dispatchEvent(
    event === "paste"
      ? new ClipboardEvent(event, { ...options, clipboardData: transfer })
      : new DragEvent(event, { ...options, dataTransfer: transfer }),
  );
}
"""


def hand_over(page: Page, event: str, *names: str) -> None:
    """Drops or pastes the bag by each name; without a name, a text."""
    page.evaluate(_HAND_OVER, [event, names, base64.b64encode(BAG.read_bytes()).decode()])


def expect_bag(page: Page) -> None:
    """Waits until both models have said what they see, in words, figures and a live region."""
    for model in ("mlp", "softmax"):
        expect(verdict(answer(page, model))).to_have_text(re.compile(r"^\S.* Bag \d+\.\d\s%"))
        expect(answer(page, model).get_by_text("version 1")).to_be_visible()
    expect(announced(page)).to_have_text(re.compile(r"mlp: Bag, .* softmax: Bag, "))
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_sample(visit):
    """A click on a sample shows it, the very 28x28 pixels that the models see, and answers."""
    page = visit()
    sample(page, "Bag").click()
    expect_bag(page)
    expect(page.get_by_role("img", name="bag.png", exact=True)).to_be_visible()
    seen = pixels(page.get_by_role("img", name="What the models see of bag.png"))
    instance = to_instance(BAG.read_bytes())
    assert seen == [[level, level, level, 255] for level in instance.reshape(-1).tolist()]
    assert page.url.endswith("?sample=bag")


def test_a_link_to_a_sample(visit):
    """An address with `?sample=` shows that sample."""
    expect_bag(visit("?sample=bag"))


def test_a_file(visit):
    """A chosen file is answered; the address no longer names a sample."""
    page = visit("?sample=coat")
    page.get_by_label("Choose a picture").set_input_files(BAG)
    expect_bag(page)
    assert "sample" not in page.url


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_file_that_is_dropped_or_pasted(visit, event):
    """Anywhere on the page."""
    page = visit()
    hand_over(page, event, "bag.png")
    expect_bag(page)


def test_a_drop_that_is_no_file(visit):
    """A text that is dropped is refused in words."""
    page = visit()
    hand_over(page, "drop")
    expect(page.get_by_role("alert")).to_contain_text("no picture")


def test_dragging_is_seen(visit):
    """The page shows that it would take what is dragged over it, and no longer once it left."""
    page = visit(api=FakeApi())
    for event, dragged in (("dragenter", True), ("dragenter", True), ("dragleave", True)):
        hand_over(page, event)
        assert page.locator("body.dragged").count() == dragged
    hand_over(page, "dragleave")
    assert page.locator("body.dragged").count() == 0


def test_a_photo(visit):
    """The camera's picture is shown in a dialog, taken, and answered; the camera is let go."""
    page = visit()
    page.get_by_role("button", name="Take a photo").click()
    dialog = page.get_by_role("dialog", name="Take a photo")
    dialog.get_by_role("button", name="Take it").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("img", name="What the models see of photo.jpg")).to_be_visible()
    expect(verdict(answer(page, "mlp"))).to_contain_text("%")
    assert page.locator("video").evaluate("(video) => video.srcObject") is None


def test_the_camera_closes_by_escape(visit):
    """Escape closes the dialog, lets go of the camera, and takes no photo."""
    page = visit(api=FakeApi())
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.wait_for_function("document.querySelector('video').srcObject === null")
    expect(page.get_by_role("img", name="What the models see of ankle-boot.png")).to_be_visible()


NO_START = {
    "new Error('odd')": "The camera does not start (odd).",
    "new DOMException('no device', 'NotFoundError')": "No camera found.",
    "new DOMException('no', 'NotAllowedError')": "This page may not use the camera",
}


def test_a_camera_that_does_not_start(visit):
    """Says why, and what to do instead."""
    page = visit(api=FakeApi())
    for error, text in NO_START.items():
        denied = f"void (navigator.mediaDevices.getUserMedia = async () => {{ throw {error}; }})"
        page.evaluate(denied)
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("alert")).to_contain_text(text)
        expect(page.get_by_role("alert")).to_contain_text("Choose a picture instead")
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_no_camera(visit):
    """There is no button for it, until one is plugged in."""
    none = "navigator.mediaDevices.enumerateDevices = async () => window.devices ?? [];"
    page = visit(api=FakeApi(), script=none)
    expect(page.get_by_role("img", name="What the models see of ankle-boot.png")).to_be_visible()
    expect(page.get_by_role("button", name="Take a photo")).to_have_count(0)
    page.evaluate("window.devices = [{ kind: 'videoinput' }]")
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()


def test_a_phone_without_a_live_camera(visit):
    """Where a page may not have the camera, a phone's own app takes the photo."""
    script = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });"
    page = visit(api=FakeApi(), script=script, has_touch=True, is_mobile=True)
    photo = page.get_by_role("button", name="Take a photo")
    expect(photo).to_have_attribute("capture", "environment")
    photo.set_input_files(BAG)
    expect(verdict(answer(page, "mlp"))).to_contain_text("Bag")
