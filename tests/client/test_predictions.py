"""Predictions out of a model's outputs: labels by class id."""

import json

import numpy as np
import pytest

from vitrine_client.results.predictions import Description, distinct, to_predictions


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


def values(*texts: str) -> dict[str, np.ndarray]:
    return {"values": np.array([text.encode() for text in texts], object)}


def test_a_description_by_keys():
    """The value of each key is JSON, in the order in which they are asked for."""
    found = Description.from_outputs(values('["Bag", "Bag"]', '{"model": "mlp"}'))
    assert found == Description(("Bag (class 0)", "Bag (class 1)"), {"model": "mlp"})


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (values("[]"), "no list of 2 `values`"),
        ({"values": np.zeros((2, 1), object)}, "no list of 2 `values`"),
        ({"values": np.zeros(2, np.float32)}, "`labels` that are no JSON list"),
        (values("", "{}"), "`labels` that are no JSON list of texts"),
        (values("[1]", "{}"), "`labels` that are no JSON list of texts"),
        (values("[" * 9999, "{}"), "`labels` that are no JSON list of texts"),
        (values("[]", ""), "a `card` that is no JSON object"),
        (values("[]", "[]"), "a `card` that is no JSON object"),
    ],
)
def test_a_description_that_makes_no_sense(outputs, reason):
    """It is said what is wrong with it."""
    with pytest.raises(ValueError, match=reason):
        Description.from_outputs(outputs)


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
