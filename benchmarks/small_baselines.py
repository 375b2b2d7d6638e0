"""Baselines of few pictures: how often they raise an alarm without a shift, and what they see.

`python -m benchmarks.small_baselines` draws baselines from the test part, which the model was not
trained on, and windows from the rest of it. With `--data`, the model is one of own data.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import results
from benchmarks.published import newest_version
from benchmarks.shift import CHANGES, Rows, plainly
from vitrine_client.results.drift_statistics import STATISTICS
from vitrine_serving.gateway.telemetry.drift import Baseline, Sample
from vitrine_serving.gateway.telemetry.drift.detect import detect, judge
from vitrine_training.data.fashion_mnist import Split
from vitrine_training.data.fashion_mnist import load as load_clothes
from vitrine_training.data.own.finding import load as load_own
from vitrine_training.evaluation.drift_baseline import FEWEST, baseline, statistics
from vitrine_training.evaluation.drift_thresholds import SIZES
from vitrine_training.evaluation.metrics import evaluate

Ids = npt.NDArray[Any]
KINDS = ("inverted", "dimmed to 0.6", "blurred, sigma 1")
FEWER = "none of the class that comes most"


class Population:
    """Pictures that baselines and windows are drawn from: `rows` of statistics by kind of shift."""

    def __init__(self, version_dir: Path, split: Split, classes: tuple[int, ...]) -> None:
        chosen = np.isin(split.labels, classes)
        self.images = split.images[chosen]
        self.labels = np.searchsorted(classes, split.labels[chosen])
        labels = split.labels[chosen]

        def outputs(images: Any) -> Rows:
            shares = evaluate(version_dir, Split(images, labels)).probabilities[:, list(classes)]
            return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)

        self.outputs = outputs(self.images)
        self.rows = {"": statistics(self.images, self.outputs)}
        for kind in KINDS:
            changed = CHANGES[kind](self.images)
            self.rows[kind] = statistics(changed, outputs(changed))

    def drawn(self, count: int, rng: np.random.Generator) -> Ids:
        """Draws so many with all classes among them, one picture of each first."""
        first = [rng.choice(np.flatnonzero(self.labels == one)) for one in np.unique(self.labels)]
        others = rng.permutation(np.setdiff1d(np.arange(len(self.labels)), first))
        return np.concatenate([first, others[: count - len(first)]])

    def windows_of(self, rest: Ids) -> Iterator[tuple[str, Rows]]:
        """Yields kinds of shift, and the rows of the pictures that are not in the baseline."""
        for kind, rows in self.rows.items():
            yield kind, rows[rest]
        labels = self.labels[rest]
        yield FEWER, self.rows[""][rest][labels != np.bincount(labels).argmax()]


def measured(population: Population, count: int, baselines: int, windows: int) -> dict[str, Any]:
    """Returns, by kind of shift and size, the share of windows of each baseline that raise the
    alarm: `plain` by the card's thresholds, `gateway` by those of a sliding window."""
    found: dict[str, Any] = {}
    for seed in track(range(baselines), f"{count} pictures", transient=True):
        rng = np.random.default_rng(seed)
        drawn = population.drawn(count, rng)
        images, outputs = population.images[drawn], population.outputs[drawn]
        known = Baseline.read(baseline(images, outputs, population.labels[drawn]))
        rest = np.setdiff1d(np.arange(len(population.labels)), drawn)
        for kind, rows in population.windows_of(rest):
            for size in (one for one in SIZES if one <= len(rows)):
                samples = [Sample.of(plainly(rows)(size, rng)) for _ in range(windows)]
                by_size = found.setdefault(kind, {}).setdefault(size, {"plain": [], "gateway": []})
                plain = np.mean([detect(known, one).alarm for one in samples])
                sliding = np.mean([judge(known, one, "none").alarm for one in samples])
                by_size["plain"].append(float(plain))
                by_size["gateway"].append(float(sliding))
    return found


@click.command()
@click.option("--models-dir", default="models", type=click.Path(path_type=Path), show_default=True)
@click.option("--model", default="mlp", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Own data with a part `test`.")
@click.option("--classes", help="Class ids, with commas; all of them without it.")
@click.option("--pictures", type=int, help=f"In a baseline; {FEWEST} for each figure without it.")
@click.option("--baselines", default=40, show_default=True)
@click.option("--windows", default=250, show_default=True, help="For each baseline and size.")
def main(
    models_dir: Path,
    model: str,
    data: Path | None,
    classes: str | None,
    pictures: int | None,
    baselines: int,
    windows: int,
) -> None:
    """Measure what baselines of few pictures see, and how often they see what is not there."""
    if data:
        test = load_own(data).parts["test"]
        split = Split(test.images, test.labels.astype(np.uint8))
    else:
        split = load_clothes().test
    every = range(int(split.labels.max()) + 1)
    ids = tuple(sorted(map(int, classes.split(",")))) if classes else tuple(every)
    count = pictures or FEWEST * (len(STATISTICS) + len(ids))
    population = Population(newest_version(models_dir, model), split, ids)
    found = measured(population, count, baselines, windows)
    figures = {"model": model, "classes": len(ids), "pictures": count, "found": found}
    _show(figures)
    Console().print(f"Written to {results.write('small_baselines', figures)}")


def _show(figures: dict[str, Any]) -> None:
    console = Console(highlight=False, width=110)
    console.print(f"\n{figures['model']}: baselines of {figures['pictures']}; alarms in %, by size")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", *map(str, SIZES)):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    clean = figures["found"][""].values()
    for name, key in (("card's thresholds", "plain"), ("gateway's", "gateway")):
        rates = [one[key] for one in clean]
        table.add_row(f"no shift, {name}", *(f"{100 * np.mean(one):.2f}" for one in rates))
        table.add_row("  worst baseline", *(f"{100 * max(one):.1f}" for one in rates))
    for kind, sizes in figures["found"].items():
        if kind:
            seen = (f"{100 * np.mean(one['gateway']):.0f}" for one in sizes.values())
            table.add_row(kind, *seen)
    console.print(table)


if __name__ == "__main__":
    main()
