"""What is noticed when the pictures, or the shares of their classes, are no longer the same."""

import json

import numpy as np
import pytest

from vitrine_training.data import Split
from vitrine_training.evaluate import evaluate
from vitrine_training.shift import (
    FALSE_ALARM_RATE,
    SIZES,
    STATISTICS,
    baseline,
    detect,
    estimate_priors,
    statistics,
)

FEW = 2_000
"""Test images that are changed."""


@pytest.fixture(scope="module")
def version_dir(training_run):
    return training_run.models_dir / "mlp" / "1"


@pytest.fixture(scope="module")
def validation(version_dir, dataset):
    return evaluate(version_dir, dataset.validation)


@pytest.fixture(scope="module")
def known(validation, dataset):
    return baseline(dataset.validation.images, validation.probabilities, dataset.validation.labels)


@pytest.fixture(scope="module")
def test_rows(version_dir, dataset):
    """Statistics of the test images as they are."""
    return statistics(dataset.test.images, evaluate(version_dir, dataset.test).probabilities)


@pytest.fixture(scope="module")
def rows_of(version_dir, dataset):
    """Statistics of the first test images after a change."""

    def rows_of(change):
        changed = change(dataset.test.images[:FEW])
        answers = evaluate(version_dir, Split(changed, dataset.test.labels[:FEW]))
        return statistics(changed, answers.probabilities)

    return rows_of


def windows(rows, size, count, seed=0):
    rng = np.random.default_rng(seed)
    return [rows[rng.choice(len(rows), size, replace=False)] for _ in range(count)]


def in_shares(rows, labels, shares, size, seed=0):
    """A window in which the classes have the given shares."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(size, shares)
    chosen = [rng.choice(np.flatnonzero(labels == one), n) for one, n in enumerate(counts)]
    return rows[np.concatenate(chosen)]


def test_statistics_of_a_known_image():
    """One white pixel on black: every figure can be checked by hand."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 10, 20] = 255
    (row,) = statistics(image, np.array([[0.25, 0.75]]))
    by_name = dict(zip(STATISTICS, row, strict=False))
    assert by_name["brightness"] == pytest.approx(1 / 784)
    assert by_name["contrast"] == pytest.approx(np.sqrt(783) / 784)
    assert by_name["brightest"] == 1
    assert (by_name["column"], by_name["row"]) == pytest.approx((20, 10))
    assert by_name["sharpness"] == pytest.approx(2 / (28 * 27))
    assert row[len(STATISTICS) :].tolist() == [0.25, 0.75]


def test_pixels_may_be_bytes_or_floats(dataset):
    """The same images as uint8 and as floats in 0..1 have the same statistics."""
    images, outputs = dataset.test.images[:3], np.full((3, 10), 0.1)
    np.testing.assert_allclose(
        statistics(images, outputs), statistics((images / 255).astype(np.float32), outputs), 1e-5
    )


def test_a_black_image_has_statistics():
    """Nothing is divided by zero."""
    assert np.isfinite(statistics(np.zeros((1, 28, 28), np.uint8), np.array([[1.0]]))).all()


def test_the_baseline_is_small_plain_json(known):
    """It survives JSON, fits into a model card and has what a server may want to show."""
    text = json.dumps(known, allow_nan=False)
    assert json.loads(text) == known
    assert len(text) < 20_000
    assert np.sum(known["confusion"]) == known["images"] == 5_000
    assert sum(known["priors"]) == pytest.approx(1, abs=1e-5)
    assert set(known["histograms"]) == {*known["statistics"], "confidence"}
    assert all(sum(one["counts"]) == 5_000 for one in known["histograms"].values())


def test_the_same_seed_gives_the_same_baseline(validation, dataset, known):
    """Nothing in it depends on anything but the arguments."""
    split = dataset.validation
    assert baseline(split.images, validation.probabilities, split.labels) == known


def test_a_useless_model_has_a_baseline(dataset):
    """Outputs that never vary are not tested; the images still are."""
    split, outputs = dataset.validation, np.full((5_000, 10), 0.1)
    found = baseline(split.images, outputs, split.labels)
    assert detect(found, statistics(255 - split.images[:10], outputs[:10])).alarm
    assert not detect(found, statistics(split.images[:500], outputs[:500])).alarm


@pytest.mark.parametrize("size", SIZES)
def test_false_alarms_are_rare(known, test_rows, size):
    """Of 500 windows of unchanged test images at most 2 % raise one; 1 % is what is promised."""
    alarms = sum(detect(known, window).alarm for window in windows(test_rows, size, 500))
    assert alarms <= 2 * FALSE_ALARM_RATE * 500


def test_sizes_between_have_thresholds_too(known, test_rows):
    """A window may have any size; thresholds lie between those of the neighbours."""
    found = detect(known, test_rows[:70])
    for test, threshold in found.thresholds.items():
        neighbours = [known["thresholds"][test][SIZES.index(size)] for size in (50, 100)]
        assert min(neighbours) <= threshold <= max(neighbours)


@pytest.mark.parametrize(
    ("change", "size", "most"),
    [
        (lambda images: 255 - images, 10, "brightness"),
        (lambda images: (0.6 * images).astype(np.uint8), 10, "brightest"),
        (lambda images: np.pad(images, ((0, 0), (0, 0), (3, 0)))[:, :, :-3], 20, "column"),
        (lambda images: images // 2 + np.roll(images, 1, axis=1) // 2, 50, "brightest"),
        (
            lambda images: np.clip(
                images + np.random.default_rng(0).normal(0, 51, images.shape), 0, 255
            ).astype(np.uint8),
            20,
            "sharpness",
        ),
    ],
    ids=["inverted", "dimmed", "moved", "blurred", "noisy"],
)
def test_changed_images_are_noticed(known, rows_of, change, size, most):
    """At least 95 of 100 windows raise the alarm, as covariate shift, and say what changed most."""
    found = [detect(known, window) for window in windows(rows_of(change), size, 100)]
    assert sum(shift.kind == "covariate" for shift in found) >= 95
    assert sum(f"most in {most}" in shift.reason for shift in found) >= 80


def test_floats_that_were_not_scaled_are_noticed(known, dataset, test_rows):
    """Pixels of 0..255 sent as floats are seen in five images, whatever the model answers."""
    outputs = test_rows[:5, len(STATISTICS) :]
    found = detect(known, statistics(dataset.test.images[:5].astype(np.float32), outputs))
    assert found.kind == "covariate"


@pytest.mark.parametrize(
    "shares",
    [
        np.where(np.arange(10) == 6, 0.4, 0.6 / 9),
        np.where(np.isin(np.arange(10), [1, 8]), 0, 1 / 8),
    ],
    ids=["40 % shirts", "no trousers, no bags"],
)
def test_changed_shares_are_noticed_and_estimated(known, test_rows, dataset, shares):
    """In 200 images they are noticed and are not taken for changed images; 5,000 measure them."""
    labels = dataset.test.labels
    kinds = [
        detect(known, in_shares(test_rows, labels, shares, 200, seed)).kind for seed in range(50)
    ]
    assert kinds.count("label") >= 45
    found = detect(known, in_shares(test_rows, labels, shares, 5_000))
    np.testing.assert_allclose(found.priors.priors, shares, atol=0.035)
    ratios = np.array(found.priors.priors) / known["priors"]
    np.testing.assert_allclose(found.priors.weights, ratios, rtol=1e-4)


def test_without_shift_the_priors_stay():
    """The very counts of validation give the very shares of validation, and no chi-square."""
    confusion = np.array([[40, 10], [5, 45]])
    found = estimate_priors(confusion, confusion.sum(axis=0))
    assert found.priors == pytest.approx((0.5, 0.5))
    assert found.weights == pytest.approx((1, 1))
    assert found.chi_square == pytest.approx(0)


def test_priors_by_hand():
    """A recall of 0.8 and 0.9, and 9 of 10 images of the second class: 17 % answered first."""
    found = estimate_priors([[40, 10], [5, 45]], [170, 830])
    assert found.priors == pytest.approx((0.1, 0.9))
    assert found.weights == pytest.approx((0.2, 1.8))
    assert found.chi_square > 30


def test_priors_are_never_negative():
    """More of one class than its recall allows: the other has none."""
    assert estimate_priors([[40, 10], [5, 45]], [0, 100]).priors == pytest.approx((0, 1))


def test_classes_that_are_never_told_apart_keep_their_ratio():
    """A singular confusion matrix still gives estimates of what it can tell."""
    confusion = [[10, 10, 0], [10, 10, 0], [0, 0, 40]]
    found = estimate_priors(confusion, [40, 40, 20])
    assert found.priors == pytest.approx((0.4, 0.4, 0.2))


def test_a_window_may_be_too_small(known, rows_of):
    """Four images raise no alarm, however strange, and the reason says how many it takes."""
    found = detect(known, rows_of(lambda images: 255 - images)[:4])
    assert not found.alarm
    assert "too few to tell, it takes 5" in found.reason


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (np.empty((0, 16)), "an image at the least"),
        (np.zeros((20, 15)), r"\[n, 16\].*not \[20, 15\]"),
        (np.zeros(16), r"not \[16\]"),
        (np.full((20, 16), np.nan), "not finite: leave those rows out"),
    ],
)
def test_bad_windows_are_refused(known, window, says):
    """The message says what a window should be."""
    with pytest.raises(ValueError, match=says):
        detect(known, window)


IMAGES, OUTPUTS = np.zeros((2, 28, 28)), np.full((2, 2), 0.5)


@pytest.mark.parametrize(
    ("images", "outputs", "says"),
    [
        (IMAGES[:0], OUTPUTS[:0], "pass images"),
        (IMAGES[0], OUTPUTS, "pass images"),
        (IMAGES, OUTPUTS[:1], r"not \(2, 28, 28\) and \(1, 2\)"),
        (IMAGES * np.nan, OUTPUTS, "not finite: leave those images out"),
        (IMAGES, OUTPUTS * np.nan, "not finite: leave those images out"),
        (IMAGES, OUTPUTS * 7, "apply softmax"),
    ],
)
def test_bad_images_are_refused(images, outputs, says):
    """The message says what was wrong, and logits are not taken for probabilities."""
    with pytest.raises(ValueError, match=says):
        statistics(images, outputs)


@pytest.mark.parametrize("labels", [[0, 0], [0, 2], [1], [[0], [1]]])
def test_a_baseline_needs_every_class(labels):
    """A class without validation images, or a label too few, is refused."""
    with pytest.raises(ValueError, match="all of 0 to 1"):
        baseline(IMAGES, OUTPUTS, np.array(labels))


@pytest.mark.parametrize(
    ("confusion", "counts", "says"),
    [
        ([[1, 0], [0, 1]], [1, 2, 3], r"pass a confusion matrix \[classes, classes\]"),
        ([[1, 0]], [1, 2], r"pass a confusion matrix \[classes, classes\]"),
        ([[1, 0], [0, 1]], [], r"pass a confusion matrix \[classes, classes\]"),
        ([[1, 0], [0, 1]], [0, 0], "with an answer"),
        ([[1, 0], [0, 1]], [-1, 2], "must be >= 0"),
        ([[1, 0], [0, 1]], [np.nan, 2], "must be >= 0"),
        ([[1, 0], [0, 0]], [1, 2], "images of each class"),
        ([[1, 0], [0, np.inf]], [1, 2], "must be >= 0"),
    ],
)
def test_bad_counts_are_refused(confusion, counts, says):
    """The message says what the counts should be."""
    with pytest.raises(ValueError, match=says):
        estimate_priors(confusion, counts)
