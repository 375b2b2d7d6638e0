"""The command `vitrine-train`: train, evaluate, versions."""

import os
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from vitrine_training import data, publish
from vitrine_training.recipes import RECIPES

# TensorFlow takes seconds to import, so the commands that need it import it.

_models_dir = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    envvar="VITRINE_MODELS_DIR",
    show_default=True,
    show_envvar=True,
    help="Where versions are published.",
)
_data_dir = click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="VITRINE_DATA_DIR",
    show_envvar=True,
    help="A directory with Fashion-MNIST's four .gz files.  [default: cache, download, Debian]",
)
_models = click.argument("models", nargs=-1, type=click.Choice(list(RECIPES)))

console = Console(highlight=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train small image classifiers on Fashion-MNIST and publish them for serving.

    \b
    vitrine-train train                  both models, into models/<model>/<version>/
    vitrine-train train mlp --seed 7     one model, another seed
    vitrine-train evaluate               test accuracy of what is published, class by class
    """
    # Its start-up notes on CPUs and GPUs help nobody here; its exceptions still come through.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


@main.command()
@_models
@_models_dir
@_data_dir
@click.option("--seed", default=0, show_default=True, help="Governs weights and shuffling.")
@click.option("--if-missing", is_flag=True, help="Leave a model alone that has a version already.")
def train(
    models: tuple[str, ...], models_dir: Path, data_dir: Path | None, seed: int, if_missing: bool
) -> None:
    """Train MODELS (all of them unless named) and publish each as its next version."""
    wanted = list(models or RECIPES)
    if if_missing:
        for name in [name for name in wanted if publish.versions(models_dir, name)]:
            console.print(f"{publish.latest(models_dir, name)} is there already")
            wanted.remove(name)
    if not wanted:
        return
    dataset = _load(data_dir)
    console.print("Starting TensorFlow", style="dim")
    from vitrine_training.run import train_and_publish

    for name in wanted:
        recipe = RECIPES[name]
        console.print(
            f"\n[bold]{name}[/]: {len(dataset.train):,} images, {recipe.epochs} epochs, seed {seed}"
        )
        started = time.monotonic()
        try:
            published, card = train_and_publish(
                recipe,
                dataset,
                models_dir,
                seed,
                lambda epoch, epochs=recipe.epochs: console.print(  # type: ignore[misc]
                    f"  epoch {epoch.number:2}/{epochs}   loss {epoch.train_loss:.4f}   "
                    f"train {epoch.train_accuracy:.4f}   "
                    f"validation {epoch.validation_accuracy:.4f}   {epoch.duration_s:.2f} s"
                ),
            )
        except OSError as error:
            raise click.ClickException(f"{name} was not published: {error}") from error
        metrics = card["metrics"]
        low, high = recipe.expected_test_accuracy
        console.print(
            f"  [bold]{name} test accuracy {metrics['test_accuracy']:.4f}[/] "
            f"(expected {low}-{high}), with the weights of epoch {metrics['best_epoch']}\n"
            f"  published as {published} after {time.monotonic() - started:.1f} s"
        )


@main.command()
@_models
@_models_dir
@_data_dir
def evaluate(models: tuple[str, ...], models_dir: Path, data_dir: Path | None) -> None:
    """Load the newest version of MODELS anew and evaluate it on the 10,000 test images."""
    try:
        newest = [publish.latest(models_dir, name) for name in models or RECIPES]
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    dataset = _load(data_dir)
    from vitrine_training.evaluate import evaluate as evaluate_version

    for version_dir in newest:
        result = evaluate_version(version_dir, dataset.test)
        table = Table("class", title=f"{version_dir}: test accuracy {result.accuracy:.4f}")
        table.add_column("precision", justify="right")
        table.add_column("recall", justify="right")
        for label, precision, recall in zip(
            data.LABELS, result.precision, result.recall, strict=True
        ):
            table.add_row(label, f"{precision:.3f}", f"{recall:.3f}")
        console.print(table)


@main.command("versions")
@_models
@_models_dir
def list_versions(models: tuple[str, ...], models_dir: Path) -> None:
    """List the published versions of MODELS."""
    for name in models or RECIPES:
        found = publish.versions(models_dir, name)
        console.print(f"{name}: {', '.join(map(str, found)) or 'none'}")


def _load(data_dir: Path | None) -> data.Dataset:
    try:
        return data.load(data_dir, say=console.print)
    except data.DataError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main(prog_name="vitrine-train")
