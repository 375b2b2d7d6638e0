"""What is noticed when the pictures, or the shares of their classes, are no longer the same."""

import json

import numpy as np
import pytest

from tests.serving.drift.asked import inverted
from vitrine_serving.gateway.telemetry.drift import Baseline, Sample, detect, statistics
from vitrine_serving.gateway.telemetry.drift.detect import RAISE, judge
from vitrine_training.data.fashion_mnist import LABELS, Split
from vitrine_training.evaluation.drift_baseline import baseline
from vitrine_training.evaluation.drift_thresholds import FALSE_ALARM_RATE, SIZES
from vitrine_training.evaluation.metrics import evaluate

FEW = 2_000
"""Test images that are changed."""


@pytest.fixture(scope="module")
def version_dir(training_run):
    return training_run.models_dir / "mlp" / "1"


@pytest.fixture(scope="module")
def known(version_dir):
    card = json.loads((version_dir / "assets.extra/card.json").read_text())
    return Baseline.read(card["baseline"], LABELS)


@pytest.fixture(scope="module")
def rows_of(version_dir, dataset):
    """Statistics of the first test images after a change."""

    def rows_of(change, count=FEW):
        images = change(dataset.test.images[:count])
        answered = evaluate(version_dir, Split(images, dataset.test.labels[:count]))
        return statistics(images, answered.probabilities)

    return rows_of


@pytest.fixture(scope="module")
def rows(rows_of):
    """Statistics of the test images as they are."""
    return rows_of(lambda images: images, 10_000)


def samples(rows, size, count, seed=0):
    rng = np.random.default_rng(seed)
    return [Sample.of(rows[rng.choice(len(rows), size, replace=False)]) for _ in range(count)]


def in_shares(rows, labels, shares, size, seed=0):
    """A sample in which the classes have the given shares."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(size, shares)
    chosen = [rng.choice(np.flatnonzero(labels == one), n) for one, n in enumerate(counts)]
    return Sample.of(rows[np.concatenate(chosen)])


@pytest.mark.parametrize("size", SIZES)
def test_false_alarms_are_rare(known, rows, size):
    """Of 500 samples of unchanged test images at most 2 % raise one; 1 % is what is promised."""
    alarms = sum(detect(known, sample).alarm for sample in samples(rows, size, 500))
    assert alarms <= 2 * FALSE_ALARM_RATE * 500


def test_sizes_between_have_thresholds_too(known, rows):
    """A sample may have any size; thresholds lie between those of the neighbours."""
    for test, threshold in detect(known, Sample.of(rows[:70])).thresholds.items():
        neighbours = [known.limits[test][SIZES.index(size)] for size in (50, 100)]
        assert min(neighbours) <= threshold <= max(neighbours)


def noisy(images):
    noise = np.random.default_rng(0).normal(0, 51, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def test_a_reason_does_not_deny_itself(known, rows_of):
    """A level below white is 1.00 with two decimals, as white is: it gets as many as it takes."""
    rows = rows_of(lambda images: np.minimum(images, 254).astype(np.uint8))
    (sample,) = samples(rows, 500, 1)
    assert detect(known, sample).reason.endswith("most in brightest: 0.996, was 1.000")


@pytest.mark.parametrize(
    ("change", "size", "most"),
    [
        (inverted, 10, "brightness"),
        (lambda images: (0.6 * images).astype(np.uint8), 10, "brightest"),
        (lambda images: np.pad(images, ((0, 0), (0, 0), (3, 0)))[:, :, :-3], 20, "column"),
        (lambda images: images // 2 + np.roll(images, 1, axis=1) // 2, 50, "brightest"),
        (noisy, 20, "sharpness"),
    ],
    ids=["inverted", "dimmed", "moved", "blurred", "noisy"],
)
def test_changed_images_are_noticed(known, rows_of, change, size, most):
    """At least 95 of 100 samples raise the alarm, as covariate shift, and say what changed most."""
    found = [detect(known, sample) for sample in samples(rows_of(change), size, 100)]
    assert sum(shift.kind == "covariate" for shift in found) >= 95
    assert (
        sum(f"{size} images: they look different, most in {most}: " in s.reason for s in found)
        >= 80
    )


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        (np.where(np.arange(10) == 6, 0.4, 0.6 / 9), "most of Shirt: "),
        (np.where(np.isin(np.arange(10), [1, 8]), 0, 1 / 8), r"most of "),
    ],
    ids=["40 % shirts", "no trousers, no bags"],
)
def test_changed_shares_are_noticed_and_estimated(known, rows, dataset, shares, says):
    """In 200 images they are noticed and not taken for changed images; 5,000 measure them."""
    labels = dataset.test.labels
    kinds = [detect(known, in_shares(rows, labels, shares, 200, seed)).kind for seed in range(50)]
    assert kinds.count("label") >= 45
    found = detect(known, in_shares(rows, labels, shares, 5_000))
    assert f"other shares of the classes, {says}" in found.reason
    np.testing.assert_allclose(found.priors.priors, shares, atol=0.035)
    ratios = np.array(found.priors.priors) / known.confusion.priors
    np.testing.assert_allclose(found.priors.weights, ratios, rtol=1e-4)


def test_a_useless_model_is_watched_by_its_images(dataset):
    """Outputs that never vary are not tested; the images still are."""
    split, outputs = dataset.validation, np.full((5_000, 10), 0.1)
    known = Baseline.read(baseline(split.images, outputs, split.labels))
    strange = statistics(inverted(split.images[:10]), outputs[:10])
    assert detect(known, Sample.of(strange)).alarm
    assert not detect(known, Sample.of(statistics(split.images[:500], outputs[:500]))).alarm


def test_a_sample_may_be_too_small(known, rows_of):
    """Four images raise no alarm, however strange, and the reason says how many it takes."""
    found = detect(known, Sample.of(rows_of(inverted)[:4]))
    assert not found.alarm
    assert found.reason == "4 images: too few to tell, it takes 5"


def test_it_takes_more_to_raise_an_alarm_than_to_keep_it(known, rows, rows_of):
    """Between the threshold and what raises it, the alarm is what it was; scores are over the
    thresholds that are told exactly where there is one."""
    strange, between = rows_of(inverted), None
    for count in range(1, 60):
        sample = Sample.of(np.concatenate([rows[: 500 - count], strange[:count]]))
        plain = detect(known, sample)
        if 1 < plain.scores["covariate"] / plain.thresholds["covariate"] < RAISE:
            between = sample
    assert between, "no mixture is that slightly shifted"
    stays_down, stays_up = judge(known, between, "none"), judge(known, between, "covariate")
    assert (stays_down.kind, stays_up.kind) == ("none", "covariate")
    for found in (stays_down, stays_up, judge(known, Sample.of(strange[:50]), "none")):
        over = found.scores["covariate"] > found.thresholds["covariate"]
        assert over == (found.kind == "covariate")
        assert judge(known, found.sample, found.kind).thresholds == found.thresholds


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (np.empty((0, 16)), "an image at the least"),
        (np.zeros((20, 6)), r"not \[20, 6\]"),
        (np.zeros(16), r"not \[16\]"),
        (np.full((20, 16), np.nan), "not finite: leave those out"),
    ],
)
def test_bad_rows_are_refused(rows, says):
    """The message says what they should be."""
    with pytest.raises(ValueError, match=says):
        Sample.of(rows)


def test_a_sample_of_other_classes_is_refused(known):
    """Twelve columns are not sixteen."""
    with pytest.raises(ValueError, match="12 columns, not 16"):
        detect(known, Sample.of(np.zeros((20, 12))))
