"""Summary of a training run: what its last lines say of what was published."""

from typing import Any

from vitrine_training.recipes import Recipe

_VIEWS = {
    "mirror": "each picture and its mirror image",
    "neighbours": "each picture, its mirror image, and both moved by a pixel",
}


def validation(recipe: Recipe, card: dict[str, Any]) -> str:
    """Returns the validation accuracy of what is published, and why that is not what the last epoch
    printed."""
    metrics, epochs = card["metrics"], len(card["history"])
    reasons = []
    if metrics["kept_epoch"] != epochs:
        reasons.append(f"the weights are those of epoch {metrics['kept_epoch']}, not {epochs}")
    if recipe.average_over in _VIEWS:
        views = _VIEWS[recipe.average_over]
        reasons.append(f"it is averaged over {views}, which the epochs above are not")
    why = f": {', and '.join(reasons)}" if reasons else ""
    return f"validation {metrics['validation_accuracy']:.4f} as published{why}"
