"""Ranking: by the median of validation, and in words that say no more than the seeds do."""

from dataclasses import replace

import pytest

from tests.training.sweep.made_results import results
from vitrine_training.sweep.ranking import conclusion, ranked
from vitrine_training.sweep.results import ACCURACY, LOSS

CASES = {
    "apart": (
        {"softmax": (0.7, 0.71, 0.72, 0.7), "mlp": (0.8, 0.81, 0.79, 0.8)},
        ACCURACY,
        "mlp is the best on validation data, softmax the next. Each seed of the first is above "
        "every seed of the next, so it is more than chance makes of seeds.",
    ),
    "apart, with few seeds": (
        {"softmax": (0.7, 0.71), "mlp": (0.8, 0.81)},
        ACCURACY,
        "with 2 seeds each that may still be chance",
    ),
    "overlapping": (
        {"softmax": (0.7, 0.85, 0.72), "mlp": (0.8, 0.81, 0.79)},
        ACCURACY,
        "That may be chance: their ranges overlap, and of 3 seeds that both have, the first is "
        "ahead with 2.",
    ),
    "touching": (
        {"softmax": (0.7, 0.8), "mlp": (0.8, 0.9)},
        ACCURACY,
        "of 2 seeds that both have, the first is ahead with 2.",
    ),
    "one seed": ({"softmax": (0.7,), "mlp": (0.8,)}, ACCURACY, "One seed each cannot tell"),
    "one seed of one": (
        {"softmax": (0.7, None), "mlp": (0.8, 0.9)},
        ACCURACY,
        "One seed of a variant cannot tell whether that is chance: of the first there are 2 of 2, "
        "of the next 1 of 2; --seeds",
    ),
    "a lucky one of five": (
        {"softmax": (0.85, 0.86, 0.87, 0.86, 0.85), "mlp": (None, None, None, None, 0.9)},
        ACCURACY,
        "softmax is the best on validation data, mlp the next. One seed of a variant cannot tell "
        "whether that is chance: of the first there are 5 of 5, of the next 1 of 5;",
    ),
    "losses, a lucky one of three": (
        {"linear": (0.1, None, None), "softmax": (0.2, 0.2, 0.2)},
        LOSS,
        "softmax is the best on validation data, linear the next.",
    ),
    "apart, but one that failed": (
        {"softmax": (0.7, 0.71, 0.72, 0.7, 0.7), "mlp": (0.8, None, 0.8, 0.8, 0.8)},
        ACCURACY,
        "mlp is the best on validation data, softmax the next. That may be chance: 1 of 5 seeds of "
        "the first failed, and of 4 seeds that both have, the first is ahead with 4.",
    ),
    "behind those of the next that did not fail": (
        {"softmax": (0.7, 0.71, 0.72, 0.7, 0.7), "mlp": (0.8, None, 0.8, None, None)},
        ACCURACY,
        "softmax is the best on validation data, mlp the next. That may be chance: 3 of 5 seeds of "
        "the next failed, and of 2 seeds that both have, the first is ahead with 0.",
    ),
    "apart, and one of the next failed": (
        {"softmax": (0.7, None, 0.7), "mlp": (0.8, 0.8, 0.8)},
        ACCURACY,
        "every seed of the next; with 3 and 2 seeds that may still be chance",
    ),
    "half of all failed": (
        {"softmax": (0.7, None), "mlp": (None, 0.8)},
        ACCURACY,
        "Half of the seeds of each variant failed, or more: mlp has 1 of 2",
    ),
    "equal": (
        {"softmax": (0.7, 0.8), "mlp": (0.75, 0.75)},
        ACCURACY,
        "softmax is no better on validation data than mlp. More seeds may part them",
    ),
    "losses": (
        {"linear": (0.1, 0.1, 0.1, 0.1), "softmax": (0.2, 0.2, 0.2, 0.3)},
        LOSS,
        "linear is the best on validation data, softmax the next. Each seed of the first is below",
    ),
    "one that failed": (
        {"softmax": (None, None), "mlp": (0.8, 0.9)},
        ACCURACY,
        "mlp is the only variant with a result.",
    ),
    "all failed": ({"softmax": (None,), "mlp": (None,)}, ACCURACY, "No run has a result."),
    "nothing": ({}, ACCURACY, "No run has a result."),
}


@pytest.mark.parametrize(("figures", "measure", "words"), CASES.values(), ids=CASES)
def test_conclusion(figures, measure, words):
    found = [result for name, values in figures.items() for result in results(name, values)]
    assert words in conclusion(ranked(found, measure), measure)


def test_the_test_set_chooses_nothing():
    """A variant with better tests and a lower validation median is behind."""
    found = results("softmax", (0.9, 0.5, 0.5)) + results("mlp", (0.6, 0.6, 0.6))
    assert [str(each.variant) for each in ranked(found, ACCURACY)] == ["mlp", "softmax"]


def test_of_equals_the_faster_is_first():
    found = results("softmax", (0.9,), training_s=2) + results("mlp", (0.9,), training_s=1)
    assert [str(each.variant) for each in ranked(found, ACCURACY)] == ["mlp", "softmax"]


@pytest.mark.parametrize(
    ("figures", "seed"),
    [
        ((0.5, 0.9, 0.7), 2),
        ((0.9, 0.5), 0),
        ((0.5, 0.9, 0.7, 0.6), 2),
        ((None, 0.5), 1),
        ((None, 0.5, 0.7), 1),
        ((None, 0.9, None, None), 1),
    ],
)
def test_the_typical_run_is_the_one_in_the_middle(figures, seed):
    (standing,) = ranked(results("mlp", figures), ACCURACY)
    assert standing.typical.run.seed == seed


MEDIANS = {
    "all are done": ((0.5, 0.7, 0.9), ACCURACY, 0.7),
    "one failed": ((None, 0.7, 0.9), ACCURACY, 0.7),
    "one failed, of losses": ((None, 0.7, 0.9), LOSS, 0.9),
    "half failed": ((None, 0.7), ACCURACY, None),
    "most failed": ((None, 0.7, None), LOSS, None),
}


@pytest.mark.parametrize(("figures", "measure", "median"), MEDIANS.values(), ids=MEDIANS)
def test_a_seed_that_failed_is_worse_than_all(figures, measure, median):
    (standing,) = ranked(results("mlp", figures), measure)
    assert standing.validation.median == median
    assert standing.validation.high == max(filter(None, figures))


def test_a_run_whose_turn_has_not_come_has_not_failed():
    done = results("mlp", (0.7,))
    left = [replace(each, is_left=True) for each in results("mlp", (None, None), first_seed=1)]
    (standing,) = ranked(done + left, ACCURACY)
    assert standing.validation.median == 0.7


def test_of_those_that_mostly_fail_the_one_that_fails_least_is_first():
    found = results("mlp", (0.9, None, None, None)) + results("softmax", (0.5, 0.5, None, None))
    assert [str(each.variant) for each in ranked(found, ACCURACY)] == ["softmax", "mlp"]
