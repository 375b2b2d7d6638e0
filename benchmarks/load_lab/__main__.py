"""`python -m benchmarks.load_lab`: measure, print, and write `benchmarks/results/load_lab.json`."""

import click
from rich.console import Console

from benchmarks.gateway import wrk
from benchmarks.load_lab import beside_wrk, capacity, cheap, folder, pairs, part, truth
from benchmarks.published import newest_version

PARTS = ("truth", "wrk", "cheap", "capacity", "pairs", "folder")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Which parts; else all.")
@click.option("--models-dir", default="models", show_default=True, help="Where the mlp is.")
@click.option("--seeds", default=4, show_default=True, help="Servers to find the capacity of.")
@click.option("--pairs", "pair_count", default=20, show_default=True, help="Pairs to compare.")
def main(only: tuple[str, ...], models_dir: str, seeds: int, pair_count: int) -> None:
    """Measure the load lab: whether it tells the truth, what it costs, and what it can tell; and
    how fast the client is with a folder of images."""
    console = Console(highlight=False)
    chosen = only or PARTS
    if {"wrk", "cheap", "folder"} & set(chosen):
        wrk.require()
    measures = {
        "truth": truth.measure,
        "wrk": lambda say: beside_wrk.measure(newest_version(models_dir), say),
        "cheap": cheap.measure,
        "capacity": lambda say: capacity.measure(seeds, say),
        "pairs": lambda say: pairs.measure(pair_count, say),
        "folder": lambda say: folder.measure(newest_version(models_dir), say),
    }
    part.measure(chosen, measures, "load_lab", console)


if __name__ == "__main__":
    main()
