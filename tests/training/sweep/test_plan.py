"""Plan of a sweep: what is another training has another folder, and what a card of it says."""

import json
from dataclasses import asdict, replace

import pytest

from vitrine_training.models.recipes import RECIPES
from vitrine_training.sweep.plan import Choice, Variant


def variant(name, **settings):
    choices = tuple(
        Choice(setting, str(value), value, f"--{setting}={value}")
        for setting, value in settings.items()
    )
    return Variant(name, RECIPES[name].varied(settings), choices)


def card(name, rows=50_000, **settings):
    """Recipe of a card: what `train` makes of it for so many rows."""
    recipe = RECIPES[name].varied(settings)
    if "batch_size" not in settings:
        recipe = replace(recipe, batch_size=min(recipe.batch_size, rows))
    if "epochs" not in settings:
        recipe = recipe.for_rows(rows)
    told = replace(recipe, model="fruit", summary="fruit", expected=(0, 1))
    return json.loads(json.dumps(asdict(told)))


OTHERS = {
    "epochs that somebody gave": (variant("cnn"), variant("cnn", epochs=6)),
    "other epochs": (variant("cnn", epochs=5), variant("cnn", epochs=6)),
    "another setting": (variant("mlp"), variant("mlp", learning_rate=0.2)),
    "another size": (variant("mlp"), replace(variant("mlp"), size=32)),
}


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_another_training_has_another_folder(one, other):
    """`cnn` trains on few pictures of one's own for longer, unless somebody gives the epochs."""
    assert one.folder != other.folder


OF_IT = {
    "as it is": (variant("mlp"), card("mlp")),
    "few rows": (variant("mlp"), card("mlp", rows=48)),
    "few rows, for longer": (variant("cnn"), card("cnn", rows=48)),
    "epochs that somebody gave": (variant("cnn", epochs=6), card("cnn", rows=48, epochs=6)),
    "widths": (variant("mlp", hidden_units=(9, 8)), card("mlp", hidden_units=(9, 8))),
}
OF_ANOTHER = {
    "no settings": (variant("mlp"), {}),
    "another setting": (variant("mlp"), card("mlp", dropout=0.5)),
    "fewer epochs": (variant("cnn"), card("cnn", epochs=5)),
    "more epochs than anybody asked for": (variant("mlp"), card("mlp", epochs=11)),
    "more epochs than were given": (variant("cnn", epochs=6), card("cnn", rows=48)),
    "epochs that are no number": (variant("cnn"), card("cnn") | {"epochs": "7"}),
    "larger steps": (variant("mlp"), card("mlp", batch_size=512)),
    "smaller steps than were given": (variant("mlp", batch_size=64), card("mlp", rows=48)),
    "steps of nothing": (variant("mlp"), card("mlp") | {"batch_size": 0}),
    "no word on the last epoch": (variant("mlp-best"), card("mlp-best") | {"keep": None}),
}


@pytest.mark.parametrize(("of", "settings"), OF_IT.values(), ids=OF_IT)
def test_a_card_of_its_training(of, settings):
    assert of.is_trained_by(settings)


@pytest.mark.parametrize(("of", "settings"), OF_ANOTHER.values(), ids=OF_ANOTHER)
def test_a_card_of_another_training(of, settings):
    assert not of.is_trained_by(settings)
