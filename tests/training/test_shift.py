"""What a model card says of the validation images, so that others notice what is different.

What is noticed with it: tests/serving/drift.
"""

import json

import numpy as np
import pytest

from vitrine_serving.gateway.telemetry.drift import Baseline, Sample, detect
from vitrine_training.evaluation.drift_baseline import STATISTICS, baseline, statistics
from vitrine_training.evaluation.drift_thresholds import (
    FALSE_ALARM_RATE,
    SIZES,
    of_many,
    projections,
)
from vitrine_training.evaluation.metrics import evaluate


@pytest.fixture(scope="module")
def version_dir(training_run):
    return training_run.models_dir / "mlp" / "1"


@pytest.fixture(scope="module")
def validation(version_dir, dataset):
    return evaluate(version_dir, dataset.validation)


@pytest.fixture(scope="module")
def known(validation, dataset):
    return baseline(dataset.validation.images, validation.probabilities, dataset.validation.labels)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_levels_may_be_bytes_or_others(dataset, dtype):
    """The same images have the same statistics; more of them than are looked at together."""
    images, outputs = dataset.test.images[:100], np.full((100, 10), 0.1)
    others = statistics(images.astype(dtype), outputs)
    np.testing.assert_allclose(statistics(images, outputs), others, 1e-5)


def test_images_of_different_sizes():
    """Each is an array; together they have the rows that they have alone."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (20 + n, 50 - n, 3), np.uint8) for n in range(5)]
    outputs = rng.dirichlet(np.ones(3), 5)
    alone = [statistics(each[np.newaxis], outputs[n : n + 1])[0] for n, each in enumerate(images)]
    np.testing.assert_array_equal(statistics(images, outputs), np.stack(alone))


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


def made_up(count, classes=3, sides=(12, 16, 3), seed=0):
    """Images of classes that have a brightness each, and what a good model says of them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    level = 40 + 150 * labels / classes + rng.normal(0, 20, count)
    images = level.reshape(-1, *[1] * len(sides)) + rng.normal(0, 10, (count, *sides))
    logits = np.eye(classes)[labels] * 3 + rng.normal(0, 1, (count, classes))
    return images.clip(0, 255).astype(np.float32), logits, labels


def shares(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "answers", [shares, lambda logits: 1 / (1 + np.exp(-logits))], ids=["probabilities", "scores"]
)
@pytest.mark.parametrize("sides", [(12, 16), (12, 16, 1), (12, 16, 3), (150, 140, 3)], ids=str)
def test_a_baseline_of_any_pictures(sides, answers):
    """It says of which shape they were, and a server reads it, whatever the outputs sum to."""
    images, logits, labels = made_up(200, sides=sides)
    found = baseline(images, answers(logits), labels)
    assert found["shape"] == list(sides)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    known = Baseline.read(found, ("a", "b", "c"), sides)
    assert known.images == 200
    assert known.has_shares == (answers is shares)


def test_a_baseline_of_pictures_of_different_sizes():
    """They have no shape that all share."""
    images, logits, labels = made_up(200)
    of_two = [image if n % 2 else image[:-2] for n, image in enumerate(images)]
    found = baseline(of_two, shares(logits), labels)
    assert found["shape"] is None
    assert Baseline.read(found, shape=(None, None, 3)).images == 200


def test_a_baseline_of_too_little_is_refused():
    """By so few images a server would raise alarms by chance, and so many classes are not
    watched."""
    images, logits, labels = made_up(62)
    with pytest.raises(ValueError, match=r"62 images are too few .* 3 classes take 63"):
        baseline(images, shares(logits), labels)
    images, logits, labels = made_up(65, classes=65)
    with pytest.raises(ValueError, match="65 classes, and at most 64"):
        baseline(images, shares(logits), labels)


def judged(found, rows, size, rng):
    """Which kinds of drift 200 windows of these rows have."""
    known = Baseline.read(found)
    drawn = (rows[rng.choice(len(rows), size, replace=False)] for _ in range(200))
    return [detect(known, Sample.of(window)).kind for window in drawn]


@pytest.mark.parametrize("size", [10, 100])
def test_few_images_raise_few_alarms(validation, dataset, size):
    """Over eight baselines of 112 images, 1 % of the windows of others, which is what is promised.
    Thresholds that take mean and covariance as known are passed more often. Inverted pictures are
    noticed all the same."""
    images, labels = dataset.validation.images, dataset.validation.labels
    outputs, rng, kinds = validation.probabilities, np.random.default_rng(1), {}
    rows = statistics(images, outputs)
    inverted = statistics(255 - images, outputs)
    for _ in range(8):
        few, others = np.split(rng.permutation(len(rows)), [112])
        found = baseline(images[few], outputs[few], labels[few])
        centred = rows[few] - rows[few].mean(axis=0)
        plain = of_many(centred, projections(rows[few], labels[few]), 0)
        for name, thresholds, asked in (
            ("few", found["thresholds"], rows),
            ("many", plain, rows),
            ("inverted", found["thresholds"], inverted),
        ):
            known = found | {"thresholds": thresholds}
            kinds.setdefault(name, []).extend(judged(known, asked[others], size, rng))
    rates = {name: 1 - found.count("none") / len(found) for name, found in kinds.items()}
    assert rates["few"] <= FALSE_ALARM_RATE < rates["many"]
    assert rates["inverted"] == 1


def test_a_class_of_one_image():
    """Resamples without it get it back: each class has its direction in all of them."""
    images, logits, labels = made_up(100)
    kept = np.flatnonzero((labels != 2) | (np.arange(100) == 2))
    found = baseline(images[kept], shares(logits)[kept], labels[kept])
    assert np.shape(found["projections"]["label"])[1] == 2
    assert np.isfinite([*found["thresholds"]["covariate"], *found["thresholds"]["label"]]).all()


def test_many_images_are_taken_as_known():
    """From 20 for each figure on the thresholds are those of windows alone."""
    images, logits, labels = made_up(180)
    outputs = shares(logits)
    rows = statistics(images, outputs)
    plain = of_many(rows - rows.mean(axis=0), projections(rows, labels), 0)
    assert baseline(images, outputs, labels)["thresholds"] == plain
    fewer = baseline(images[:179], outputs[:179], labels[:179])["thresholds"]
    assert all(a > b for a, b in zip(fewer["covariate"], plain["covariate"], strict=True))


def test_a_useless_model_has_a_baseline(dataset):
    """Outputs that never vary leave the label test nothing, and the images are still tested."""
    outputs = np.full((5_000, 10), 0.1)
    found = baseline(dataset.validation.images, outputs, dataset.validation.labels)
    widths = {test: np.shape(one)[1] for test, one in found["projections"].items()}
    assert sum(widths.values()) == len(STATISTICS)
    assert all(len(limits) == len(SIZES) for limits in found["thresholds"].values())


def test_the_same_seed_gives_the_same_baseline(validation, dataset, known):
    """Nothing in it depends on anything but the arguments."""
    split = dataset.validation
    assert baseline(split.images, validation.probabilities, split.labels) == known


IMAGES, OUTPUTS = np.zeros((2, 28, 28)), np.full((2, 2), 0.5)


@pytest.mark.parametrize(
    ("images", "outputs", "says"),
    [
        (IMAGES[:0], OUTPUTS[:0], "pass images"),
        (IMAGES[0], OUTPUTS, "pass images"),
        ([], OUTPUTS, "not 0 images and"),
        (IMAGES, OUTPUTS[:1], r"not \(2, 28, 28\) and \(1, 2\)"),
        (IMAGES * np.nan, OUTPUTS, "not finite: leave those images out"),
        (IMAGES, OUTPUTS * np.nan, "not finite: leave those images out"),
        (IMAGES, OUTPUTS * 7, "apply softmax"),
        (IMAGES, -OUTPUTS, "apply softmax"),
        (IMAGES[:, :, 0], OUTPUTS, r"\[2, 28\]"),
        (IMAGES + 0.5, OUTPUTS, "multiply them by 255"),
        (IMAGES - 1, OUTPUTS, r"levels 0\.\.255"),
        (IMAGES + 256, OUTPUTS, r"levels 0\.\.255"),
        ([np.zeros((4, 4)), np.zeros(4)], OUTPUTS, "images are"),
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
