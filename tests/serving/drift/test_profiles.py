"""What is watched of models that take other pictures than rows of Fashion-MNIST."""

import asyncio
import logging
import weakref
from dataclasses import replace

import numpy as np
import pytest

from tests.serving.drift.asked import FakeServers
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_serving.gateway.telemetry.drift import Watch, Windows
from vitrine_training.evaluation.drift_baseline import baseline

LABELS = ("dark", "grey", "light")
COLOURS = ModelProfile(shape=(None, None, 3), fit="crop", batchable=False)


def pictures(count, sides=(12, 16), seed=0, lighter=0):
    """Coloured pictures of three classes that have a brightness each, uint8; and the classes."""
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    level = 40 + 60 * classes + rng.normal(0, 12, count) + lighter
    grain = rng.normal(0, 10, (count, *sides, 3))
    return (level[:, np.newaxis, np.newaxis, np.newaxis] + grain).clip(0, 255).astype(
        np.uint8
    ), classes


def scores(images):
    """Says how well a picture fits each class, in 0..1."""
    levels = images.reshape(len(images), -1).mean(axis=1, dtype=np.float64)[:, np.newaxis]
    return (1 / (1 + np.abs(levels - [40, 100, 160]) / 30)).astype(np.float32)


def shares(images):
    found = scores(images) ** 3
    return found / found.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def of_shares():
    images, classes = pictures(600)
    return baseline(list(images), shares(images), classes) | {"shape": None}


@pytest.fixture(scope="module")
def of_scores():
    images, classes = pictures(600)
    return baseline(images, scores(images), classes)


def described(known, profile=COLOURS, **others):
    return Description(LABELS, {"baseline": known}, profile, **others)


def shown(description, *calls, answer=shares):
    """The report of a watch after calls with these images, of which nobody keeps any."""
    found = {}

    async def work():
        watch = Watch(Windows(500))
        for images in calls:
            watch.note("m", 1, description, images, answer(images))
        servers = FakeServers({1: description})
        found.update(await watch.report("m", None, servers, timeout_s=5))

    asyncio.run(work())
    (entry,) = found["versions"]
    return entry


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_colours(of_shares, rows, dtype):
    """As they are and in another light, in calls of few rows and many."""
    usual = pictures(160, seed=1)[0].astype(dtype)
    entry = shown(described(of_shares), *np.split(usual, range(rows, 160, rows)))
    assert (entry["drift"], entry["images"]) == ("none", 160), entry["reason"]
    light = pictures(160, seed=1, lighter=40)[0].astype(dtype)
    entry = shown(described(of_shares), *np.split(light, range(rows, 160, rows)))
    assert (entry["drift"], entry["images"]) == ("covariate", 160), entry["reason"]


def test_sizes_that_are_free(of_shares):
    """Each call has pictures of a size of its own, some of which are large."""
    sides = [(12, 16), (24, 32), (13, 16), (150, 200), (12, 16)]
    calls = [pictures(3, sides[n % 5], seed=n)[0] for n in range(60)]
    entry = shown(described(of_shares), *calls)
    assert entry["images"] == 180
    centre = {each["name"]: each["now"] for each in entry["statistics"]}
    assert (centre["column"], centre["row"]) == pytest.approx((13.5, 13.5), abs=0.1)


def test_shares_of_classes_that_change(of_shares):
    """Of a foreign model's, too, by the names of its classes."""
    images, classes = pictures(300, seed=2)
    entry = shown(described(of_shares), images[classes == 2])
    assert entry["drift"] == "label", entry["reason"]
    assert "most of light: 100 %, was 33 %" in entry["reason"]


def test_scores_are_watched(of_scores):
    """Numbers that do not sum to 1 have means as others have; they are not called
    probabilities."""
    profile = replace(COLOURS, kind="scores")
    usual, other = pictures(200, seed=1)[0], pictures(200, seed=3)[0]
    entry = shown(described(of_scores, profile), usual, answer=scores)
    assert (entry["drift"], entry["images"]) == ("none", 200), entry["reason"]
    entry = shown(described(of_scores, profile), other, answer=lambda images: scores(images) / 2)
    assert entry["drift"] == "covariate"
    assert "most in the score of" in entry["reason"]


def test_grey_with_an_axis_for_its_channel(asked, description):
    """Bytes and floats [n, 28, 28, 1] are what [n, 28, 28] are."""
    images = asked.test.images[:200]
    deep = images[..., np.newaxis]
    say = replace(description, profile=replace(FASHION_MNIST, shape=(28, 28, 1)))
    known = shown(description, images, answer=asked.answer)
    for other in (deep, deep.astype(np.float32), images.astype(np.float32)):
        entry = shown(say, *np.split(other, 20), answer=asked.answer)
        assert entry["scores"] == pytest.approx(known["scores"], rel=1e-3)
        assert entry["images"] == known["images"] == 200


def test_large_pictures_are_not_kept(of_shares):
    """Their statistics are computed while somebody has them, those of small ones later."""

    async def work():
        watch = Watch(Windows(500))
        large, small = pictures(2, (300, 400))[0], pictures(2)[0]
        kept = [weakref.ref(large), weakref.ref(small)]
        for images in (large, small):
            watch.note("m", 1, described(of_shares), images, shares(images))
        del large, small, images
        assert [each() is not None for each in kept] == [False, True]
        watch.flush()
        assert kept[1]() is None
        return watch.states()

    (state,) = asyncio.run(work())
    assert state.images == 4


def test_of_many_large_pictures_some_are_looked_at(of_shares):
    """From all of a call, so that every caller's count."""
    images = pictures(90, (200, 210))[0]
    images[45:] = 255
    entry = shown(described(of_shares), images)
    assert entry["images"] == 32
    assert entry["statistics"][0]["now"] == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize(
    ("profile", "reason", "says"),
    [
        (replace(COLOURS, dtype="string"), "", "it decodes pictures itself"),
        (None, "it takes two inputs", "no pictures can be sent to it: it takes two inputs"),
        (replace(COLOURS, shape=(32, 32, 3)), "", r"images are [12, 16, 3], and the model's [32,"),
        (replace(COLOURS, shape=(12, 16)), "", r"images are [12, 16, 3], and the model's [12, 16]"),
    ],
)
def test_why_it_is_not_watched(of_scores, caplog, profile, reason, says):
    """In words, in the report and once in the log."""
    png = np.array([b"\x89PNG", b"\x89PNG"], object)
    known = described(of_scores, profile, reason=reason)
    with caplog.at_level(logging.INFO):
        entry = shown(known, png, png, answer=lambda images: np.full((2, 3), 1 / 3))
    assert (entry["drift"], entry["images"]) == ("unknown", 0)
    assert says in entry["reason"]
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_why_training_gave_it_no_baseline():
    """Training it again would not add one, so that is not advised."""
    card = {"not_watched": "30 images are too few\x1b"}
    entry = shown(Description(LABELS, card, COLOURS))
    assert entry["reason"] == r"the training gave it no baseline: 30 images are too few\u001b"


@pytest.mark.parametrize(
    "images",
    [
        np.array([b"\x89PNG", b"\x89PNG"], object),
        np.zeros((2, 12, 16, 3), np.float64),
        np.zeros((2, 12), np.uint8),
        np.zeros((2, 400, 400, 2), np.uint8),
        [b"\x89PNG", b"\x89PNG"],
    ],
    ids=["bytes", "doubles", "no picture", "large, of two channels", "a list"],
)
def test_what_is_no_picture_breaks_nothing(of_shares, caplog, images):
    """The version is not watched any more, and the report and the log say so."""
    entry = shown(described(of_shares), images, images, answer=lambda _: np.full((2, 3), 1 / 3))
    assert entry["drift"] == "unknown"
    assert "cannot be compared with its baseline" in entry["reason"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_version_that_takes_pictures_after_all(of_shares):
    """Where what was missing is there, say a `profile.json`, it is watched without a restart."""

    async def work():
        watch = Watch(Windows(500))
        images, _ = pictures(40)
        for description in (described(of_shares, None, reason="why"), described(of_shares)):
            watch.note("m", 1, description, images, shares(images))
        return watch.states()

    (state,) = asyncio.run(work())
    assert state.images == 40
