"""Epochs of training, by the loops that people write, by ours, and by its matrix products alone.

`make bench-training` prints the table. All loops make the same updates (SGD 0.1, batches of 256,
60,000 images) and take turns, so that what else the machine does falls on all of them; times are
medians, and ratios are medians of the ratios within a round.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import results
from vitrine_training.data.fashion_mnist import load
from vitrine_training.fit.loop import Arrays, compiled_epoch, make_optimizer
from vitrine_training.models.networks import MODELS, ImageSpec
from vitrine_training.models.recipes import RECIPES, Recipe

Loop = Callable[[int], None]
"""Trains for one epoch, given its number."""

STEPS_PER_EXECUTION = 50


class Model:
    """A fresh model of a recipe with its optimizer, its loss, and the data."""

    def __init__(self, recipe: Recipe, train: Arrays) -> None:
        self.recipe = recipe
        self.train = train
        self.model = MODELS[recipe.architecture](recipe, 0, ImageSpec())
        self.optimizer = make_optimizer(recipe, len(train[1]))
        self.optimizer.build(self.model.trainable_variables)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes an update; images float32 [n, 28, 28]. Returns loss and logits."""
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            loss = self.loss(labels, logits)
        weights = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return loss, logits

    def batches(self, number: int) -> Iterator[np.ndarray]:
        """Yields the rows of each step."""
        order = np.random.default_rng(number).permutation(len(self.train[1]))
        for start in range(0, len(order), self.recipe.batch_size):
            yield order[start : start + self.recipe.batch_size]


def text(recipe: Recipe, train: Arrays) -> Loop:
    """The text's loop: batches from a shuffled `tf.data` set, one step after the other, op by op,
    and after each the sums of its loss and of its right answers, as the text's figures need them.
    """
    one = Model(recipe, train)
    rows = len(train[1])
    arrays = (train[0].astype(np.float32) / 255, train[1].astype(np.int32))
    batches = tf.data.Dataset.from_tensor_slices(arrays).batch(recipe.batch_size).shuffle(rows)

    def epoch(number: int) -> None:
        del number
        loss_sum, right = 0.0, 0.0
        for images, labels in batches:
            loss, logits = one.step(images, labels)
            answers = tf.cast(tf.argmax(logits, axis=1), labels.dtype)
            loss_sum += float(loss) * len(labels)
            right += float(tf.reduce_sum(tf.cast(answers == labels, tf.float32)))

    return epoch


def eager(recipe: Recipe, train: Arrays) -> Loop:
    """The steps of the text's loop and nothing else: no figures, rows taken by NumPy."""
    one = Model(recipe, train)
    images, labels = train[0].astype(np.float32) / 255, train[1].astype(np.int32)

    def epoch(number: int) -> None:
        for rows in one.batches(number):
            one.step(tf.constant(images[rows]), tf.constant(labels[rows]))

    return epoch


def keras_fit(recipe: Recipe, train: Arrays, steps_per_execution: int = 1) -> Loop:
    """`Model.fit` on arrays."""
    one = Model(recipe, train)
    one.model.compile(one.optimizer, one.loss, steps_per_execution=steps_per_execution)
    images, labels = train[0].astype(np.float32) / 255, train[1].astype(np.int32)

    def epoch(number: int) -> None:
        del number
        one.model.fit(images, labels, batch_size=recipe.batch_size, epochs=1, verbose=0)

    return epoch


def keras_fit_in_runs(recipe: Recipe, train: Arrays) -> Loop:
    """`Model.fit` that enters Python once in so many steps."""
    return keras_fit(recipe, train, STEPS_PER_EXECUTION)


def one_function(recipe: Recipe, train: Arrays) -> Loop:
    """The whole epoch as a `tf.function`, without XLA."""
    one = Model(recipe, train)
    images, labels = tf.constant(train[0]), tf.constant(train[1].astype(np.int32))

    @tf.function
    def epoch(order: tf.Tensor) -> None:
        for start in tf.range(0, tf.size(order), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            one.step(tf.cast(tf.gather(images, rows), tf.float32) / 255, tf.gather(labels, rows))

    return lambda number: epoch(_shuffled(train, number))


def vitrine(recipe: Recipe, train: Arrays) -> Loop:
    """What `vitrine-train` runs."""
    one = Model(recipe, train)
    epoch = compiled_epoch(one.model, one.optimizer, recipe, train, seed=0)
    return lambda number: epoch(_shuffled(train, number), tf.constant(number))


def _shuffled(train: Arrays, number: int) -> tf.Tensor:
    return tf.random.experimental.stateless_shuffle(tf.range(len(train[1])), [0, number])


def bare_products(recipe: Recipe, train: Arrays) -> Loop:
    """The matrix products of forward and backward passes, and nothing else."""
    widths = [784, *recipe.hidden_units, 10]
    weights = [tf.random.stateless_normal([a, b], [0, 1]) for a, b in itertools.pairwise(widths)]
    rows = recipe.batch_size
    layers = [tf.random.stateless_normal([rows, width], [0, 2]) for width in widths]

    @tf.function(jit_compile=True)
    def epoch(weights: list[tf.Tensor], layers: list[tf.Tensor], steps: tf.Tensor) -> tf.Tensor:
        found = tf.constant(0.0)
        for _ in tf.range(steps):
            carry = 1 + found * 1e-30  # so that no step is the same to the compiler as the last
            for number, weight in enumerate(weights):
                below, above = layers[number] * carry, layers[number + 1] * carry
                found += tf.reduce_mean(below @ weight)
                found += tf.reduce_mean(tf.transpose(below) @ above)
                if number:
                    found += tf.reduce_mean(above @ tf.transpose(weight))
        return found

    steps = tf.constant(-(-len(train[1]) // rows))

    def wait(number: int) -> None:
        del number
        epoch(weights, layers, steps).numpy()

    return wait


LOOPS: dict[str, Callable[[Recipe, Arrays], Loop]] = {
    "the text's eager loop": text,
    "its steps alone": eager,
    "fit": keras_fit,
    f"fit, {STEPS_PER_EXECUTION} steps an execution": keras_fit_in_runs,
    "one tf.function": one_function,
    "vitrine-train": vitrine,
    "bare matrix products": bare_products,
}


def measure(recipe: Recipe, train: Arrays, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each loop's epochs, after one that does not count."""
    loops = {name: make(recipe, train) for name, make in LOOPS.items()}
    for loop in loops.values():
        loop(0)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in track(range(1, rounds + 1), recipe.model, transient=True):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop(number)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    """Returns the median over the rounds of how many times longer `slow` took than `fast`."""
    pairs = zip(seconds[slow], seconds[fast], strict=True)
    return statistics.median(one / other for one, other in pairs)


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Epochs of each loop.")
def main(rounds: int) -> None:
    """Compare what an epoch takes."""
    dataset = load()
    train = (
        np.concatenate([dataset.train.images, dataset.validation.images]),
        np.concatenate([dataset.train.labels, dataset.validation.labels]),
    )
    console = Console(highlight=False)
    figures: dict[str, dict[str, Any]] = {}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("an epoch of 60,000 images")
    for model in ("mlp", "softmax"):
        seconds = measure(RECIPES[model], train, rounds)
        figures[model] = {
            "seconds": {name: statistics.median(found) for name, found in seconds.items()},
            "times_faster": {name: ratio(seconds, name, "vitrine-train") for name in LOOPS},
            "times_the_bare_products": ratio(seconds, "vitrine-train", "bare matrix products"),
        }
        table.add_column(model, justify="right")
        table.add_column("ours is faster", justify="right")
    for name in LOOPS:
        cells = []
        for found in figures.values():
            cells += [f"{found['seconds'][name]:.3f} s", f"{found['times_faster'][name]:.2f} x"]
        table.add_row(name, *cells)
    console.print(table)
    for model, found in figures.items():
        console.print(
            f"{model}: ours takes {found['times_the_bare_products']:.2f} times its matrix products"
        )
    console.print(f"Written to {results.write('training', figures)}")


if __name__ == "__main__":
    main()
