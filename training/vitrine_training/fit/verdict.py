"""Verdict: whether a training run learned at all, under- or overfits, and the likely cause.

The level of the curves is looked at first: two curves that are flat and close together say nothing
good where they lie at the level of guessing. Then comes the gap between them, then the trend.
"""

from dataclasses import dataclass
from statistics import median

from vitrine_training.fit.loop import Epoch, stopped_early
from vitrine_training.models.recipes import Recipe

NOTABLE_RISE = 0.03
"""Of the validation loss over its lowest; the loss jumps by less between epochs that are alike."""

NOTABLE_FALL = 0.02
"""Of the training loss over the last quarter of a run: it had not come to its end."""

NOTABLE_JUMP = 0.3
"""Of the training loss over its lowest, in the last quarter: steps that are too large. Softmax
regression has .36 to 2 at learning rates of .3 to 3, and below .03 at .1."""

ABOVE_GUESSING = 1.05
"""Times the loss of guessing, which a run that learns slowly only comes near."""

FAR_BELOW = 0.02
"""Of the accuracy that a recipe is known to reach: seeds and machines differ by less."""


@dataclass(frozen=True)
class Guessing:
    """Level of answers that know the targets' distribution and not the inputs: the mean loss (ln k
    for k classes as likely, half the variance of values), and the accuracy, 1/k, if any."""

    loss: float
    accuracy: float | None


@dataclass(frozen=True)
class Measured:
    """Rows behind the curves: those that were trained on, and those of them, and of the validation
    data, that each point was measured with."""

    trained: int
    train: int
    validation: int


@dataclass(frozen=True)
class Curves:
    """Curves of a run whose weights of the epoch `kept` are published, and their findings."""

    history: list[Epoch]
    kept: Epoch
    rows: Measured
    guessing: Guessing
    recipe: Recipe

    @property
    def losses(self) -> list[float]:
        """In training, by epoch."""
        return [epoch.train_loss for epoch in self.history]

    @property
    def accuracies(self) -> tuple[float, float] | None:
        """In training and in validation, of the epoch that was kept."""
        train, validation = self.kept.train_accuracy, self.kept.validation_accuracy
        return None if train is None or validation is None else (train, validation)

    @property
    def is_guessing(self) -> bool:
        """Whether the training rows are answered no better than by guessing: by as many right as
        chance makes it in 1 case of 1,000 (three standard errors), or by a loss as high."""
        if not self.recipe.learning_rate:
            return True
        if self.knows_all:  # which chance could explain, too, where there are few rows
            return False
        too_high = self.kept.train_loss >= self.guessing.loss
        if self.accuracies is None or self.guessing.accuracy is None:
            return too_high
        share, found = self.guessing.accuracy, self.accuracies[0]
        by_chance = share + 3 * _standard_error(share, self.rows.train)
        return found <= by_chance or (too_high and found < 3 * share)

    @property
    def is_falling_steadily(self) -> bool:
        """Whether each epoch lowered the training loss."""
        pairs = zip(self.losses, self.losses[1:], strict=False)
        return len(self.losses) > 1 and all(after < before for before, after in pairs)

    @property
    def is_jumping(self) -> bool:
        """Whether the training loss ends far above its lowest, or comes above that of guessing."""
        if self.is_falling_steadily:
            return False
        late, above = self.losses[len(self.losses) // 2 :], ABOVE_GUESSING * self.guessing.loss
        if max(late) >= above or self.kept.train_loss >= above:
            return True
        rise = median(self.losses[-max(1, len(self.losses) // 4) :]) - min(self.losses)
        return rise > max(NOTABLE_JUMP * min(self.losses), 0.05 * self.guessing.loss)

    @property
    def gap(self) -> tuple[float, float]:
        """Between training and validation, and as much of it as may be chance: twice the standard
        error of the difference of two shares."""
        return _gap(self.kept, self.rows)

    @property
    def rise(self) -> float:
        """Of the validation loss at the end over its lowest, as a share of that."""
        lowest = min(epoch.validation_loss for epoch in self.history)
        return _change(lowest, self.history[-1].validation_loss)

    @property
    def overfits(self) -> bool:
        """Whether there is a gap where the run was kept, or came up after that."""
        gap, chance = self.gap
        later, later_chance = _gap(self.history[-1], self.rows)
        return gap > chance or (later > later_chance and self.rise > NOTABLE_RISE)

    @property
    def fall(self) -> float:
        """Of the training loss over the last quarter, as a share of its start."""
        before = self.losses[-1 - max(1, len(self.losses) // 4)]
        return -_change(before, self.losses[-1])

    @property
    def ended_early(self) -> bool:
        """Whether the validation loss had no new low for as long as the recipe waits."""
        return stopped_early(self.history, self.recipe.patience)

    @property
    def knows_all(self) -> bool:
        """Whether all training rows that are measured are answered right: more epochs have nothing
        to teach."""
        return self.accuracies is not None and self.accuracies[0] == 1

    @property
    def is_low(self) -> bool:
        """Whether even the training rows are answered far worse than the recipe is known to."""
        low, high = self.recipe.expected
        if self.accuracies is None:
            return self.kept.train_loss > 2 * high
        return self.accuracies[0] < low - FAR_BELOW - 2 * _standard_error(low, self.rows.train)

    @property
    def level(self) -> str:
        """The training figures beside those of guessing."""
        loss = f"loss {self.kept.train_loss:.4g} in training, {self.guessing.loss:.4g} by guessing"
        if self.accuracies is None or self.guessing.accuracy is None:
            return loss
        return (
            f"accuracy {self.accuracies[0]:.3f}, {self.guessing.accuracy:.3f} by guessing; {loss}"
        )

    @property
    def figures(self) -> str:
        """The figures of the kept epoch in training and in validation."""
        if self.accuracies is None:
            train, validation = self.kept.train_loss, self.kept.validation_loss
            return f"loss {train:.2g} in training, {validation:.2g} in validation"
        (train, validation), (gap, chance) = self.accuracies, self.gap
        return (
            f"accuracy {train:.3f} in training, {validation:.3f} in validation: "
            f"{100 * gap:.1f} points apart, and up to {100 * chance:.1f} may be chance"
        )


def _gap(epoch: Epoch, rows: Measured) -> tuple[float, float]:
    train, validation = epoch.train_accuracy, epoch.validation_accuracy
    if train is None or validation is None:
        return _change(epoch.train_loss, epoch.validation_loss), NOTABLE_RISE
    errors = _standard_error(train, rows.train), _standard_error(validation, rows.validation)
    return train - validation, 2 * (errors[0] ** 2 + errors[1] ** 2) ** 0.5


def _standard_error(share: float, rows: int) -> float:
    return float((share * (1 - share) / rows) ** 0.5)


def _change(before: float, after: float) -> float:
    """As a share of the one before; losses can come down to 0."""
    return (after - before) / before if before else 0.0


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
    if run.knows_all:
        return Verdict("fits", f"{run.figures}; all training images are answered right")
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
