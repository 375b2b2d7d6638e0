"""Shift detection: how many images it takes, and how often there is a false alarm.

`python -m benchmarks.shift` takes the baseline from the validation images and draws windows from
the test images, as they are, changed, or with other shares of the classes.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import results
from benchmarks.published import newest_version
from vitrine_client.images import to_instance
from vitrine_serving.gateway.telemetry.drift import Baseline, Sample, Shift, detect
from vitrine_training.data.fashion_mnist import LABELS, Split, load
from vitrine_training.evaluation.drift_baseline import baseline, statistics
from vitrine_training.evaluation.drift_thresholds import SIZES
from vitrine_training.evaluation.metrics import evaluate
from vitrine_training.photos import CATALOGUE as KINDS

NOTICED = 0.95
"""A size counts as enough where this share of the windows raises the alarm, here and above."""

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Rows]


def noisy(images: Pixels) -> Pixels:
    """Adds normal noise with a standard deviation of 0.2 of white."""
    noise = np.random.default_rng(0).normal(0, 0.2 * 255, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def blurred(images: Pixels) -> Pixels:
    """Blurs with a normal kernel, 1 pixel wide."""
    blur = ImageFilter.GaussianBlur(1)
    return np.stack([np.asarray(Image.fromarray(image).filter(blur)) for image in images])


def moved(images: Pixels) -> Pixels:
    """Moves by 3 pixels to the right; black comes in."""
    return np.pad(images, ((0, 0), (0, 0), (3, 0)))[:, :, :-3]


def photographed(images: Pixels) -> Pixels:
    """Makes a photo of each, of all ordinary kinds in turn, and prepares it as the client does."""
    photos = (
        KINDS[number % len(KINDS)].draw(image, np.random.default_rng(number))
        for number, image in enumerate(images)
    )
    return np.stack([to_instance(photo) for photo in photos])


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "inverted": lambda images: 255 - images,
    "dimmed to 0.6": lambda images: (0.6 * images).astype(np.uint8),
    "noise, sigma 0.2": noisy,
    "blurred, sigma 1": blurred,
    "moved by 3 pixels": moved,
    "moved by 1 pixel": lambda images: np.pad(images, ((0, 0), (0, 0), (1, 0)))[:, :, :-1],
    "photos, prepared": photographed,
}
"""Covariate shifts by name."""

PHOTOGRAPHED = 800
"""Test images that photos are made of; the other changes are made to all."""


def only(*class_ids: int) -> npt.NDArray[np.float64]:
    """Returns equal shares for some classes and none for the others."""
    return np.isin(np.arange(len(LABELS)), class_ids) / len(class_ids)


SHARES = {
    "40 % shirts": 0.4 * only(6) + 0.6 * only(0, 1, 2, 3, 4, 5, 7, 8, 9),
    "50 % shoes": 0.5 * only(5, 7, 9) + 0.5 * only(0, 1, 2, 3, 4, 6, 8),
    "no trousers, no bags": only(0, 2, 3, 4, 5, 6, 7, 9),
    "no T-shirts, no sandals": only(1, 2, 3, 4, 6, 7, 8, 9),
}
"""Label shifts by name: the share of each class."""


def plainly(rows: Rows) -> Draw:
    """Returns what draws windows of different rows."""
    return lambda size, rng: rows[rng.choice(len(rows), size, replace=False)]


def in_shares(rows: Rows, labels: npt.NDArray[Any], shares: npt.NDArray[np.float64]) -> Draw:
    """Returns what draws windows with random classes, in these shares on average."""
    members = [np.flatnonzero(labels == one) for one in range(len(shares))]

    def draw(size: int, rng: np.random.Generator) -> Rows:
        counts = rng.multinomial(size, shares)
        chosen = [
            rng.choice(of_class, count) for of_class, count in zip(members, counts, strict=True)
        ]
        return rows[np.concatenate(chosen)]

    return draw


def found(known: Baseline, draw: Draw, size: int, windows: int) -> list[Shift]:
    """Draws windows of one size and returns what is detected in each."""
    rng = np.random.default_rng(size)
    return [detect(known, Sample.of(draw(size, rng))) for _ in range(windows)]


def by_size(known: Baseline, draw: Draw, kind: str, windows: int) -> dict[str, Any]:
    """Returns how often windows raise the alarm, by size, and from which size on they all do."""
    alarms, named = {}, {}
    for size in SIZES:
        shifts = found(known, draw, size, windows)
        alarms[size] = float(np.mean([shift.alarm for shift in shifts]))
        named[size] = float(np.mean([shift.kind == kind for shift in shifts]))
    missed = [size for size in SIZES if alarms[size] < NOTICED]
    enough = [size for size in SIZES if size > max(missed, default=0)]
    return {"enough": min(enough, default=None), "alarms": alarms, "named_rightly": named}


def share_error(known: Baseline, draw: Draw, shares: Rows, windows: int) -> float:
    """Returns the mean absolute error of an estimated share, in windows of 500 images."""
    priors = [shift.priors.priors for shift in found(known, draw, 500, windows)]
    return float(np.mean(np.abs(np.array(priors) - shares)))


def interval(rate: float, windows: int) -> tuple[float, float]:
    """Returns Wilson's 95 % confidence interval of a rate."""
    z = 1.96
    middle = (rate + z**2 / (2 * windows)) / (1 + z**2 / windows)
    spread = z * math.sqrt(rate * (1 - rate) / windows + (z / (2 * windows)) ** 2)
    spread /= 1 + z**2 / windows
    return max(0.0, middle - spread), min(1.0, middle + spread)


Answer = Callable[[Pixels], tuple[Rows, float]]
"""Takes test images, perhaps changed; returns their statistics and the model's accuracy."""


def answering(version_dir: Path, test: Split) -> Answer:
    """Returns what asks a published version about the first test images."""

    def answer(images: Pixels) -> tuple[Rows, float]:
        answered = evaluate(version_dir, Split(images, test.labels[: len(images)]))
        return statistics(images, answered.probabilities), answered.accuracy

    return answer


def false_alarms(known: Baseline, test: Rows, windows: int) -> dict[int, Any]:
    """Returns the rate of alarms in windows of unchanged test images, by size."""
    clean = {}
    for size in track(SIZES, "no shift", transient=True):
        shifts = found(known, plainly(test), size, windows)
        rate = float(np.mean([shift.alarm for shift in shifts]))
        clean[size] = {"rate": rate, "interval": interval(rate, windows)}
    return clean


@click.command()
@click.option("--models-dir", default="models", type=click.Path(path_type=Path), show_default=True)
@click.option("--model", default="mlp", show_default=True)
@click.option("--windows", default=500, show_default=True, help="For each shift and size.")
@click.option("--clean-windows", default=5000, show_default=True, help="For each size.")
def main(models_dir: Path, model: str, windows: int, clean_windows: int) -> None:
    """Measure how many images it takes to notice each shift, and the rate of false alarms."""
    data, version_dir = load(), newest_version(models_dir, model)
    validation = evaluate(version_dir, data.validation).probabilities
    known = Baseline.read(baseline(data.validation.images, validation, data.validation.labels))
    answer = answering(version_dir, data.test)
    test, accuracy = answer(data.test.images)
    clean = false_alarms(known, test, clean_windows)
    shifted = {}
    for name, change in track(CHANGES.items(), "covariate shift", transient=True):
        few = data.test.images[: PHOTOGRAPHED if change is photographed else None]
        rows, accuracy_now = answer(change(few))
        draw = in_shares(rows, data.test.labels[: len(few)], only(*range(len(LABELS))))
        shifted[name] = by_size(known, draw, "covariate", windows)
        shifted[name] |= {"accuracy": accuracy_now, "accuracy_unchanged": answer(few)[1]}
    for name, shares in track(SHARES.items(), "label shift", transient=True):
        draw = in_shares(test, data.test.labels, shares)
        shifted[name] = by_size(known, draw, "label", windows)
        shifted[name]["share_error"] = share_error(known, draw, shares, windows)
    figures = {"model": model, "accuracy": accuracy, "clean": clean, "shifted": shifted}
    figures |= {"windows": windows, "clean_windows": clean_windows}
    _show(figures)
    Console().print(f"Written to {results.write('shift', figures)}")


def _show(figures: dict[str, Any]) -> None:
    console = Console(highlight=False, width=100)
    console.print(
        f"\n[bold]{figures['model']}[/]: windows that raise the alarm in %, by their size"
    )
    alarms = Table(box=None, pad_edge=False, header_style="dim")
    alarms.add_column("", no_wrap=True)
    for heading in (*map(str, SIZES), "enough"):
        alarms.add_column(heading, justify="right", no_wrap=True)
    clean = figures["clean"].values()
    alarms.add_row("no shift", *(f"{100 * one['rate']:.2f}" for one in clean))
    alarms.add_row("  95 % sure: below", *(f"{100 * one['interval'][1]:.2f}" for one in clean))
    details = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "of the alarms, kind right", "accuracy, was", "mean error of a share"):
        details.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, one in figures["shifted"].items():
        rates = (f"{100 * rate:.0f}" for rate in one["alarms"].values())
        alarms.add_row(name, *rates, str(one["enough"]))
        enough = one["enough"] or SIZES[-1]
        right = f"{100 * one['named_rightly'][enough] / one['alarms'][enough]:.0f} %"
        changed = "accuracy" in one
        accuracy = f"{one['accuracy']:.3f}, {one['accuracy_unchanged']:.3f}" if changed else ""
        details.add_row(name, right, accuracy, "" if changed else f"{one['share_error']:.3f}")
    console.print(alarms, "", details, sep="\n")


if __name__ == "__main__":
    main()
