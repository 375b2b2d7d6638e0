"""The command `vitrine-train`: train, evaluate, report, recipes, versions, rollback."""

import json
import os
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vitrine_client import signals, variables
from vitrine_client.exit_codes import CommandGroup
from vitrine_training import data, options, publish
from vitrine_training.options import console
from vitrine_training.recipes import RECIPES
from vitrine_training.train_command import train

# TensorFlow takes seconds to import, so the commands that need it import it.

_models = click.argument("models", nargs=-1)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train small image classifiers on Fashion-MNIST and publish them for serving.

    \b
    vitrine-train recipes                what there is to train, and what to expect of it
    vitrine-train train                  the text's softmax and mlp, and photo
    vitrine-train train mlp-best         the best mlp we know, the next version of `mlp`
    vitrine-train train mlp --activation tanh --epochs 20 --as mlp-tanh-20
    vitrine-train evaluate               what is published, class by class
    vitrine-train report                 the same as a page, with curves and pictures
    vitrine-train versions               what is published
    vitrine-train rollback mlp           back to the version before
    """
    # Its start-up notes on CPUs and GPUs help nobody here; its exceptions still come through.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    variables.warn_of_unknown()


main.add_command(train)


@main.command("recipes")
def list_recipes() -> None:
    """List the recipes, the models that they publish where those have other names, and what to
    expect of them."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("recipe", "publishes", "accuracy", "takes"):
        table.add_column(heading, no_wrap=True)
    table.add_column("")
    for name, recipe in RECIPES.items():
        low, high = recipe.expected
        expected = f"{low:.3f}-{high:.3f}" if recipe.architecture != "linear" else ""
        publishes = recipe.model if recipe.model != name else ""
        table.add_row(name, publishes, expected, f"{recipe.expected_s:g} s", recipe.summary)
    options.print_table(table)


@main.command()
@_models
@options.models_dir
@options.data_dir
def evaluate(models: tuple[str, ...], models_dir: Path, data_dir: Path | None) -> None:
    """Load the newest version of MODELS (all classifiers) anew and test it on 10,000 images."""
    newest = _classifiers(models, models_dir)
    dataset = options.load(data_dir)
    with signals.ending_at_once():
        from vitrine_training.evaluate import evaluate as evaluate_version

    for version_dir in newest:
        result = evaluate_version(version_dir, dataset.test)
        table = Table(
            "class",
            title=f"{version_dir}: test accuracy {result.accuracy:.4f}, "
            f"calibration error {result.calibration_error:.4f}",
        )
        columns = {"precision": result.precision, "recall": result.recall, "F1": result.f1}
        for heading in columns:
            table.add_column(heading, justify="right")
        for label, *figures in zip(data.LABELS, *columns.values(), strict=True):
            table.add_row(label, *(f"{figure:.3f}" for figure in figures))
        console.print(table)


@main.command()
@_models
@options.models_dir
@options.data_dir
@click.option(
    "--reports-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where the pages are written.",
)
def report(
    models: tuple[str, ...], models_dir: Path, data_dir: Path | None, reports_dir: Path
) -> None:
    """Write a page on the newest version of MODELS (all classifiers): curves, mistakes, weights."""
    newest = _classifiers(models, models_dir)
    dataset = options.load(data_dir)
    with signals.ending_at_once():
        from vitrine_training.report import write

    for version_dir in newest:
        page = reports_dir / f"{version_dir.parent.name}-{version_dir.name}.html"
        try:
            console.print(f"{write(version_dir, dataset.test, page)}")
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{page} cannot be written: {error}") from error
    from vitrine_client.look.reports import write_index

    if index := write_index(reports_dir):
        console.print(f"{index} lists all reports")


@main.command("versions")
@_models
@options.models_dir
def list_versions(models: tuple[str, ...], models_dir: Path) -> None:
    """List the versions of MODELS (all of them unless named)."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("version", "state", "trained", "test accuracy", "validation"):
        table.add_column(heading)
    for model in models or publish.models(models_dir):
        if not publish.kept(models_dir, model):
            console.print(f"{models_dir / model} has no version")
        for directory in publish.kept(models_dir, model):
            card = _card(directory)
            metrics = card.get("metrics", {})
            number = directory.name.removeprefix(publish.RETIRED)
            table.add_row(
                f"{model}/{number}",
                "published" if number == directory.name else "rolled back",
                card.get("trained_at", ""),
                *(
                    f"{metrics[name]:.4f}" if name in metrics else ""
                    for name in ("test_accuracy", "validation_accuracy")
                ),
            )
    console.print(table)


@main.command()
@click.argument("model")
@options.models_dir
@click.option("--undo", is_flag=True, help="Publish the version again that was rolled back last.")
def rollback(model: str, models_dir: Path, undo: bool) -> None:
    """Retire the newest version of MODEL, so that the one before is served again.

    The retired version is kept, and a running model server needs no restart.
    """
    try:
        newest = (publish.restore if undo else publish.rollback)(models_dir, model)
    except (publish.RollbackError, OSError) as error:
        raise click.ClickException(str(error)) from error
    console.print(f"{newest} is the newest now")


def _classifiers(models: tuple[str, ...], models_dir: Path) -> list[Path]:
    """The newest versions of `models`, or of all that have labels."""
    try:
        newest = [publish.latest(models_dir, name) for name in models]
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    if not models:
        newest = [publish.latest(models_dir, name) for name in publish.models(models_dir)]
        newest = [version_dir for version_dir in newest if _card(version_dir).get("labels")]
    for version_dir in newest:
        if not _card(version_dir).get("labels"):
            raise click.ClickException(f"{version_dir} is no classifier with a card")
    if not newest:
        raise click.ClickException(
            f"There is no classifier in {models_dir}; `make train` makes two"
        )
    return newest


def _card(version_dir: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((version_dir / "assets.extra" / "card.json").read_text())
    except (OSError, ValueError):
        return {}
    return card
