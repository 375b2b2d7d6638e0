"""`python -m benchmarks.load_truth`: measure, print, and write `results/load_truth.json`."""

import click
from rich.console import Console

from benchmarks.load_lab import part
from benchmarks.load_truth import own, peers
from benchmarks.load_truth.compiled import AB, H2LOAD, HEY, WRK
from benchmarks.load_truth.scripted import ARTILLERY, AUTOCANNON, LOCUST, vitrine
from benchmarks.load_truth.tool import Tool

TOOLS = (vitrine(), vitrine("poisson"), WRK, AB, HEY, H2LOAD, AUTOCANNON, LOCUST, ARTILLERY)
PARTS = ("own", "peers")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Which parts; else all.")
@click.option("--tools", default="", help="Names of tools, separated by commas; else all.")
def main(only: tuple[str, ...], tools: str) -> None:
    """Hold load generators against the log of the server that they measured: `vitrine loadtest`
    ("own": loops, errors, searches), and beside it those that are installed ("peers")."""
    console = Console(highlight=False)
    chosen = _installed(tools, console)
    measures = {"own": own.measure, "peers": lambda say: peers.measure(chosen, say)}
    part.measure(only or PARTS, measures, "load_truth", console)


def _installed(names: str, console: Console) -> list[Tool]:
    wanted = set(filter(None, names.split(",")))
    tools = [tool for tool in TOOLS if not wanted or tool.name in wanted]
    for tool in tools:
        if tool.version() is None:
            console.print(f"{tool.name} is not installed, and is left out")
    return [tool for tool in tools if tool.version() is not None]


if __name__ == "__main__":
    main()
