"""One training run, from a recipe to a published version."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras

from vitrine_client.results import strict_json
from vitrine_training.evaluation.metrics import outputs_of
from vitrine_training.fit.checkpoint import Checkpoint
from vitrine_training.fit.loop import Diverged, Epoch, State, check_outputs, fit, kept_epoch
from vitrine_training.fit.verdict import Curves, Measured, verdict
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import Recipe
from vitrine_training.publish import effect, export
from vitrine_training.publish import versions as publish
from vitrine_training.publish.archive import Card, ExportError
from vitrine_training.publish.effect import Effect, JudgedBy
from vitrine_training.publish.gate import Gate, SameModel, WorseModel
from vitrine_training.publish.provenance import code_revision, packages
from vitrine_training.tasks import Floats, Task

CHECKED_ROWS = 100
"""Validation inputs that an exported model has to answer as the trained one does."""


_GRAPH_BYTES = 400_000
"""Of a version without its weights, and some more: 130 to 350 kB were seen."""


class NotKept(SystemExit):
    """A signal ended the run, and its last epochs could not be kept, for the `reason`."""

    def __init__(self, code: object, reason: OSError) -> None:
        super().__init__(code)
        self.reason = reason


@dataclass(frozen=True)
class Run:
    """Settings of a training run.

    `force` publishes a model that is worse than the one it replaces; `checkpoint_every_s` is the
    least time between two checkpoints, in seconds.
    """

    recipe: Recipe
    seed: int
    models_dir: Path
    force: bool = False
    checkpoint_every_s: float = 5.0


@dataclass(frozen=True)
class RunListener:
    """Observer of a run: is told the state it resumed from, each epoch, and remarks."""

    on_start: Callable[[State | None], None] = lambda _: None
    on_epoch: Callable[[Epoch], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None


def train_and_publish(run: Run, task: Task, listener: RunListener) -> tuple[Path, Card]:
    """Trains and returns the new version directory and its card; a run that was killed goes on.

    Obstacles to publishing are looked for before the first epoch. The test set is
    looked at once, after the last choice. `SystemExit` keeps the last epoch, too; `NotKept`, where
    that cannot be. Raises `WorseModel`, `SameModel`, `Incomparable`, `Diverged`, `ExportError`, or
    `OSError` where `models_dir` cannot be written; then nothing is published.
    """
    recipe, started, origin = run.recipe, time.monotonic(), _origin(run, task)
    gate = Gate(run.models_dir, recipe.model, task, force=run.force, say=listener.say)
    model = _built(run, task)
    publish.rehearse(run.models_dir, recipe.model, _size_bytes(model, recipe), listener.say)
    revision = code_revision()  # of the code that trains; it may be another one afterwards
    checkpoint = Checkpoint(run.models_dir / recipe.model, origin, run.checkpoint_every_s)
    checkpoint.sweep(run.models_dir, listener.say)
    try:
        history = _trained(model, run, task, listener, checkpoint)
        served = task.served(model, recipe)
        outputs = outputs_of(served, task.validation[0])
        check_outputs(outputs)
        card: Card = {}

        def write(directory: Path, version: int) -> None:
            learned = _effect(run, task, gate, served, outputs)
            if learned:  # it is told of a model that the gate keeps back, too
                listener.say(f"feedback: {learned.words}")
            gate.check_no_worse(task.score(outputs))
            kept = kept_epoch(history, recipe)
            card.update(origin, version=version, **task.about_data)
            if learned:
                card["feedback"].update(learned.card)
            card.update(task.findings(served, outputs, kept))
            card.update(_judged(history, recipe, task), revision=revision)
            card["duration_s"] = round(time.monotonic() - started, 3)
            card.update(strict_json.plain(card))  # a figure that is no number is null
            examples = task.validation[0][:CHECKED_ROWS]
            export.write_version(directory, served, card, examples, task.profile)
            gate.check_not_same(directory, card)
            export.check_version(directory, served, task.output, examples)

        version_dir = publish.publish(run.models_dir, recipe.model, write, listener.say)
    except (SameModel, WorseModel, Diverged, ExportError):  # the run came to its end
        checkpoint.remove()
        raise
    except SystemExit as end:  # a signal, in an epoch or after the last one
        _keep(checkpoint, end)
        raise
    checkpoint.remove()
    return version_dir, card


def _effect(
    run: Run, task: Task, gate: Gate, served: keras.Model, outputs: Floats
) -> Effect | None:
    """Returns the effect of feedback, None where there is none."""
    flagged = task.flagged
    if flagged is None:
        return None
    score = flagged.score(flagged.validation_outputs(served))
    return effect.measure(
        run.models_dir,
        run.recipe.model,
        JudgedBy(task, task.score(outputs), len(task.validation[1])),
        JudgedBy(flagged, score, len(flagged.validation[1])),
        gate.incumbent,
    )


def _keep(checkpoint: Checkpoint, end: SystemExit) -> None:
    """Writes the checkpoint that the same command resumes from. Raises `NotKept`."""
    try:
        checkpoint.flush()
    except OSError as error:
        raise NotKept(end.code, error) from error


def _origin(run: Run, task: Task) -> Card:
    """The card's members that decide the training."""
    return {
        "model": run.recipe.model,
        "recipe": dataclasses.asdict(run.recipe),
        "seed": run.seed,
        "labels": task.labels,
        "input_shape": task.input_shape,
        "data": task.checksums,
        "packages": packages(),
    }


def _built(run: Run, task: Task) -> keras.Model:
    keras.utils.set_random_seed(run.seed)
    return MODELS[run.recipe.architecture](run.recipe, run.seed, task.images)


def _size_bytes(model: keras.Model, recipe: Recipe) -> int:
    """The most that a run writes: a version, which has the weights twice, and a checkpoint, which
    also has those that are kept, and the optimizer's state of each."""
    weights = sum(variable.value.numpy().nbytes for variable in model.variables)
    slots = (2 if recipe.optimizer == "adamw" else 0) + (1 if recipe.ema else 0)
    return (2 + 2 + slots) * weights + _GRAPH_BYTES


def _trained(
    model: keras.Model, run: Run, task: Task, listener: RunListener, checkpoint: Checkpoint
) -> list[Epoch]:
    """Trains from the beginning, or from where a run that was killed had come to. A checkpoint that
    cannot be written is told, and costs nothing but itself."""

    def save(state: State) -> None:
        try:
            checkpoint.save(state)
        except OSError as error:
            listener.say(f"no checkpoint could be written, and training goes on: {error}")

    resumed = checkpoint.load()
    listener.on_start(resumed)
    return fit(
        model,
        run.recipe,
        task.train,
        task.validation,
        run.seed,
        on_epoch=listener.on_epoch,
        resumed=resumed,
        save=save,
        curve_rows=task.curve_rows,
    )


def curves(history: list[Epoch], recipe: Recipe, task: Task) -> Curves:
    """Returns the curves of a run for its verdict."""
    trained, measured = len(task.train[1]), len(task.validation[1])
    rows = Measured(trained, min(trained, measured), measured)
    return Curves(history, kept_epoch(history, recipe), rows, task.guessing, recipe)


def _judged(history: list[Epoch], recipe: Recipe, task: Task) -> Card:
    """The card's members on how the run went."""
    return {
        "verdict": dataclasses.asdict(verdict(curves(history, recipe, task))),
        "history": [dataclasses.asdict(epoch) for epoch in history],
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
