"""Summary of a training run: its last lines, on the published version."""

from typing import Any

from vitrine_training.cli.options import console
from vitrine_training.models.recipes import Recipe

_VIEWS = {
    "mirror": "each picture and its mirror image",
    "neighbours": "each picture, its mirror image, and both moved by a pixel",
}


def show(recipe: Recipe, card: dict[str, Any]) -> None:
    """Prints the summary."""
    metrics = card["metrics"]
    if "test_accuracy" in metrics:
        low, high = recipe.expected
        known = f" (the recipe's own: {low}-{high})" if recipe.is_expected else ""
        console.print(
            f"  [bold]{recipe.model} test accuracy {figure(metrics['test_accuracy'])}[/]"
            f"{known}, with the weights of epoch {metrics['kept_epoch']}\n"
            f"  {validation(recipe, card)}\n"
            f"  {calibration(metrics)}"
        )
    else:
        learned, true = card["weights"]["learned"], card["weights"]["true"]
        console.print(
            f"  [bold]{recipe.model} validation loss {figure(metrics['validation_loss'], '.3g')}[/]"
            f"; w = [{', '.join(map(figure, learned))}], in truth {true}; "
            f"b = {figure(card['bias']['learned'])}, in truth {card['bias']['true']}"
        )
    if "robustness" in card:
        console.print(f"  {robustness(card['robustness'])}")
    if "not_watched" in card:
        console.print(f"  a gateway cannot watch it for drift: {card['not_watched']}")
    console.print(f"  {card['verdict']['word']}: {card['verdict']['reason']}")


def figure(value: float | None, how: str = ".4f") -> str:
    """Returns a figure of a card as text; None is one that is no number."""
    return "no number" if value is None else format(value, how)


def validation(recipe: Recipe, card: dict[str, Any]) -> str:
    """Returns the validation accuracy of the published version, and why it differs from that of
    the last epoch."""
    metrics, epochs = card["metrics"], len(card["history"])
    reasons = []
    if metrics["kept_epoch"] != epochs:
        reasons.append(f"the weights are those of epoch {metrics['kept_epoch']}, not {epochs}")
    if recipe.average_over in _VIEWS:
        views = _VIEWS[recipe.average_over]
        reasons.append(f"it is averaged over {views}, which the epochs above are not")
    why = f": {', and '.join(reasons)}" if reasons else ""
    return f"validation {figure(metrics['validation_accuracy'])} as published{why}"


def calibration(metrics: dict[str, Any]) -> str:
    """Returns the line on calibration, and whether the temperature is the best there is."""
    errors = (metrics["calibration_error"], metrics["calibration_error_uncalibrated"])
    after, before = map(figure, errors)
    bound = (
        ", which is an end of the range that is searched: the best is beyond it, and the "
        "probabilities are not calibrated"
        if metrics["temperature_at_bound"]
        else ""
    )
    temperature = figure(metrics["temperature"], ".3f")
    return f"calibration error {after}, {before} before temperature {temperature}{bound}"


def robustness(found: dict[str, Any]) -> str:
    """Returns the line on accuracy away from the rows of the data set, and its meaning."""
    names = ("plain", "mirrored", "moved", "turned", "hard")
    figures = [f"{name} {figure(found[name], '.3f')}" for name in names if name in found]
    return "; ".join([f"accuracy: {', '.join(figures)}", *found["limits"]])
