"""The command `vitrine-train train`: options for each setting, progress, and the outcome."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vitrine_client.process import signals, standard_streams
from vitrine_client.process.numbers import FiniteNumber, Number
from vitrine_training.cli import feedback, options, own_data, unused_settings
from vitrine_training.cli.batch import Batch
from vitrine_training.cli.options import console
from vitrine_training.data import fashion_mnist as data
from vitrine_training.data.own.examples import OwnData
from vitrine_training.evaluation import robustness
from vitrine_training.models.recipes import CHOICES, RECIPES, SETTINGS, Recipe
from vitrine_training.publish import versions as publish

if TYPE_CHECKING:
    from vitrine_training.run import Run
    from vitrine_training.tasks import Task

# TensorFlow takes seconds to import, so what needs it is imported where it is needed.

DEFAULT_RECIPES = ("softmax", "mlp", "photo")
"""Recipes trained unless others are named: the text's two, and one for pictures of one's
own."""


_NAMES = {"feedback_files": "with-feedback", "prediction_logs": "predictions"}
_OF_PICTURES = ("data_dir", "hard_pictures", *_NAMES)
"""Options that mean nothing where no recipe takes pictures, and the names that some have."""


def _setting_option(setting: Field[Any]) -> Callable[..., Any]:
    """Returns the option that varies one setting of a recipe."""
    name = "--" + setting.name.replace("_", "-")
    if setting.type is bool:
        return click.option(f"{name}/--no-{name[2:]}", default=None, help=setting.metadata["help"])
    kind: Any = FiniteNumber() if setting.type is float else setting.type
    if setting.name in CHOICES:
        kind = click.Choice(CHOICES[setting.name])
    elif isinstance(setting.default, tuple):
        kind = Widths()
    return click.option(name, type=kind, help=setting.metadata["help"])


class Widths(click.ParamType[tuple[int, ...]]):
    """Positive integers, separated by commas."""

    name = "INTEGERS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Reads `512,256`."""
        try:
            return tuple(int(word) for word in value.split(",")) if value else ()
        except ValueError:
            self.fail("write widths as in 512,256", param, ctx)


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    for setting in reversed(SETTINGS):
        command = _setting_option(setting)(command)
    return command


@click.command()
@click.argument("recipes", nargs=-1, type=click.Choice(list(RECIPES)), metavar="[RECIPE]...")
@options.models_dir
@options.data_dir
@own_data.data_options
@feedback.feedback_options
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of all that is random.",
)
@click.option("--if-missing", is_flag=True, help="Skip a model that has a version already.")
@click.option(
    "--force",
    is_flag=True,
    help="Publish a model even if it is worse than, or the same as, its last version.",
)
@click.option("--as", "name", metavar="MODEL", help="Publish as a version of MODEL.")
@click.option(
    "--checkpoint-every-s",
    type=Number(min=0),
    default=5.0,
    show_default=True,
    help="Seconds between checkpoints, from which a run that was killed goes on.",
)
@click.option(
    "--hard-pictures",
    type=click.IntRange(0, 10_000),
    default=robustness.PICTURES,
    show_default=True,
    help="Hard pictures of each kind, for the accuracy on them in the card; 0 for none.",
)
@options.as_json
@_setting_options
def train(
    recipes: tuple[str, ...],
    models_dir: Path,
    data_dir: Path | None,
    own_path: Path | None,
    size: int,
    fit: str,
    label_column: str,
    feedback_files: tuple[Path, ...],
    prediction_logs: tuple[Path, ...],
    seed: int,
    if_missing: bool,
    force: bool,
    name: str | None,
    checkpoint_every_s: float,
    hard_pictures: int,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train by RECIPES (softmax, mlp, photo) and publish each as its model's next version.

    `vitrine-train recipes` lists them; --data takes one of them, cnn unless another is named. The
    options from --filters on vary a recipe. A model that is worse on validation data than the
    version it would replace is not published. A run that was interrupted goes on where it was when
    the same command is given again.

    --json prints an object for each model that was trained or left alone, and why it was not
    published if it was not.

    --with-feedback learns from answers that people flagged as wrong: their pictures, which
    --predictions has, are added to those to train on. It says who flagged what, and how many
    pictures the version before and the new one get right.

    A model that is worse, or whose training fails, keeps no other from its turn. Exit code 1: there
    was one.
    """
    own_data.check_unused(own_path)
    if own_path is not None:
        recipes, name = (own_data.recipe_of(recipes),), own_data.name_of(own_path, name)
    own_options = {"size": size, "fit": fit, "label_column": label_column}
    chosen = varied(recipes or DEFAULT_RECIPES, settings, name, of_own=own_path is not None)
    check_needed(chosen)
    batch = Batch()
    if as_json:
        context = click.get_current_context()
        context.call_on_close(lambda: options.print_json(batch.outcomes))
        context.with_resource(options.notes_on_stderr(as_json))
    if if_missing:
        _leave_what_is_there(chosen, models_dir, batch)
    if not chosen:
        return
    flagged = feedback.read(feedback_files, prediction_logs)
    if own_path is not None:
        found = own_data.load(own_path, seed, **own_options)
        chosen = [own_data.fitted(each, found, is_given=options.was_typed) for each in chosen]
        decided = options.was_typed("class_weights")
        own_data.advise_weights("--class-weights", chosen[0], found, is_given=decided)
        tasks = _own_tasks(found, fit)
    else:
        tasks = _tasks(chosen, _dataset(chosen, data_dir, batch), seed, hard_pictures)
    from vitrine_training.run import Run

    runs = [Run(recipe, seed, models_dir, force, checkpoint_every_s) for recipe in chosen]
    _train_all(batch, feedback.taught(list(zip(runs, tasks, strict=True)), flagged, batch))


def _train_all(batch: Batch, runs: "Sequence[tuple[Run, Task]]") -> None:
    """Trains by each run, tells what became of them, and ends the command."""
    try:
        batch.train(runs)
    finally:
        if len(batch.outcomes) > 1:
            console.print()
            options.print_table(batch.table())
    sys.exit(1 if batch.failed else 0)


def _tasks(
    chosen: Sequence[Recipe], dataset: data.Dataset | None, seed: int, hard_pictures: int
) -> "list[Task]":
    """Returns the task of each recipe. Imports TensorFlow, which takes seconds."""
    console.print("Starting TensorFlow", style="dim")
    with signals.importing():
        from vitrine_training.tasks import Classification, Regression

        _spend_compiler_note()
    images = Classification.of(dataset, hard_pictures) if dataset else None
    return [
        Regression.of(seed) if images is None or _makes_data(recipe) else images
        for recipe in chosen
    ]


def _own_tasks(found: OwnData, fit: str) -> "list[Task]":
    """Returns the task that own data sets. Imports TensorFlow, which takes seconds."""
    console.print("Starting TensorFlow", style="dim")
    with signals.importing():
        from vitrine_training.own_task import OwnClassification

        _spend_compiler_note()
    return [OwnClassification.of_own(found, fit)]


def _leave_what_is_there(chosen: list[Recipe], models_dir: Path, batch: Batch) -> None:
    """Takes recipes out of `chosen` whose models have a version."""
    for recipe in [r for r in chosen if publish.versions(models_dir, r.model)]:
        there = f"{publish.latest(models_dir, recipe.model)} is there already"
        console.print(there)
        batch.leave_alone(recipe.model, there)
        chosen.remove(recipe)


def _dataset(chosen: list[Recipe], data_dir: Path | None, batch: Batch) -> data.Dataset | None:
    """Returns the images that recipes need; None where none does. Where there are none to be had,
    those recipes are taken out of `chosen`, or the command ends, if no other is left."""
    needing = [recipe for recipe in chosen if not _makes_data(recipe)]
    if not needing:
        return None
    try:
        return options.load(data_dir)
    except click.ClickException as error:
        if needing == chosen:
            raise
        for recipe in needing:
            batch.fail(recipe.model, error.message)
            chosen.remove(recipe)
        return None


def _makes_data(recipe: Recipe) -> bool:
    return recipe.architecture == "linear"


def check_needed(chosen: Sequence[Recipe]) -> None:
    """Refuses options that no recipe has a use for."""
    for option in _OF_PICTURES if all(map(_makes_data, chosen)) else ():
        if options.was_typed(option):
            name = _NAMES.get(option, option.replace("_", "-"))
            raise click.UsageError(f"linear makes its own data: leave out --{name}")


def _check_batch(recipe: Recipe) -> None:
    """Raises `ValueError` where a step would have more rows than there are to train on: the card
    would name a batch size that never was."""
    rows = data.LINEAR_ROWS if _makes_data(recipe) else data.TRAINING_SIZE
    if recipe.batch_size > rows:
        raise ValueError(
            f"batch_size {recipe.batch_size:,} is more than the {rows:,} rows that {recipe.model} "
            "trains on; take those at most"
        )


def _spend_compiler_note() -> None:
    """XLA tells once a process that it compiles, and no setting keeps it from that; so it compiles
    something small while nobody listens. A fault in it shows in the next compilation."""
    import tensorflow as tf

    with standard_streams.native_stderr_discarded():
        tf.function(lambda: tf.constant(1) + 1, jit_compile=True)()


def varied(
    names: tuple[str, ...], settings: dict[str, Any], model: str | None, *, of_own: bool
) -> list[Recipe]:
    """Returns recipes with the settings that are given, or refuses these by `UsageError`; how many
    rows there are `of_own` data is known once that is read (`own_data.fitted`)."""
    if model is not None:
        options.check_name(model)
    if model is not None and len(names) > 1:
        raise click.UsageError("--as goes with one recipe; name it")
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        found = [RECIPES[name].varied(given, model) for name in names]
        for recipe in found:
            unused_settings.check(recipe, given)
            if not of_own:
                _check_batch(recipe)
        return found
    except ValueError as error:
        raise click.UsageError(str(error)) from error
