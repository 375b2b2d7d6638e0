"""Unused settings: those of a recipe that its architecture never reads. Whoever gives one is told,
as a card that names it would be false."""

from collections.abc import Collection

from vitrine_training.recipes import Recipe

_HIDDEN_LAYERS = frozenset(("hidden_units", "activation", "dropout", "batch_norm"))
_IMAGES = frozenset(
    (
        *("normalise", "label_smoothing", "average_over", "flip", "shift", "turn", "scale"),
        *("redraw", "relight", "dirt", "grain"),
    )
)

UNUSED = {
    "linear": _HIDDEN_LAYERS | _IMAGES | {"filters"},
    "softmax": _HIDDEN_LAYERS | {"filters"},
    "mlp": frozenset(("filters",)),
    "mlp-subclassed": frozenset(("filters",)),
    "cnn": frozenset[str](),
}
"""Names of settings, by architecture."""


def check(recipe: Recipe, given: Collection[str]) -> None:
    """Raises `ValueError` where a setting that is given has no effect on what the recipe trains."""
    unused = sorted(UNUSED[recipe.architecture].intersection(given))
    if unused:
        options = " and ".join("--" + name.replace("_", "-") for name in unused)
        raise ValueError(
            f"{options}: without effect on {recipe.model} ({recipe.summary}); leave it out, or "
            "name the recipes that it is for"
        )
