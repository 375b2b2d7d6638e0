"""Descriptions of versions by the signature `describe`: labels, card, profile."""

import json
from typing import Any

import numpy as np
import pytest

from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile

LABELS, CARD = '["Bag", "Bag"]', '{"model": "mlp"}'
COLOUR = ModelProfile(input="x", shape=(32, 32, 3), fit="stretch", output="y", kind="logits")


def values(*texts: str) -> dict[str, np.ndarray]:
    return {"values": np.array([text.encode() for text in texts], object)}


def members_of(profile: ModelProfile) -> dict[str, Any]:
    return {name: told for name, told in profile.to_dict().items() if name != "sources"}


def test_the_value_of_each_key_is_json():
    """In the order in which they are asked for."""
    found = Description.from_outputs(values(LABELS, CARD, ""))
    assert found == Description(("Bag (class 0)", "Bag (class 1)"), {"model": "mlp"}, None)


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (values("[]", "{}"), "no list of 3 `values`"),
        ({"values": np.zeros((3, 1), object)}, "no list of 3 `values`"),
        ({"values": np.zeros(3, np.float32)}, "`labels` that are no JSON list"),
        (values("", "{}", ""), "`labels` that are no JSON list of texts"),
        (values("[1]", "{}", ""), "`labels` that are no JSON list of texts"),
        (values("[" * 9999, "{}", ""), "`labels` that are no JSON list of texts"),
        (values(json.dumps([""] * 100_001), "{}", ""), "100,001 `labels`"),
        (values("[]", "", ""), "a `card` that is no JSON object"),
        (values("[]", "[]", ""), "a `card` that is no JSON object"),
    ],
)
def test_a_description_that_makes_no_sense(outputs, reason):
    """It is said what is wrong with it."""
    with pytest.raises(ValueError, match=reason):
        Description.from_outputs(outputs)


def test_long_labels_are_cut():
    """They are a foreign model's, and are shown in pages and lines."""
    (label,) = Description.from_outputs(values(json.dumps(["x" * 9999]), "{}", "")).labels
    assert label == "x" * 200


def test_labels_are_text():
    """JSON's escapes can be half a surrogate pair, which no answer could hold."""
    outputs = values('["\\ud800", "\\u001b"]', "{}", "")
    assert Description.from_outputs(outputs).labels == ("?", "\x1b")


@pytest.mark.parametrize("by_keys", [True, False])
def test_a_model_of_ours_from_before_there_were_profiles(by_keys):
    """Its card has the shape of its inputs; a model made by hand to the same signatures may take
    another."""
    card = json.dumps({"input_shape": [28, 28]})
    outputs = (
        values(LABELS, card, "")
        if by_keys
        else {
            "labels": np.array([b"Bag", b"Coat"], object),
            "card": np.array(card.encode(), object),
        }
    )
    assert Description.from_outputs(outputs).profile is FASHION_MNIST
    outputs = values(LABELS, "{}", "")
    assert Description.from_outputs(outputs).profile is None
    regression = values("[]", card, "")
    assert Description.from_outputs(regression).profile is None


def test_a_whole_profile():
    """One that says what ours do is the same."""
    found = Description.from_outputs(values(LABELS, "{}", json.dumps(members_of(COLOUR))))
    assert found.profile
    assert found.profile.takes_the_same(COLOUR)
    assert set(found.profile.sources.values()) == {"describe"}
    same = values(LABELS, "{}", json.dumps(members_of(FASHION_MNIST)))
    assert Description.from_outputs(same).profile is FASHION_MNIST


def test_a_part_of_a_profile():
    """The signatures tell the rest, which are not asked here."""
    found = Description.from_outputs(values(LABELS, "{}", '{"scaling": "0..255"}'))
    assert (found.profile, found.members) == (None, {"scaling": "0..255"})


def test_a_broken_profile():
    """JSON goes on, and pictures hear the reason."""
    found = Description.from_outputs(values(LABELS, "{}", '{"scaling": 7}'))
    assert found.profile is None
    assert found.reason == (
        "its signature `describe` has no profile: `scaling`: 7 is none of '0..1', '0..255', "
        "'-1..1', 'mean/std'"
    )
