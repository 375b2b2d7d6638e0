"""Figures that say how good a classifier is, against figures known beforehand."""

import numpy as np
import pytest

from vitrine_training.evaluate import Evaluation, best_temperature, verdict
from vitrine_training.fit import Epoch


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


def curves(*points: tuple[float, float, float, float]) -> list[Epoch]:
    """Epochs with training loss and accuracy, validation loss and accuracy."""
    return [
        Epoch(number, 0.1, loss, accuracy, validation_loss, validation_accuracy, 1.0)
        for number, (loss, accuracy, validation_loss, validation_accuracy) in enumerate(points, 1)
    ]


VERDICTS = {
    "overfits": (
        curves((0.5, 0.80, 0.5, 0.80), (0.2, 0.93, 0.4, 0.86), (0.1, 0.97, 0.6, 0.85)),
        1,
        "rose 50 % from its lowest",
    ),
    "underfits": (
        curves((1.0, 0.60, 1.0, 0.60), (0.8, 0.70, 0.8, 0.70), (0.7, 0.75, 0.7, 0.75)),
        2,
        "still falling, by 13 %",
    ),
    "fits": (
        curves((0.50, 0.80, 0.50, 0.80), (0.45, 0.85, 0.46, 0.85), (0.45, 0.85, 0.46, 0.85)),
        2,
        "levelled off",
    ),
}


@pytest.mark.parametrize("word", VERDICTS)
def test_verdicts(word):
    """Two curves far apart, two that still fall, and two that do neither, each with its figures."""
    history, kept, hint = VERDICTS[word]
    found = verdict(history, history[kept], rows=5000)
    assert found.word == word
    assert hint in found.reason


def test_a_gap_that_may_be_chance_is_no_overfitting():
    """2 points between 200 images and 200 others say nothing, between 20,000 they do."""
    history = curves((0.45, 0.87, 0.46, 0.85), (0.45, 0.87, 0.46, 0.85))
    assert verdict(history, history[1], rows=200).word == "fits"
    assert verdict(history, history[1], rows=20_000).word == "overfits"


def test_regressions_are_judged_by_their_losses():
    """Without accuracies the gap is that of the losses."""
    even = [Epoch(1, 0.1, 1.0, None, 1.0, None, 1.0), Epoch(2, 0.1, 0.99, None, 1.0, None, 1.0)]
    apart = [even[0], Epoch(2, 0.1, 0.5, None, 1.0, None, 1.0)]
    assert verdict(even, even[1], rows=1000).word == "fits"
    assert verdict(apart, apart[1], rows=1000).word == "overfits"
