"""Training curves: their level beside that of guessing, the gap between them, and their trend."""

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
