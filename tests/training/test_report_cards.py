"""Pages about versions whose cards or images are not as usual."""

import json
import re
from dataclasses import asdict

import pytest

from tests.training.made_versions import make_card, write_card, write_page
from vitrine_training.data.fashion_mnist import LABELS, Split
from vitrine_training.models.recipes import RECIPES
from vitrine_training.report import page as report


def test_labels_are_text_and_never_markup(copied, test_images, tmp_path):
    """HTML and TeX in a label are shown as they are, in tables and captions."""
    label = '<b title="x">$T$ & -- co</b>'
    write_card(copied, make_card(labels=[label, *LABELS[1:]], model="<i>m</i>"))
    page = write_page(copied, test_images, tmp_path / "page.html")
    assert list(page.section("confusion").itertext()).count(label) == 2
    assert label in page.words("classes")
    assert label in [one.text for one in page.section("weights").iter("figcaption")]
    assert "<b title" not in page.text
    assert "<i>m</i>" not in page.text


def test_a_class_without_images_has_no_recall(copied, test_images, tmp_path):
    """A dash stands for what can't be divided."""
    few = Split(test_images.images[:3], test_images.labels[:3])
    page = write_page(copied, few, tmp_path / "page.html")
    assert "Bag 0 – – –" in page.words("classes")


def card_without(name):
    return {key: value for key, value in make_card().items() if key != name}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "no model card"),
        ("[]", "has no model"),
        (json.dumps(card_without("verdict")), "the card has no verdict"),
        (json.dumps(make_card(metrics={"kept_epoch": 2})), "metrics has no validation_accuracy"),
        (json.dumps(make_card(duration_s="long")), "duration_s in the card can't be 'long'"),
        (json.dumps(make_card(history=[{"number": 1}])), "history has no train_loss"),
        (json.dumps(make_card(history=[])), "kept_epoch is not in history"),
        (json.dumps(make_card(robustness={"plain": 1})), "robustness has no images"),
        (json.dumps(make_card(labels=[])), "reports are for classifiers"),
        (None, "no model card"),
    ],
)
def test_a_card_that_will_not_do_is_named(copied, test_images, tmp_path, text, complaint):
    """The error says which file and what about it; the page that was there stays."""
    card = copied / "assets.extra" / "card.json"
    card.unlink()
    if text is not None:
        card.write_text(text)
    page = tmp_path / "page.html"
    page.write_text("before")
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        report.write(copied, test_images, page)
    assert str(card) in str(caught.value)
    assert page.read_text() == "before"


def test_a_failed_write_leaves_nothing_behind(softmax_dir, test_images, tmp_path):
    """Where the page can't take its place there is no part of it, under any name."""
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError):
        report.write(softmax_dir, test_images, tmp_path / "page.html")
    assert [one.name for one in tmp_path.rglob("*")] == ["page.html"]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            {"added": 6, "by_key": {"<b>ann": 3, "bob": 3}, "left_out": {}, "before": None},
            ["&lt;b&gt;ann 3, bob 3", "feedback: pictures added</th><td>6<", "out</th><td>none<"],
        ),
        ({"left_out": {"not_logged": 1}}, ["not logged 1"]),
        (
            {"by_key": {"": 2, "my_app": 1}, "by_label": {"T_shirt": 3}},
            ["(no key) 2, my_app 1<", ">T_shirt 3<"],
        ),
        ("garbage", []),
        (None, []),
    ],
)
def test_feedback_is_on_the_page(copied, test_images, tmp_path, told, shown):
    """Of a card that has it, whatever it is."""
    card = make_card() if told is None else make_card(feedback=told)
    card["data"] = {"feedback": 64 * "a", "file": 32 * "b"}
    write_card(copied, card)
    page = report.write(copied, test_images, tmp_path / "page.html").read_text()
    assert [text for text in shown if text.lower() not in page.lower()] == []
    assert ("Feedback:" in page) == bool(shown)
    assert f"SHA-256 {64 * 'a'}" in page
    assert f"MD5 {32 * 'b'}" in page


def test_each_setting_has_a_meaning(copied, test_images, tmp_path):
    """Also those of recipes for own data."""
    card = make_card(recipe=json.loads(json.dumps(asdict(RECIPES["cnn"]))))
    write_card(copied, card)
    page = report.write(copied, test_images, tmp_path / "page.html").read_text()
    assert '<td class="meaning">Steps of a run on own data, at least' in page
    assert '<td class="meaning"></td>' not in page
