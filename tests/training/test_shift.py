"""What a model card says of the validation images, so that others notice what is different.

What is noticed with it: tests/serving/drift.
"""

import json

import numpy as np
import pytest

from vitrine_training.evaluation.drift_baseline import SIZES, STATISTICS, baseline, statistics
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
