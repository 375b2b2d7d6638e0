"""The command `vitrine-train train`: options for each setting, progress, and what came of it."""

import re
import time
from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitrine_client import generated_config, native_stderr, signals
from vitrine_training import options, publish, robustness, summary, unused_settings
from vitrine_training.options import console
from vitrine_training.recipes import CHOICES, RECIPES, SETTINGS, Recipe

if TYPE_CHECKING:
    from vitrine_training.fit import Epoch, State
    from vitrine_training.run import Run
    from vitrine_training.tasks import Task

# TensorFlow takes seconds to import, so what needs it is imported where it is needed.

DEFAULT_RECIPES = ("softmax", "mlp", "photo")
"""What is trained unless something else is named: the text's two, and one for pictures of one's
own."""

Outcome = dict[str, Any]
"""What came of a recipe, as `--json` prints it."""

LINES = 20
"""At most about so many epochs of a run are printed; the bar shows the others."""


def _setting_option(setting: Field[Any]) -> Callable[..., Any]:
    """Returns the option that varies one setting of a recipe."""
    name = "--" + setting.name.replace("_", "-")
    if setting.type is bool:
        return click.option(f"{name}/--no-{name[2:]}", default=None, help=setting.metadata["help"])
    kind: Any = setting.type
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
@click.option("--seed", default=0, show_default=True, help="Seed of all that is random.")
@click.option("--if-missing", is_flag=True, help="Skip a model that has a version already.")
@click.option(
    "--force",
    is_flag=True,
    help="Publish a model even if it is worse than, or the same as, its last version.",
)
@click.option("--as", "name", metavar="MODEL", help="Publish as a version of MODEL.")
@click.option(
    "--checkpoint-every-s",
    default=5.0,
    show_default=True,
    help="Seconds between checkpoints, from which a run that was killed goes on.",
)
@click.option(
    "--hard-pictures",
    type=click.IntRange(min=0),
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

    `vitrine-train recipes` lists them. The options from --filters on vary a recipe. A
    model that is worse on validation data than the version it would replace is not published. A run
    that was interrupted goes on where it was when the same command is given again.

    --json prints an object for each model that was trained or left alone, and why it was not
    published if it was not, also where a later one fails.
    """
    chosen = _varied(recipes or DEFAULT_RECIPES, settings, name)
    outcomes: list[Outcome] = []
    if as_json:
        context = click.get_current_context()
        context.call_on_close(lambda: options.print_json(outcomes))
        context.with_resource(options.notes_on_stderr(as_json))
    if if_missing:
        for recipe in [r for r in chosen if publish.versions(models_dir, r.model)]:
            latest = publish.latest(models_dir, recipe.model)
            console.print(f"{latest} is there already")
            outcomes.append(_left_alone(recipe.model, f"{latest} is there already"))
            chosen.remove(recipe)
    if not chosen:
        return
    synthetic = {recipe for recipe in chosen if recipe.architecture == "linear"}
    if set(chosen) == synthetic and options.was_typed("data_dir"):
        raise click.UsageError("linear makes its own data: leave out --data-dir")
    dataset = options.load(data_dir) if set(chosen) > synthetic else None
    console.print("Starting TensorFlow", style="dim")
    with signals.ending_at_once():
        from vitrine_training.run import Run
        from vitrine_training.tasks import Classification, Regression

        _spend_compiler_note()
    images = Classification.of(dataset, hard_pictures) if dataset else None
    for recipe in chosen:
        task = Regression.of(seed) if images is None or recipe in synthetic else images
        _train(Run(recipe, seed, models_dir, force, checkpoint_every_s), task, outcomes)


def _spend_compiler_note() -> None:
    """XLA tells once a process that it compiles, and no setting keeps it from that; so it compiles
    something small while nobody listens. What is wrong with it shows in the next compilation."""
    import tensorflow as tf

    with native_stderr.discarded():
        tf.function(lambda: tf.constant(1) + 1, jit_compile=True)()


def _varied(names: tuple[str, ...], settings: dict[str, Any], model: str | None) -> list[Recipe]:
    if model is not None and not re.fullmatch(r"\w[\w.-]*", model):
        raise click.BadParameter("a model's name has letters, digits, - and _", param_hint="--as")
    if model is not None and len(names) > 1:
        raise click.UsageError("--as goes with one recipe; name it")
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        for name in names:
            unused_settings.check(RECIPES[name], given)
        return [RECIPES[name].varied(given, model) for name in names]
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _left_alone(model: str, reason: str) -> Outcome:
    return {"model": model, "published": False, "reason": reason}


def _published(version_dir: Path, card: dict[str, Any], duration_s: float) -> Outcome:
    told: Outcome = {
        name: card[name] for name in ("metrics", "verdict", "robustness") if name in card
    }
    version = options.version_of(version_dir)
    return {**version, "published": True, "duration_s": round(duration_s, 3), **told}


def _train(run: "Run", task: "Task", outcomes: list[Outcome]) -> None:
    from vitrine_training.export import ExportError
    from vitrine_training.fit import Diverged
    from vitrine_training.run import Listener, SameModel, WorseModel, train_and_publish

    recipe, started = run.recipe, time.monotonic()
    console.print(f"\n[bold]{recipe.model}[/]: {recipe.summary}; seed {run.seed}")
    columns = (TextColumn("  epoch"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=recipe.epochs)

        def on_start(state: "State | None") -> None:
            if state:
                console.print(f"  goes on after epoch {len(state.history)}, from its checkpoint")
                progress.update(bar, completed=len(state.history))

        def on_epoch(epoch: "Epoch") -> None:
            progress.update(bar, completed=epoch.number)
            every = -(-recipe.epochs // LINES)
            if epoch.number % every == 0 or epoch.number in (1, recipe.epochs):
                console.print(_line(epoch, recipe.epochs))

        try:
            version_dir, card = train_and_publish(
                run, task, Listener(on_start, on_epoch, console.print)
            )
        except SameModel as same:
            _summarise(recipe, same.card)
            console.print(f"  {same}")
            outcomes.append(_left_alone(recipe.model, str(same)))
            return
        except (Diverged, WorseModel, ExportError) as error:
            outcomes.append(_left_alone(recipe.model, str(error)))
            raise click.ClickException(str(error)) from error
        except OSError as error:
            outcomes.append(_left_alone(recipe.model, str(error)))
            raise click.ClickException(f"{recipe.model} was not published: {error}") from error
        except SystemExit:  # a signal
            click.echo(_how_to_go_on(int(progress.tasks[bar].completed)), err=True)
            raise
    duration_s = time.monotonic() - started
    outcomes.append(_published(version_dir, card, duration_s))
    _summarise(recipe, card)
    console.print(f"  published as {version_dir} after {duration_s:.1f} s")
    config = version_dir.parent.parent / "models.config"
    if not generated_config.is_named(config, recipe.model):
        console.print(f"  {generated_config.how_to_serve(config, recipe.model)}")


def _how_to_go_on(epochs: int) -> str:
    if not epochs:
        return "Interrupted in the first epoch; the same command begins again"
    return f"Interrupted; the same command goes on after epoch {epochs}"


def _line(epoch: "Epoch", epochs: int) -> str:
    line = f"  epoch {epoch.number:{len(str(epochs))}}/{epochs}   loss {epoch.train_loss:.4f}   "
    if epoch.validation_accuracy is None:
        line += f"validation loss {epoch.validation_loss:.4f}"
    else:
        line += f"train {epoch.train_accuracy:.4f}   validation {epoch.validation_accuracy:.4f}"
    return f"{line}   {epoch.duration_s:.2f} s"


def _summarise(recipe: Recipe, card: dict[str, Any]) -> None:
    metrics = card["metrics"]
    low, high = recipe.expected
    if "test_accuracy" in metrics:
        console.print(
            f"  [bold]{recipe.model} test accuracy {metrics['test_accuracy']:.4f}[/] "
            f"(the recipe's own: {low}-{high}), with the weights of epoch {metrics['kept_epoch']}\n"
            f"  {summary.validation(recipe, card)}\n"
            f"  calibration error {metrics['calibration_error']:.4f}, "
            f"{metrics['calibration_error_uncalibrated']:.4f} before temperature "
            f"{metrics['temperature']:.3f}"
        )
    else:
        learned, true = card["weights"]["learned"], card["weights"]["true"]
        console.print(
            f"  [bold]{recipe.model} validation loss {metrics['validation_loss']:.3g}[/]; "
            f"w = {[round(weight, 4) for weight in learned]}, in truth {true}; "
            f"b = {card['bias']['learned']:.4f}, in truth {card['bias']['true']}"
        )
    if "robustness" in card:
        console.print(f"  {_robustness(card['robustness'])}")
    console.print(f"  {card['verdict']['word']}: {card['verdict']['reason']}")


def _robustness(found: dict[str, Any]) -> str:
    """Returns the line on accuracy away from the rows of the data set, and what it means."""
    names = ("plain", "mirrored", "moved", "turned", "hard")
    figures = [f"{name} {found[name]:.3f}" for name in names if name in found]
    return "; ".join([f"accuracy: {', '.join(figures)}", *found["limits"]])
