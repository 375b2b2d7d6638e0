"""The command `vitrine-train`: train, sweep, import, evaluate, report, recipes, versions,
rollback."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from vitrine_client.process import variables
from vitrine_client.process.completion import completion_of
from vitrine_client.process.exit_codes import CommandGroup
from vitrine_training.cli import held_out, judging, options
from vitrine_training.cli.imports import import_model
from vitrine_training.cli.options import console
from vitrine_training.cli.rollback import rollback
from vitrine_training.cli.sweep import sweep
from vitrine_training.cli.train import train
from vitrine_training.cli.versions import list_versions
from vitrine_training.data import fashion_mnist as data
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish import cards

if TYPE_CHECKING:
    from vitrine_training.evaluation.metrics import Evaluation

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
    vitrine-train sweep softmax mlp --seeds 0-4    which is better, and by more than chance?
    vitrine-train import cnn.keras --as clothes    a classifier that was trained elsewhere
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
main.add_command(sweep)
main.add_command(import_model)
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
@held_out.options_of_data
@options.as_json
def evaluate(models: tuple[str, ...], models_dir: Path, as_json: bool, **where: Any) -> None:
    """Test the newest version of MODELS (all classifiers) on 10,000 images, class by class; with
    --data on the test part of own data."""
    found = []
    test_of = held_out.chosen(models, **where)

    def show(version_dir: Path, test: data.Split) -> None:
        from vitrine_training.evaluation.metrics import evaluate as evaluate_version

        result = evaluate_version(version_dir, test)
        if as_json:
            found.append(_plain(version_dir, result))
        else:
            console.print(_by_class(version_dir, result))

    newest = judging.classifiers(models, models_dir, own=where["own_path"] is not None)
    failed = judging.each(newest, test_of, show, as_json=as_json)
    if as_json:
        options.print_json(found)
    sys.exit(1 if failed else 0)


def _by_class(version_dir: Path, result: "Evaluation") -> Table:
    table = Table(
        "class",
        title=f"{version_dir}: test accuracy {result.accuracy:.4f}, "
        f"calibration error {result.calibration_error:.4f}",
    )
    columns = {"precision": result.precision, "recall": result.recall, "F1": result.f1}
    for heading in columns:
        table.add_column(heading, justify="right")
    for label, *figures in zip(_labels(version_dir), *columns.values(), strict=True):
        table.add_row(
            escape(label), *(f"{figure:.3f}" if figure == figure else "–" for figure in figures)
        )
    return table


def _labels(version_dir: Path) -> list[str]:
    labels: list[str] = cards.checked(version_dir)["labels"]
    return labels


def _plain(version_dir: Path, result: "Evaluation") -> dict[str, Any]:
    columns = {"precision": result.precision, "recall": result.recall, "f1": result.f1}
    return {
        **options.version_of(version_dir),
        "accuracy": result.accuracy,
        "calibration_error": result.calibration_error,
        "classes": [
            {"label": label} | dict(zip(columns, map(float, figures), strict=True))
            for label, *figures in zip(_labels(version_dir), *columns.values(), strict=True)
        ],
    }


@main.command()
@options.models
@options.models_dir
@options.data_dir
@held_out.options_of_data
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
    reports_dir: Path,
    as_json: bool,
    **where: Any,
) -> None:
    """Write a report on the newest version of MODELS (all classifiers), as a page; with --data by
    the test part of own data."""
    written = []
    test_of = held_out.chosen(models, **where)

    def write_one(version_dir: Path, test: data.Split) -> None:
        from vitrine_training.report.page import write

        page = reports_dir / f"{version_dir.parent.name}-{version_dir.name}.html"
        try:
            write(version_dir, test, page)
        except OSError as error:
            raise judging.NotJudged(f"{page} cannot be written: {error}") from error
        if not as_json:
            console.print(str(page))
        written.append({**options.version_of(version_dir), "page": page})

    newest = judging.classifiers(models, models_dir, own=where["own_path"] is not None)
    failed = judging.each(newest, test_of, write_one, as_json=as_json)
    index = _index_of(reports_dir) if written else None
    if as_json:
        options.print_json(written)
    elif index:
        console.print(f"{index} lists all reports")
    sys.exit(1 if failed else 0)


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


main.add_command(list_versions)
main.add_command(rollback)
