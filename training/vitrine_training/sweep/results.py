"""Results of runs: read from the card that each has published, or the reason why it has none."""

import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine_client.process.visible import visible
from vitrine_training.publish import cards
from vitrine_training.publish import versions as publish
from vitrine_training.publish.provenance import packages
from vitrine_training.sweep.plan import SweepRun, Variant

LOG, OUTCOME, MODELS = "train.log", "outcome.json", "models"
"""Of a run: what `train` said, what its `--json` printed, and where it published."""

_ERROR = re.compile(r"^(?:Error|\w*Error): (.+)", re.MULTILINE)
_MOST_TOLD = 100_000
"""Bytes at the end of a file that are read for a reason."""


@dataclass(frozen=True)
class Measure:
    """Measure by which variants are compared: the names of its figures in a card."""

    name: str
    validation: str
    test: str | None
    higher_is_better: bool


ACCURACY = Measure("accuracy", "validation_accuracy", "test_accuracy", higher_is_better=True)
LOSS = Measure("loss", "validation_loss", None, higher_is_better=False)


def measure_of(variant: Variant) -> Measure:
    """Returns the measure of a variant: `linear` has no accuracy."""
    return LOSS if variant.recipe.architecture == "linear" else ACCURACY


@dataclass(frozen=True)
class RunResult:
    """Result of a run: figures of its card where it is done, else the `reason`.

    `is_left` says that its turn has not come, or not to its end, and nothing is known of it.
    `training_s` are the seconds of its epochs, with the others beside it.
    """

    run: SweepRun
    reason: str = ""
    validation: float | None = None
    test: float | None = None
    training_s: float | None = None
    epochs: int | None = None
    version_dir: Path | None = None
    is_left: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it has a figure to compare."""
        return self.validation is not None

    @property
    def has_failed(self) -> bool:
        """Whether it came to its end without one."""
        return not (self.is_done or self.is_left)


def done(run: SweepRun, sweep_dir: Path) -> RunResult | None:
    """Returns the result of a run that came to its end, by its recipe and with the packages that
    are installed now; None where there is none."""
    models_dir = sweep_dir / run.path / MODELS
    try:
        version_dir = publish.latest(models_dir, run.variant.recipe.model)
    except OSError:
        return None
    card = cards.read(version_dir)
    measure = measure_of(run.variant)
    validation = cards.metric(card, measure.validation)
    if validation is None or not _is_of(card, run):
        return None
    try:
        seconds = [float(epoch["duration_s"]) for epoch in card["history"]]
    except (KeyError, TypeError, ValueError):
        return None
    return RunResult(
        run,
        validation=validation,
        test=cards.metric(card, measure.test) if measure.test else None,
        training_s=sum(seconds),
        epochs=len(seconds),
        version_dir=version_dir,
    )


def _is_of(card: Mapping[str, Any], run: SweepRun) -> bool:
    """Whether a card is that of a run, and of the packages that are installed now."""
    recipe = card.get("recipe")
    if not isinstance(recipe, dict) or not run.variant.is_trained_by(recipe):
        return False
    return card.get("seed") == run.seed and card.get("packages") == packages()


def ended(run: SweepRun, sweep_dir: Path, code: int) -> RunResult:
    """Returns the result of a run whose process has ended, by its exit code."""
    return done(run, sweep_dir) or RunResult(run, _reason(sweep_dir / run.path, code))


def _reason(folder: Path, code: int) -> str:
    """Returns why a run has published nothing, in the words of `train` where it had some."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"ended by {name}" + (", as where memory runs out" if name == "SIGKILL" else "")
    told = _reason_told(_text(folder / OUTCOME)) or _last_error(_text(folder / LOG))
    return told or f"exit code {code}; {visible(str(folder / LOG))} has what it said"


def _reason_told(text: str) -> str:
    try:
        outcomes: Any = json.loads(text)
        reason = outcomes[-1]["reason"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return ""
    return reason if isinstance(reason, str) else ""


def _last_error(log: str) -> str:
    found = _ERROR.findall(log)
    return str(found[-1]) if found else ""


def _text(path: Path) -> str:
    """Returns the end of a file as text, "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MOST_TOLD))
            return file.read(_MOST_TOLD).decode(errors="replace")
    except OSError:
        return ""
