"""Epochs of recipes side by side, and how long a whole training takes by each.

`make bench-training` prints the table. The recipes take turns, an epoch each, so that what else the
machine does falls on all of them. An epoch is what `vitrine-train` does in one: order, warp, steps
and the figures after it. The first one compiles, and is counted apart.
"""

import statistics
import time
from collections.abc import Callable

import click
import tensorflow as tf
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import results
from vitrine_training.data.fashion_mnist import Dataset, load
from vitrine_training.fit.loop import compiled_epoch, compiled_measure, make_optimizer
from vitrine_training.models.networks import MODELS, ImageSpec
from vitrine_training.models.recipes import RECIPES, Recipe

REFERENCE = "mlp-best"
UNTOUCHED = {"redraw": 0.0, "relight": 0.0, "dirt": 0.0, "grain": 0.0}
STILL = {"flip": False, "shift": 0, "turn": 0.0, "scale": 0.0}

COMPARED = {
    REFERENCE: RECIPES[REFERENCE],
    "photo": RECIPES["photo"],
    "photo, images not retouched": RECIPES["photo"].varied(UNTOUCHED),
    "photo, nor moved about": RECIPES["photo"].varied(UNTOUCHED | STILL),
}
"""Recipes by what the table calls them."""

Loop = Callable[[int], None]
"""Trains for one epoch, given its number, from 1."""


def loop(recipe: Recipe, dataset: Dataset) -> Loop:
    """Returns the epochs of a recipe, with a model of its own."""
    train, validation = (
        (split.images, split.labels) for split in (dataset.train, dataset.validation)
    )
    alike = tuple(array[: len(validation[1])] for array in train)
    model = MODELS[recipe.architecture](recipe, 0, ImageSpec())
    optimizer = make_optimizer(recipe, len(train[1]))
    optimizer.build(model.trainable_variables)
    steps = compiled_epoch(model, optimizer, recipe, train, 0)
    measure = compiled_measure(model)

    def epoch(number: int) -> None:
        rows = tf.range(len(train[1]))
        steps(tf.random.experimental.stateless_shuffle(rows, [0, number]), tf.constant(number))
        measure(*alike)
        measure(*validation)

    return epoch


def measure(rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each recipe's epochs, the first one's among them."""
    dataset = load()
    loops = {name: loop(recipe, dataset) for name, recipe in COMPARED.items()}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in track(range(1, rounds + 2), "epochs", transient=True):
        for name, epoch in loops.items():
            started = time.perf_counter()
            epoch(number)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def whole_s(name: str, seconds: list[float]) -> float:
    """Returns how long all epochs of a recipe take, the first one with its compilation."""
    first, *others = seconds
    return first + (COMPARED[name].epochs - 1) * statistics.median(others)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Epochs of each after the first.")
def main(rounds: int) -> None:
    """Compare recipes by what an epoch and a whole training take."""
    seconds = measure(rounds)
    reference = whole_s(REFERENCE, seconds[REFERENCE])
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("recipe", "first epoch", "others", "epochs", "in all", f"of {REFERENCE}"):
        table.add_column(heading, justify="left" if heading == "recipe" else "right")
    figures = {}
    for name, found in seconds.items():
        whole = whole_s(name, found)
        figures[name] = {"seconds": found, "whole_s": whole, "share": whole / reference}
        table.add_row(
            *(name, f"{found[0]:.1f} s", f"{statistics.median(found[1:]):.2f} s"),
            *(str(COMPARED[name].epochs), f"{whole:.0f} s", f"{whole / reference:.2f}"),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Written to {results.write('epochs', figures)}")


if __name__ == "__main__":
    main()
