"""Settings that an architecture never reads are those that are refused."""

import pytest

from vitrine_training.cli import unused_settings
from vitrine_training.cli.unused_settings import UNUSED
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES, SETTINGS, Recipe

OF_MODELS = {
    *("filters", "hidden_units", "activation", "initializer", "dropout", "batch_norm"),
    "normalise",
}
"""What builders may read; all else is of the training."""


class Watched:
    """A recipe that notes which of its settings are read."""

    def __init__(self, recipe: Recipe) -> None:
        self.read: set[str] = set()
        self._recipe = recipe

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self._recipe, name)


VARIATIONS = {
    "as it is": {},
    "no hidden layer": {"hidden_units": ()},
    "no filters": {"filters": ()},
    "neither": {"hidden_units": (), "filters": ()},
}


@pytest.mark.parametrize("settings", VARIATIONS.values(), ids=VARIATIONS)
@pytest.mark.parametrize("architecture", MODELS)
def test_what_builders_do_not_read_is_refused(architecture, settings):
    """And nothing else of it, whatever the model."""
    recipe = next(each for each in RECIPES.values() if each.architecture == architecture)
    varied = recipe.varied(settings)
    watched = Watched(varied)
    MODELS[architecture](watched, 0)
    assert OF_MODELS - watched.read == unused_settings.of(varied) & OF_MODELS


def test_the_names_are_those_of_settings():
    """A name that is none would refuse nothing."""
    assert set(UNUSED) == set(MODELS)
    assert set().union(*UNUSED.values()) <= {setting.name for setting in SETTINGS}
