"""What notebooks show of results, in a real browser: whole, and without a way for labels to do
anything."""

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.client.test_drift_reports import REPORT
from vitrine_client import DriftReport, Explanation, Prediction

BAD = "<img src=x onerror=\"document.title='pwned'\">&amp;"


@pytest.fixture
def shown(browser: Browser):
    """Opens the HTML of a result by itself, as a notebook's output is."""
    page = browser.new_page(viewport={"width": 700, "height": 900})
    yield lambda result: (page.set_content(result._repr_html_()), page)[1]
    page.close()


def test_a_prediction(shown):
    """The most probable classes, with bars as long as they are probable; a label is text."""
    shares = {BAD: 0.75, "Coat": 0.25, **{f"other {n}": 0.0 for n in range(8)}}
    page = shown(Prediction(BAD, 0, 0.75, shares, "mlp", 3, warnings=(BAD,)))
    assert page.locator("tbody tr").count() == 5
    first, second = page.locator("tbody tr").all()[:2]
    assert first.locator("td").all_inner_texts()[:2] == [BAD, "75.0 %"]
    widths = [row.locator("span").bounding_box()["width"] for row in (first, second)]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.05)
    assert page.locator("img").count() == 0
    assert page.title() == ""


def test_an_explanation(shown):
    """The heat map is a picture of 28x28 pixels, made large, with a text beside it."""
    attributions = np.zeros((28, 28), np.float32)
    attributions[3, 4] = 2
    page = shown(Explanation(BAD, 0, 0.5, attributions, "mlp", 3))
    picture = page.locator("img")
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    assert picture.bounding_box()["width"] == 224
    assert BAD in picture.get_attribute("alt")
    assert page.title() == ""


def test_a_drift_report(shown):
    """Each version with its reason, and a row for each class and test."""
    page = shown(DriftReport.from_json(REPORT))
    assert "<Shirt>: 40 %" in page.locator("p").first.inner_text()
    assert page.locator("table").count() == 2
    assert page.locator("tbody tr").count() == 5
