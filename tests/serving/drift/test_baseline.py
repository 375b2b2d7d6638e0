"""Baselines as model cards have them, and whatever else may be in a card."""

import copy
import json

import numpy as np
import pytest

from vitrine_serving.gateway.telemetry.drift import Baseline, BaselineError
from vitrine_training.data.fashion_mnist import LABELS


def test_a_card_of_training_is_read(card):
    """Through JSON, as it comes from the model server."""
    known = Baseline.read(json.loads(json.dumps(card))["baseline"], LABELS)
    assert known.labels == tuple(LABELS)
    assert known.images == 5_000
    assert known.means.shape == known.deviations.shape == (16,)
    assert known.confusion.priors == pytest.approx(card["baseline"]["priors"], abs=1e-5)


@pytest.mark.parametrize("nothing", [None, [], 3, "baseline"])
def test_no_baseline(nothing):
    """An older model's card: the message says what to do."""
    with pytest.raises(BaselineError, match="training the model again adds it"):
        Baseline.read(nothing)


NEEDED = (
    *("confusion", "statistics", "window_sizes", "images", "thresholds", "projections"),
    *("means", "deviations"),
)


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize(
    "value", [None, [], {}, "x", float("nan"), [[1], [2, 3]], [float("inf")] * 16, 10**400, -1]
)
def test_garbage_is_refused(card, key, value):
    """Nothing but `BaselineError` comes of it."""
    broken = copy.deepcopy(card["baseline"])
    broken[key] = value
    with pytest.raises(BaselineError, match=r"makes no sense|has no"):
        Baseline.read(broken, LABELS)


@pytest.mark.parametrize("key", NEEDED)
def test_a_missing_key_is_named(card, key):
    """The message has its name."""
    broken = {name: value for name, value in card["baseline"].items() if name != key}
    with pytest.raises(BaselineError, match=f"has no '{key}'"):
        Baseline.read(broken, LABELS)


def replaced(found, **values):
    return found | values


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: replaced(b, means=b["means"][:-1]), r"means is \[15\], not \[16\]"),
        (lambda b: replaced(b, means=[*b["means"][:-1], np.nan]), "not finite"),
        (lambda b: replaced(b, means=[1e300] * 16), "or huge"),
        (lambda b: replaced(b, window_sizes=b["window_sizes"][::-1]), "do not grow"),
        (lambda b: replaced(b, statistics=b["statistics"][::-1]), "statistics are not brightness"),
        (lambda b: replaced(b, confusion=np.eye(65)), "65 classes, and at most 64"),
        (lambda b: replaced(b, confusion=np.eye(9)), "9 classes, and the model 10 labels"),
        (lambda b: replaced(b, thresholds={"label": [1] * 8}), "has no 'covariate'"),
    ],
)
def test_what_is_wrong_is_said(card, change, says):
    """In words that lead to it."""
    with pytest.raises(BaselineError, match=says):
        Baseline.read(change(card["baseline"]), LABELS)
