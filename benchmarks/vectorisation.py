"""Vectorisation, the text's first lesson: two vectors added number by number, and at once."""

import statistics
import time
from collections.abc import Callable

import click
import tensorflow as tf
from rich.console import Console

from benchmarks import results

NUMBERS = 10_000


def by_element(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """A Python loop that adds number by number."""
    total = tf.Variable(tf.zeros(len(a)))
    for index in range(len(a)):
        total[index].assign(a[index] + b[index])
    return total


def at_once(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """One operation."""
    return a + b


def seconds(add: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], times: int) -> float:
    """Returns what one of `times` calls takes."""
    a, b = tf.ones(NUMBERS), tf.ones(NUMBERS)
    add(a, b)
    started = time.perf_counter()
    for _ in range(times):
        add(a, b)
    return (time.perf_counter() - started) / times


@click.command()
def main() -> None:
    """Compare the two, three times in turn."""
    rounds = [(seconds(by_element, 1), seconds(at_once, 1_000)) for _ in range(3)]
    slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    Console(highlight=False).print(
        f"Adding {NUMBERS:,} numbers: one by one {slow:.2f} s, at once {1e6 * fast:.1f} us, "
        f"{ratio:,.0f} times faster"
    )
    results.write("vectorisation", {"loop_s": slow, "vectorised_s": fast, "ratio": ratio})


if __name__ == "__main__":
    main()
