"""Recipes' results: each trained with several seeds, as `vitrine-train` does.

`make bench-recipes` prints the tables of docs/training.md, and takes as long as that many
trainings: a minute for the text's recipes, a quarter of an hour for one of the best.
"""

import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console

from benchmarks import results
from vitrine_training.data.fashion_mnist import load
from vitrine_training.models.recipes import RECIPES
from vitrine_training.run import Run, RunListener, train_and_publish
from vitrine_training.tasks import Classification, Regression, Task

COLUMNS = ("test_accuracy", "validation_accuracy", "validation_loss", "calibration_error")


def figures_of(recipe_name: str, task: Task, seed: int) -> dict[str, float]:
    """Trains and returns the card's metrics, with the seconds and the epochs that it took."""
    with tempfile.TemporaryDirectory() as models_dir:
        run = Run(RECIPES[recipe_name], seed, Path(models_dir))
        _, card = train_and_publish(run, task, RunListener())
    return card["metrics"] | {
        "training_s": sum(epoch["duration_s"] for epoch in card["history"]),
        "epochs": len(card["history"]),
    }


def mean_and_spread(values: Iterable[float], digits: int = 4) -> str:
    """Returns the mean, and how far the lowest and the highest are apart from it at most."""
    values = list(values)
    mean = statistics.mean(values)
    return f"{mean:.{digits}f} ± {max(abs(value - mean) for value in values):.{digits}f}"


@click.command()
@click.argument("recipes", nargs=-1, type=click.Choice(list(RECIPES)), metavar="[RECIPE]...")
@click.option("--seeds", default=3, show_default=True, help="Seeds 0, 1, … of each recipe.")
def main(recipes: tuple[str, ...], seeds: int) -> None:
    """Train RECIPES (all of them unless named) with several seeds."""
    console = Console(highlight=False, width=200)
    images, found = Classification.of(load()), {}
    for name in recipes or RECIPES:
        runs = []
        for seed in range(seeds):
            task = Regression.of(seed) if RECIPES[name].architecture == "linear" else images
            runs.append(figures_of(name, task, seed))
            console.print(f"{name}, seed {seed}: {runs[-1]}", style="dim")
        found[name] = runs
        results.write("recipes", found)
    console.print(f"\n| recipe | {' | '.join(COLUMNS)} | training_s |")
    console.print("|---" * (len(COLUMNS) + 2) + "|")
    for name, runs in found.items():
        cells = [
            mean_and_spread(run[column] for run in runs) if column in runs[0] else ""
            for column in COLUMNS
        ]
        seconds = statistics.median(run["training_s"] for run in runs)
        console.print(f"| `{name}` | {' | '.join(cells)} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
