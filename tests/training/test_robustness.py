"""Robustness: the views, the hard pictures, and what a card says of them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from vitrine_training.data.fashion_mnist import FACING_LEFT, LABELS, Split
from vitrine_training.evaluation import robustness
from vitrine_training.photos import KINDS, STRANGERS


@pytest.fixture(scope="module")
def sample(test_images):
    return robustness.draw(test_images, pictures=1)


def right_but(sample, view, wrong):
    """A classifier that answers rightly, but `wrong` to what it is asked about in one view."""

    def classify(images):
        if images is sample.views[view]:
            return wrong
        if len(images) == len(sample.hard):
            return np.array([one.class_id for one in sample.hard])
        return sample.class_ids

    return classify


def test_a_sample_is_the_same_each_time(sample, test_images):
    """Every model, and every run, is asked about the same images."""
    again = robustness.draw(test_images, pictures=1)
    for name, view in sample.views.items():
        np.testing.assert_array_equal(view, again.views[name])
    for one, other in zip(sample.hard, again.hard, strict=True):
        assert (one.kind, one.class_id, one.found) == (other.kind, other.class_id, other.found)
        np.testing.assert_array_equal(one.instance, other.instance)


def test_every_kind_is_drawn_and_nearly_all_items_are_found(sample):
    """One picture of each kind, read by the finder that gateway and client have."""
    assert [one.kind.name for one in sample.hard] == list(KINDS)
    assert all(one.instance.shape == (28, 28) for one in sample.hard)
    assert np.mean([one.found for one in sample.hard]) > 0.9


def test_mirrored_is_exact(sample):
    """Each row is read from the right."""
    plain, mirrored = sample.views["plain"], sample.views["mirrored"]
    np.testing.assert_array_equal(mirrored[:, :, 5], plain[:, :, 22])


def test_moved_goes_two_pixels_in_eight_directions(sample):
    """Each image is the original, moved; all directions come, and what comes in is black."""
    directions = []
    for plain, moved in zip(sample.views["plain"], sample.views["moved"], strict=True):
        padded = np.pad(plain, 2)
        fits = [
            (y, x)
            for y in (0, 2, 4)
            for x in (0, 2, 4)
            if np.array_equal(padded[y : y + 28, x : x + 28], moved)
        ]
        assert (2, 2) not in fits
        directions += fits[:1]
    assert len(set(directions)) == 8
    assert len(directions) == len(sample.class_ids)


def test_turned_by_fifteen_degrees_at_most(sample):
    """Turning back by the right angle between -15 and 15 degrees gives the image again, nearly."""
    for plain, turned in zip(sample.views["plain"][:20], sample.views["turned"][:20], strict=True):
        gaps = [
            np.abs(
                plain
                - np.asarray(
                    Image.fromarray(turned).rotate(-angle, Image.Resampling.BILINEAR), float
                )
            ).mean()
            for angle in range(-25, 26)
        ]
        assert abs(int(np.argmin(gaps)) - 25) <= 17
    assert not np.array_equal(sample.views["plain"], sample.views["turned"])


def test_a_card_says_how_many_are_right(sample):
    """Each view's share is of its own answers, and all hard pictures that were found are right."""
    wrong = (sample.class_ids + 1) % 10
    wrong[:60] = sample.class_ids[:60]
    card = robustness.measure(sample, right_but(sample, "moved", wrong), LABELS)
    assert (card["plain"], card["mirrored"], card["turned"]) == (1, 1, 1)
    assert card["moved"] == pytest.approx(60 / 600)
    assert card["images"] == 600
    assert card["pictures"] == len(KINDS)
    assert set(card["by_kind"]) == {kind.group for kind in KINDS.values()}
    visible = [
        one
        for one in sample.hard
        if one.kind.leaves_item_visible and one.kind.group not in STRANGERS
    ]
    assert len(visible) < len([one for one in sample.hard if one.kind.leaves_item_visible])
    assert card["hard"] == pytest.approx(np.mean([one.found for one in visible]), abs=1e-4)
    assert card["limits"] == []


def test_where_nothing_is_found_no_answer_is_right(sample):
    """A service gives such a picture no label."""
    hidden = [dataclasses.replace(one, found=False) for one in sample.hard]
    blind = dataclasses.replace(sample, hard=hidden)
    card = robustness.measure(blind, right_but(sample, "plain", sample.class_ids), LABELS)
    assert card["hard"] == 0


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (FACING_LEFT, "knows shoes that face left only"),
        (("Sneaker",), "knows Sneaker that face left only"),
        (("Dress", "Sneaker"), "knows Dress, Sneaker one way round only"),
    ],
)
def test_what_a_model_cannot_do_follows_from_its_figures(sample, labels, words):
    """Classes whose mirrored items are taken for something else are named."""
    wrong = sample.class_ids.copy()
    for label in labels:
        wrong[wrong == LABELS.index(label)] = LABELS.index("Bag")
    card = robustness.measure(sample, right_but(sample, "mirrored", wrong), LABELS)
    assert card["limits"] == [words]


def test_without_hard_pictures_the_views_are_measured(test_images):
    """A card then has no figure for them."""
    sample = robustness.draw(test_images, pictures=0)
    card = robustness.measure(sample, lambda images: sample.class_ids, LABELS)
    assert "hard" not in card
    assert "by_kind" not in card
    assert (card["mirrored"], card["pictures"]) == (1, 0)


def test_few_test_images_will_do(test_images):
    """Rows are used again where there are fewer than pictures."""
    few = Split(test_images.images[:10], test_images.labels[:10])
    assert len(robustness.draw(few, pictures=1).hard) == len(KINDS)


def test_shoes_face_left(dataset):
    """The heel of most boots is higher than their toe, and on the right."""
    train = dataset.train
    boots = train.images[train.labels == LABELS.index("Ankle boot")].astype(float)
    upper = boots[:, :14]
    right = upper[:, :, 14:].sum(axis=(1, 2)) > upper[:, :, :14].sum(axis=(1, 2))
    assert right.mean() > 0.95
