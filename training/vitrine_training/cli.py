"""The command `vitrine-train`: train, evaluate, report, recipes, versions, rollback."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from vitrine_client import signals, variables
from vitrine_client.completion import completion_of
from vitrine_client.errors import InvalidRequest
from vitrine_client.exit_codes import CommandGroup
from vitrine_client.model_configs import ModelConfigs
from vitrine_client.version_directories import RETIRED
from vitrine_training import data, options, publish
from vitrine_training.options import console
from vitrine_training.recipes import RECIPES
from vitrine_training.train_command import train

if TYPE_CHECKING:
    from vitrine_training.evaluate import Evaluation

# TensorFlow takes seconds to import, so the commands that need it import it.


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine-training", message="%(prog)s %(version)s")
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
    vitrine-train rollback mlp           retire the newest version; the one before is served
    vitrine-train completion bash        let the shell complete all this
    """
    # Its start-up notes on CPUs and GPUs help nobody here; its exceptions still come through.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    variables.warn_of_unknown()


main.add_command(train)
main.add_command(completion_of("vitrine-train"))


@main.command("recipes")
@options.as_json
def list_recipes(as_json: bool) -> None:
    """List the recipes and what to expect of them."""
    if as_json:
        options.print_json({name: asdict(recipe) for name, recipe in RECIPES.items()})
        return
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
@options.models
@options.models_dir
@options.data_dir
@options.as_json
def evaluate(
    models: tuple[str, ...], models_dir: Path, data_dir: Path | None, as_json: bool
) -> None:
    """Test the newest version of MODELS (all classifiers) on 10,000 images, class by class."""
    newest = _classifiers(models, models_dir)
    with options.notes_on_stderr(as_json):
        dataset = options.load(data_dir)
    with signals.ending_at_once():
        from vitrine_training.evaluate import evaluate as evaluate_version

    found = []
    for version_dir in newest:
        result = evaluate_version(version_dir, dataset.test)
        if as_json:
            found.append(_plain(version_dir, result))
        else:
            console.print(_by_class(version_dir, result))
    if as_json:
        options.print_json(found)


def _by_class(version_dir: Path, result: "Evaluation") -> Table:
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
    return table


def _plain(version_dir: Path, result: "Evaluation") -> dict[str, Any]:
    columns = {"precision": result.precision, "recall": result.recall, "f1": result.f1}
    return {
        **options.version_of(version_dir),
        "accuracy": result.accuracy,
        "calibration_error": result.calibration_error,
        "classes": [
            {"label": label} | dict(zip(columns, map(float, figures), strict=True))
            for label, *figures in zip(data.LABELS, *columns.values(), strict=True)
        ],
    }


@main.command()
@options.models
@options.models_dir
@options.data_dir
@click.option(
    "--reports-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where the pages are written.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for each page.")
def report(
    models: tuple[str, ...],
    models_dir: Path,
    data_dir: Path | None,
    reports_dir: Path,
    as_json: bool,
) -> None:
    """Write a report on the newest version of MODELS (all classifiers), as a page."""
    newest = _classifiers(models, models_dir)
    with options.notes_on_stderr(as_json):
        dataset = options.load(data_dir)
    with signals.ending_at_once():
        from vitrine_training.report import write

    written = []
    for version_dir in newest:
        page = reports_dir / f"{version_dir.parent.name}-{version_dir.name}.html"
        try:
            write(version_dir, dataset.test, page)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{page} cannot be written: {error}") from error
        if not as_json:
            console.print(str(page))
        written.append({**options.version_of(version_dir), "page": page})
    index = _index_of(reports_dir)
    if as_json:
        options.print_json(written)
    elif index:
        console.print(f"{index} lists all reports")


def _index_of(reports_dir: Path) -> Path | None:
    from vitrine_client.look.reports import INDEX, write_index

    path = reports_dir / INDEX
    try:
        written = write_index(reports_dir)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error
    if not written:
        click.echo(f"{path} is no index of reports, and stays as it is", err=True)
    return written


@main.command("versions")
@options.models
@options.models_dir
@options.as_json
def list_versions(models: tuple[str, ...], models_dir: Path, as_json: bool) -> None:
    """List the versions of MODELS (all of them unless named).

    Exit code 1: one of MODELS has none.
    """
    listed = models or publish.models(models_dir)
    found = {model: publish.kept(models_dir, model) for model in listed}
    versions = [_entry(directory) for model in listed for directory in found[model]]
    missing = [str(models_dir / model) for model in listed if not found[model]]
    for name in missing if listed else [str(models_dir)]:
        click.echo(f"{name} has no version; `make train` publishes some", err=True)
    if as_json:
        options.print_json(versions)
    elif versions:
        console.print(_versions(versions))
    sys.exit(1 if missing else 0)


def _entry(directory: Path) -> dict[str, Any]:
    card = _card(directory)
    metrics = card.get("metrics", {})
    return {
        **options.version_of(directory),
        "state": "rolled back" if directory.name.startswith(RETIRED) else "published",
        "trained_at": card.get("trained_at"),
        "test_accuracy": metrics.get("test_accuracy"),
        "validation_accuracy": metrics.get("validation_accuracy"),
    }


def _versions(entries: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("version", "state", "trained", "test accuracy", "validation"):
        table.add_column(heading)
    for entry in entries:
        accuracies = (entry["test_accuracy"], entry["validation_accuracy"])
        table.add_row(
            f"{entry['model']}/{entry['version']}",
            entry["state"],
            entry["trained_at"] or "",
            *("" if accuracy is None else f"{accuracy:.4f}" for accuracy in accuracies),
        )
    return table


@main.command()
@options.model
@options.models_dir
@click.option("--undo", is_flag=True, help="Publish the version again that was rolled back last.")
@click.option("--force", is_flag=True, help="Retire it even if version labels name it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a sentence.")
def rollback(model: str, models_dir: Path, undo: bool, force: bool, as_json: bool) -> None:
    """Retire the newest version of MODEL, so that the one before is served again.

    The retired version is kept, and a running model server needs no restart.

    It takes a version out of service, whatever names it. To make a version label name what it named
    before, with all versions served as they are: vitrine rollback MODEL.
    """
    if not (undo or force):
        _check_no_label(models_dir, model)
    try:
        newest = (publish.restore if undo else publish.rollback)(models_dir, model)
    except (publish.RollbackError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        options.print_json(options.version_of(newest))
    else:
        console.print(f"{newest} is the newest now")


def _check_no_label(models_dir: Path, model: str) -> None:
    """Raises `ClickException` where a version label names the newest version."""
    config, published = models_dir / "models.config", publish.versions(models_dir, model)
    if not published or not config.is_file():
        return
    try:
        labels = ModelConfigs.parse(config.read_bytes(), str(config)).labels_of(
            model, published[-1]
        )
    except (OSError, InvalidRequest) as error:
        raise click.ClickException(
            f"{error}; whether a version label names {model}/{published[-1]} cannot be told, and "
            "--force retires it all the same"
        ) from error
    if labels:
        first = "".join(f"; `vitrine rollback {model} --label {label}`" for label in labels)
        raise click.ClickException(
            f"{config} has {' and '.join(labels)} of {model} name version {published[-1]}. Move "
            f"{'them' if len(labels) > 1 else 'it'} first{first}. With --force it is retired all "
            "the same, and who asks for a label that names it gets 404"
        )


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
