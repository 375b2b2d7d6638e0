"""Verdict: whether a training run learned at all, under- or overfits, and the likely cause.

The level of the curves is looked at first: two curves that are flat and close together say nothing
good where they lie at the level of guessing. Then comes the gap between them, then the trend.
"""

from dataclasses import dataclass

from vitrine_training.fit.curves import NOTABLE_FALL, NOTABLE_RISE, Curves
from vitrine_training.models.recipes import Recipe

FEW_A_CLASS = 1_000
"""Training images of a class, below which more of them come before all other remedies."""


STILL, UNSTEADY, FAR_ABOVE = 0.001, 0.02, 3
"""Times the loss of guessing. A run that learns nothing moves by less than .001 where nothing
reaches its weights, and by .02 to .6 where its steps are too large; those alone come to 3 times."""

TOO_MUCH_DECAY = 0.01
"""Share of each weight that a step takes away; our recipes have .001 at most."""

TOO_MUCH_NOISE = 0.8
"""Share of units left out, or of probability spread over all classes."""

_AUGMENTATIONS = ("flip", "shift", "turn", "scale", "redraw", "relight", "dirt", "grain")


@dataclass(frozen=True)
class Verdict:
    """A word on a run, to be read after "it", and the figures and the likely cause behind it."""

    word: str
    reason: str


def verdict(run: Curves) -> Verdict:
    """Judges a run by its curves."""
    if run.is_guessing:
        return Verdict("learned nothing", f"{run.level}; {_why_nothing(run)}")
    if run.is_jumping:
        return Verdict("diverges", f"{run.level}; {_how_it_jumps(run)}")
    if len(run.history) == 1 and (run.is_low or not run.overfits):
        return Verdict(
            "shows no trend",
            f"{run.figures}; one epoch is no curve: more --epochs tell where it goes",
        )
    if run.is_low:
        return Verdict("underfits", f"{run.figures}; {_how_it_underfits(run)}")
    if run.overfits:
        return Verdict("overfits", f"{run.figures}; {_how_it_overfits(run)}")
    if run.ended_early:
        ended = f"the validation loss had no new low for {run.recipe.patience} epochs"
        return Verdict("fits", f"{run.figures}; {ended}")
    if run.fall > NOTABLE_FALL:
        return Verdict("underfits", f"{run.figures}; {_how_it_underfits(run)}")
    return Verdict("fits", f"{run.figures}; both curves have levelled off")


def _why_nothing(run: Curves) -> str:
    recipe, losses = run.recipe, run.losses
    rate = f"the learning rate, {recipe.learning_rate:g},"
    has_layers = bool(recipe.hidden_units or recipe.filters)
    if not recipe.learning_rate:
        return "the learning rate is 0"
    if recipe.initializer == "zeros" and has_layers:
        return "all initial weights are 0, and so are all steps of them: another --initializer"
    if max(losses) > FAR_ABOVE * run.guessing.loss and not run.is_falling_steadily:
        return f"{rate} is too high"
    if stifled := _stifled(recipe):
        return stifled
    moved = max(losses) - min(losses)
    if len(losses) > 1 and moved < STILL * run.guessing.loss:
        start = "; or the initial weights are too small: --initializer he or glorot"
        return f"the loss does not move: {rate} is too low{start if has_layers else ''}"
    if run.is_falling_steadily:
        return f"the loss falls, and slowly: {rate} is too low, or there are too few epochs"
    if moved > UNSTEADY * run.guessing.loss:
        return f"{rate} is too high"
    if len(losses) == 1:
        return f"{rate} is too low, or one epoch is too few"
    start = "another --initializer (he, glorot), or " if has_layers else ""
    return f"{start}another learning rate than {recipe.learning_rate:g}"


def _stifled(recipe: Recipe) -> str:
    """Returns which setting lets nothing be learned; "" for a recipe without one."""
    if recipe.learning_rate * recipe.weight_decay > TOO_MUCH_DECAY:
        return f"the weight decay, {recipe.weight_decay:g}, pulls all weights to 0"
    for name in ("dropout", "label_smoothing"):
        value = getattr(recipe, name)
        if value > TOO_MUCH_NOISE:
            return f"{name.replace('_', ' ')} of {value:g} leaves next to nothing to learn from"
    return ""


def _how_it_jumps(run: Curves) -> str:
    cause = f"the learning rate, {run.recipe.learning_rate:g}, is too high"
    if len(run.losses) == 1:
        return cause
    late = run.losses[len(run.losses) // 2 :]
    return f"the training loss came up to {max(late):.3g} from {min(run.losses):.3g}: {cause}"


def _how_it_overfits(run: Curves) -> str:
    if len(run.history) == 1:
        trend = "after one epoch"
    elif run.rise > NOTABLE_RISE:
        lowest = min(run.history, key=lambda epoch: epoch.validation_loss)
        trend = (
            f"the validation loss rose {100 * run.rise:.0f} % from its lowest, at epoch "
            f"{lowest.number}"
        )
    else:
        trend = "the validation loss did not rise"
    data, share = "more data", run.guessing.accuracy
    if share and run.rows.trained * share < FEW_A_CLASS:
        data = f"there are {run.rows.trained:,} training images: more of them"
    return f"{trend}; {data}, augmentation, dropout, weight decay or a smaller model would help"


def _how_it_underfits(run: Curves) -> str:
    low, high = run.recipe.expected
    is_falling = run.fall > NOTABLE_FALL and not run.ended_early
    if is_falling:
        fall = f"by {100 * run.fall:.0f} % in the last quarter"
        seen = f"the training loss was still falling, {fall}"
    elif run.accuracies is None:
        seen = f"the training loss is far above the {high:g} of the recipe"
    else:
        seen = f"the training accuracy is far below the {low:g} to {high:g} of the recipe"
    is_slow = run.is_falling_steadily and run.kept.train_loss > run.guessing.loss / 2
    remedies = {
        "a higher learning rate": is_slow or (run.accuracies is None and not is_falling),
        "more epochs": is_slow or is_falling,
        "less dropout": run.is_low and run.recipe.dropout > 0,
        "less weight decay": run.is_low and run.recipe.weight_decay > 0,
        "less augmentation": run.is_low and any(getattr(run.recipe, n) for n in _AUGMENTATIONS),
        "another learning rate": run.accuracies is not None and not is_falling and not is_slow,
        "a larger model": run.accuracies is not None and not is_slow,
    }
    *first, last = [remedy for remedy, helps in remedies.items() if helps]
    advice = f"{', '.join(first)} or {last}" if first else last
    return f"{seen}; {advice} would help"
