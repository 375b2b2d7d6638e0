"""`python -m benchmarks.skew`: what a network answers where it is served other pixels than it was
trained with, by resize filter and by other members of a profile."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import keras
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.skew.network import Skew, Trained
from benchmarks.skew.photos import draw
from benchmarks.skew.pipelines import PIPELINES, RESIZES, served
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.data.fashion_mnist import load

MISTAKES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "`crop` for `stretch`": {"fit": "crop"},
    "`pad` for `stretch`": {"fit": "pad"},
    "`-1..1` for `0..1`": {"scaling": "-1..1"},
    "`0..255` for `0..1`": {"scaling": "0..255"},
    "`negative` for `as is`": {"polarity": "negative"},
}
"""Members of a profile that are wrong, and what they are instead."""


@click.command()
@click.option("--train", "trained", default=2000, show_default=True, help="Photos to train with.")
@click.option("--test", "tested", default=1000, show_default=True, help="Photos to ask about.")
@click.option("--side", default=48, show_default=True, help="Pixels of a picture's side.")
@click.option("--epochs", default=8, show_default=True)
@click.option("--processes", default=os.cpu_count(), show_default=True)
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    help="Folder to keep the photos in; those of an earlier run are taken as they are.",
)
def main(
    trained: int, tested: int, side: int, epochs: int, processes: int, photos: Path | None
) -> None:
    """Measure train/serve skew: of filters, and of other members of a profile."""
    console = Console(highlight=False, width=150)
    data = load()
    with tempfile.TemporaryDirectory() as temporary:
        folder = photos or Path(temporary)
        train = _files(draw(data.train, trained, folder / f"train-{trained}", processes))
        test = _files(draw(data.test, tested, folder / f"test-{tested}", processes))
        right = ModelProfile(shape=(side, side, 3), fit="stretch")
        own = {resize: served(test, replace(right, resize=resize)) for resize in RESIZES}
        networks: dict[str, Trained] = {}
        filters: dict[str, dict[str, Skew]] = {}
        for pipeline in PIPELINES:
            keras.utils.set_random_seed(0)
            network = Trained(pipeline, train, test, side, epochs)
            networks[pipeline.name] = network
            filters[pipeline.name] = {
                resize: network.skew(levels, right) for resize, levels in own.items()
            }
        first = networks[PIPELINES[0].name]
        wrong = {name: replace(right, **members) for name, members in MISTAKES.items()}
        others = {
            name: first.skew(served(test, profile), profile) for name, profile in wrong.items()
        }
    _show_filters(console, networks, filters)
    _show_others(console, others)
    versions = {name: version(name) for name in ("tensorflow", "keras", "pillow", "numpy")}
    console.print(", ".join(f"{name} {number}" for name, number in versions.items()))
    figures = {
        "filters": {
            name: {resize: skew._asdict() for resize, skew in skews.items()}
            for name, skews in filters.items()
        },
        "others": {name: skew._asdict() for name, skew in others.items()},
        "accuracy": {name: network.accuracy for name, network in networks.items()},
        "versions": versions,
    }
    console.print(f"Written to {results.write('skew', figures)}")


def _files(folder: Path) -> Sequence[Path]:
    """Returns the files of a folder of classes in the order in which Keras reads them."""
    return sorted(folder.glob("*/*"))


def _show_filters(
    console: Console,
    networks: Mapping[str, Trained],
    filters: Mapping[str, Mapping[str, Skew]],
) -> None:
    table = Table("trained with", "right", *RESIZES, title="served with the filter")
    for name, skews in filters.items():
        cells = [_cell(skews[resize]) for resize in RESIZES]
        table.add_row(name, f"{networks[name].accuracy:.3f}", *cells)
    console.print(table)
    console.print("In each cell: mean and largest difference, of 255; classes changed; right.")


def _show_others(console: Console, others: Mapping[str, Skew]) -> None:
    table = Table("mistake", "mean", "largest", "changed", "right", title=PIPELINES[0].name)
    for name, skew in others.items():
        table.add_row(
            name,
            f"{skew.mean:.2f}",
            f"{skew.largest:.1f}",
            str(skew.changed),
            f"{skew.accuracy:.3f}",
        )
    console.print(table)


def _cell(skew: Skew) -> str:
    return f"{skew.mean:.2f}, {skew.largest:.0f}; {skew.changed}; {skew.accuracy:.3f}"


if __name__ == "__main__":
    main()
