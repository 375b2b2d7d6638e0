"""Unused settings: those of a recipe that have no effect on its training. Giving one is an error,
as a card that names it would be false."""

from collections.abc import Collection

from vitrine_training.models.recipes import Recipe

_HIDDEN_LAYERS = frozenset(("hidden_units", "activation", "dropout", "batch_norm"))
_IMAGES = frozenset(
    (
        *("normalise", "label_smoothing", "average_over", "flip", "shift", "turn", "scale"),
        *("redraw", "relight", "dirt", "grain", "class_weights"),
    )
)

UNUSED = {
    "linear": _HIDDEN_LAYERS | _IMAGES | {"filters"},
    "softmax": _HIDDEN_LAYERS | {"filters"},
    "mlp": frozenset(("filters",)),
    "mlp-subclassed": frozenset(("filters",)),
    "cnn": frozenset[str](),
    "convnet": frozenset[str](),
}
"""Names of settings, by architecture."""


def check(recipe: Recipe, given: Collection[str]) -> None:
    """Raises `ValueError` where a setting that is given has no effect on the recipe's training,
    varied by all that is given."""
    unused = sorted(of(recipe).intersection(given))
    if unused:
        options = " and ".join("--" + name.replace("_", "-") for name in unused)
        raise ValueError(
            f"{options}: without effect on {recipe.model} ({recipe.summary}{_lacking(recipe)}); "
            "leave it out, or name the recipes that it is for"
        )


def of(recipe: Recipe) -> frozenset[str]:
    """Returns the settings that have no effect on a recipe's training."""
    unused = UNUSED[recipe.architecture]
    if recipe.hidden_units:
        return unused
    activated = recipe.filters and "filters" not in unused
    return unused | ({"dropout", "batch_norm"} if activated else _HIDDEN_LAYERS - {"hidden_units"})


def _lacking(recipe: Recipe) -> str:
    has_layers = "hidden_units" not in UNUSED[recipe.architecture]
    return ", without hidden layers" if has_layers and not recipe.hidden_units else ""
