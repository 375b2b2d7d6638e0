"""The shares of the classes, estimated from a classifier's answers."""

import numpy as np
import pytest

from vitrine_serving.gateway.telemetry.drift.priors import Confusion


def test_without_shift_the_priors_stay():
    """The very counts of validation give the very shares of validation."""
    confusion = np.array([[40, 10], [5, 45]])
    found = Confusion(confusion).estimate(confusion.sum(axis=0))
    assert found.priors == pytest.approx((0.5, 0.5))
    assert found.weights == pytest.approx((1, 1))


def test_priors_by_hand():
    """A recall of 0.8 and 0.9, and 9 of 10 images of the second class: 17 % answered first."""
    found = Confusion([[40, 10], [5, 45]]).estimate([170, 830])
    assert found.priors == pytest.approx((0.1, 0.9))
    assert found.weights == pytest.approx((0.2, 1.8))


def test_priors_are_never_negative():
    """More of one class than its recall allows: the other has none."""
    assert Confusion([[40, 10], [5, 45]]).estimate([0, 100]).priors == pytest.approx((0, 1))


def test_classes_that_are_never_told_apart_keep_their_ratio():
    """A singular confusion matrix still gives estimates of what it can tell."""
    confusion = Confusion([[10, 10, 0], [10, 10, 0], [0, 0, 40]])
    assert confusion.estimate([40, 40, 20]).priors == pytest.approx((0.4, 0.4, 0.2))


@pytest.mark.parametrize(
    ("confusion", "says"),
    [
        ([[1, 0]], r"pass a confusion matrix \[classes, classes\]"),
        ([], r"pass a confusion matrix \[classes, classes\]"),
        ([[1, 0], [0, 0]], "images of each class"),
        ([[1, 0], [0, np.inf]], "must be >= 0"),
        ([[1, 0], [-1, 2]], "must be >= 0"),
    ],
)
def test_bad_confusions_are_refused(confusion, says):
    """The message says what they should be."""
    with pytest.raises(ValueError, match=says):
        Confusion(confusion)


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ([1, 2, 3], "pass 2 counts"),
        ([], "pass 2 counts"),
        ([0, 0], "with an answer"),
        ([-1, 2], "must be >= 0"),
        ([np.nan, 2], "must be >= 0"),
    ],
)
def test_bad_counts_are_refused(counts, says):
    """The message says what they should be."""
    with pytest.raises(ValueError, match=says):
        Confusion([[1, 0], [0, 1]]).estimate(counts)
