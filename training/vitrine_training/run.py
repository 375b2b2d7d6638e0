"""One training run, from a recipe to a published version."""

import dataclasses
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import keras

from vitrine_training import export, publish, weights
from vitrine_training.checkpoint import Checkpoint
from vitrine_training.evaluate import answers, outputs_of, verdict
from vitrine_training.fit import Epoch, State, fit, kept_epoch
from vitrine_training.models import MODELS
from vitrine_training.recipes import Recipe
from vitrine_training.tasks import Task

CHECKED_ROWS = 100
"""Validation inputs that an exported model has to answer as the trained one does."""


class WorseModel(Exception):
    """The candidate is worse than the version that it would replace."""


class SameModel(Exception):
    """The candidate has the weights of the version that it would replace, `version_dir`; `card` is
    the candidate's."""

    def __init__(self, version_dir: Path, card: export.Card) -> None:
        super().__init__(
            f"the same weights as {version_dir}: not published again (--force does, and --seed "
            "trains others)"
        )
        self.version_dir = version_dir
        self.card = card


@dataclass(frozen=True)
class Run:
    """What decides a training run.

    `force` publishes a model that is worse than the one it replaces; `checkpoint_every_s` is the
    least time between two checkpoints, in seconds.
    """

    recipe: Recipe
    seed: int
    models_dir: Path
    force: bool = False
    checkpoint_every_s: float = 5.0


@dataclass(frozen=True)
class Listener:
    """Whom a run tells how it gets on: what state it resumed from, each epoch, and remarks."""

    on_start: Callable[[State | None], None] = lambda _: None
    on_epoch: Callable[[Epoch], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None


def train_and_publish(run: Run, task: Task, listener: Listener) -> tuple[Path, export.Card]:
    """Trains and returns the new version directory and its card; a run that was killed goes on.

    The test set is looked at once, after the last choice. `SystemExit` keeps the last epoch, too.
    Raises `WorseModel`, `SameModel`, `Diverged`, `ExportError`, or `OSError` where `models_dir`
    cannot be written; then nothing is published.
    """
    recipe, started = run.recipe, time.monotonic()
    origin = {
        "model": recipe.model,
        "recipe": dataclasses.asdict(recipe),
        "seed": run.seed,
        "labels": task.labels,
        "input_shape": task.input_shape,
        "data": task.checksums,
        "packages": _packages(),
    }
    checkpoint = Checkpoint(run.models_dir / recipe.model, origin, run.checkpoint_every_s)
    try:
        model, history = _trained(run, task, listener, checkpoint)
    except SystemExit:  # a signal
        checkpoint.flush()
        raise
    served = task.served(model, recipe)
    outputs = outputs_of(served, task.validation[0])
    card: export.Card = {}

    def write(directory: Path, version: int) -> None:
        if not run.force:
            _check_no_worse(run, task, task.score(outputs), listener.say)
        kept = kept_epoch(history, recipe)
        card.update(origin, version=version)
        card.update(task.findings(served, outputs, kept))
        card.update(_judged(history, kept, len(task.validation[1])), revision=_revision())
        card["duration_s"] = round(time.monotonic() - started, 3)
        examples = task.validation[0][:CHECKED_ROWS]
        export.write_version(directory, served, card, examples)
        if not run.force:
            _check_not_same(run, directory, card)
        export.check_version(directory, served, task.output, examples)

    try:
        version_dir = publish.publish(run.models_dir, recipe.model, write)
    except SameModel:
        checkpoint.remove()
        raise
    checkpoint.remove()
    return version_dir, card


def _trained(
    run: Run, task: Task, listener: Listener, checkpoint: Checkpoint
) -> tuple[keras.Model, list[Epoch]]:
    """Trains from the beginning, or from where a run that was killed had come to."""
    keras.utils.set_random_seed(run.seed)
    model = MODELS[run.recipe.architecture](run.recipe, run.seed)
    resumed = checkpoint.load()
    listener.on_start(resumed)
    history = fit(
        model,
        run.recipe,
        task.train,
        task.validation,
        run.seed,
        on_epoch=listener.on_epoch,
        resumed=resumed,
        save=checkpoint.save,
    )
    return model, history


def _judged(history: list[Epoch], kept: Epoch, rows: int) -> export.Card:
    """The card's members on how the run went; `rows` images were measured after each epoch."""
    return {
        "verdict": dataclasses.asdict(verdict(history, kept, rows)),
        "history": [dataclasses.asdict(epoch) for epoch in history],
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _check_no_worse(run: Run, task: Task, score: float, say: Callable[[str], None]) -> None:
    """Compares with the newest version on validation data. Raises `WorseModel`."""
    name = run.recipe.model
    if not publish.versions(run.models_dir, name):
        return
    current = publish.latest(run.models_dir, name)
    try:
        current_score = task.score(answers(current, task.validation[0])[task.output])
    except Exception as error:  # damaged files raise anything from TensorFlow's depths
        reason = (str(error) or type(error).__name__).splitlines()[0]
        say(f"{current} cannot be evaluated, so there is nothing to compare with: {reason}")
        return
    if score < current_score:
        raise WorseModel(
            f"This {name} is worse than version {current.name} and was not published: "
            f"{task.in_words(score)}, against {task.in_words(current_score)}. "
            "Publish it all the same with --force, or under another name with --as"
        )


def _check_not_same(run: Run, directory: Path, card: export.Card) -> None:
    """Compares what was written with the newest version. Raises `SameModel`."""
    if not publish.versions(run.models_dir, run.recipe.model):
        return
    current = publish.latest(run.models_dir, run.recipe.model)
    if weights.is_same(directory, current):
        raise SameModel(current, card)


def _packages() -> dict[str, str]:
    names = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: package_version(name) for name in names}


def _revision() -> str | None:
    """The git commit of this code, with `-dirty` if it was changed; None outside its repository."""
    here = Path(__file__)
    tracked = _git(here.parent, "ls-files", here.name)
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40") if tracked else None


def _git(directory: Path, *words: str) -> str | None:
    command: list[Any] = ["git", "-C", directory, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:  # there is no git
        return None
    return done.stdout.strip() or None
