"""`python -m benchmarks.load_lab`: measure, print, and write `benchmarks/results/load_lab.json`."""

import json
import platform
import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.gateway import wrk
from benchmarks.gateway.__main__ import newest_version
from benchmarks.gateway.tables import verdicts_table
from benchmarks.load_lab import beside_wrk, capacity, cheap, folder, pairs, truth
from benchmarks.load_lab.part import Part, Say

Measure = Callable[[Say], Part]
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
    measure: dict[str, Measure] = {
        "truth": truth.measure,
        "wrk": lambda say: beside_wrk.measure(newest_version(models_dir), say),
        "cheap": cheap.measure,
        "capacity": lambda say: capacity.measure(seeds, say),
        "pairs": lambda say: pairs.measure(pair_count, say),
        "folder": lambda say: folder.measure(newest_version(models_dir), say),
    }
    for name in chosen:
        began_s = time.monotonic()
        with console.status(name) as status:
            part = measure[name](lambda what, name=name: status.update(f"{name}: {what}"))
        _show(part, console)
        _write(name, part, time.monotonic() - began_s)


def _show(part: Part, console: Console) -> None:
    table = Table(*part.headings, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in part.rows:
        table.add_row(*row)
    console.print(table, "", verdicts_table(part.verdicts), "")


def _write(name: str, part: Part, took_s: float) -> None:
    """Keeps what was measured of other parts before."""
    path = results.RESULTS / "load_lab.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    aims = [vars(verdict) for verdict in part.verdicts]
    about = {"python": platform.python_version(), "took_s": round(took_s)}
    results.write("load_lab", {**known, name: {**about, **part.figures, "aims": aims}})


if __name__ == "__main__":
    main()
