"""Figures that say how good a classifier is, against figures known beforehand."""

import numpy as np
import pytest

from vitrine_training.evaluation.metrics import (
    COLDEST,
    HOTTEST,
    Evaluation,
    at_bound,
    best_temperature,
)


def logits_for(probabilities: list[list[float]]) -> np.ndarray:
    return np.log(np.array(probabilities, np.float32))


def test_figures_of_a_small_example():
    """Accuracy, confusion, precision, recall and F1 of five answers worked out by hand."""
    logits = logits_for([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.8, 0.2]])
    found = Evaluation(logits, np.array([0, 1, 1, 1, 0]))
    assert found.accuracy == 0.8
    assert found.confusion.tolist() == [[2, 0], [1, 2]]
    assert found.precision.tolist() == pytest.approx([2 / 3, 1])
    assert found.recall.tolist() == pytest.approx([1, 2 / 3])
    assert found.f1.tolist() == pytest.approx([0.8, 0.8])
    expected = -np.mean(np.log([0.9, 0.4, 0.8, 0.7, 0.8]))
    assert found.cross_entropy == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(found.probabilities[0], [0.9, 0.1], rtol=1e-5)


def test_a_class_that_is_never_answered():
    """Its precision is not a number, and the other figures are."""
    found = Evaluation(logits_for([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    assert np.isnan(found.precision[1])
    assert (found.recall[1], found.f1[1]) == (0, 0)


def test_calibration_error_by_hand():
    """Four answers of confidence .9 with three right, one of .6 that is wrong."""
    logits = logits_for([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    found = Evaluation(logits, np.array([0, 0, 0, 1, 1]))
    assert [one.count for one in found.reliability] == [1, 4]
    assert found.calibration_error == pytest.approx((4 * 0.15 + 0.6) / 5, abs=1e-6)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_undoes_overconfidence(factor):
    """Labels drawn from the probabilities, logits scaled: the temperature is the scale."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(20_000, 10)).astype(np.float32)
    probabilities = Evaluation(logits, np.zeros(20_000, int)).probabilities
    labels = (probabilities.cumsum(1) < rng.random((20_000, 1))).sum(1).clip(max=9)
    temperature = best_temperature(logits * factor, labels)
    assert temperature == pytest.approx(factor, rel=0.03)
    calibrated = Evaluation(logits * factor / temperature, labels)
    assert calibrated.calibration_error < 0.012
    if factor != 1:
        assert Evaluation(logits * factor, labels).calibration_error > 0.1
    assert calibrated.accuracy == Evaluation(logits, labels).accuracy


def test_a_temperature_at_its_bound_is_known():
    """Logits that say nothing, or the contrary, want to be divided by more than is looked at; those
    that are always right by less; others come out in between."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2_000)
    noise = rng.normal(scale=50, size=(2_000, 10))
    right = np.eye(10)[labels] * 0.01
    assert best_temperature(noise, labels) > 0.99 * HOTTEST
    assert best_temperature(right, labels) < 1.01 * COLDEST
    assert [at_bound(best_temperature(one, labels)) for one in (noise, right)] == [True, True]
    assert not at_bound(best_temperature(np.eye(10)[labels] * 3 + noise / 50, labels))
