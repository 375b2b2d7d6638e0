"""Predictions out of a model's outputs: labels by class id."""

import json

import numpy as np
import pytest

from vitrine_client.results.predictions import distinct, to_predictions
from vitrine_client.results.profiles.description import Description


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("Bag", "Coat"), ("Bag", "Coat")),
        (("Bag", "Coat", "Bag"), ("Bag (class 0)", "Coat", "Bag (class 2)")),
        (("Bag", "Bag", "Bag (class 1)"), ("Bag (class 0)", "Bag (class 1)*", "Bag (class 1)")),
        (("", ""), (" (class 0)", " (class 1)")),
        ((), ()),
    ],
)
def test_repeated_labels_are_told_apart(labels, expected):
    """By the class id; whoever has one of a kind keeps it."""
    assert distinct(labels) == expected


def test_probabilities_are_those_of_their_classes():
    """Also where two classes have the same label, and one is no UTF-8: the answered one is the most
    probable of all, and none is lost."""
    outputs = {
        "labels": np.array([b"Bag", b"Shoe", b"Bag", b"\xff"], object),
        "card": np.array(json.dumps({}).encode(), object),
    }
    labels = Description.from_outputs(outputs).labels
    shares = np.array([[0.1, 0.2, 0.65, 0.05]], np.float32)
    (found,) = to_predictions(shares, labels, "mlp", 1)
    assert (found.label, found.class_id) == ("Bag (class 2)", 2)
    assert found.probability == found.probabilities[found.label] == pytest.approx(0.65)
    assert len(found.probabilities) == 4
    assert found.top(1) == [(found.label, found.probability)]
