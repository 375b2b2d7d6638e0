"""`python -m benchmarks.drift`: shifts, false alarms and costs of the gateway's watch for drift."""

import asyncio
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import results
from benchmarks.drift import fleets
from benchmarks.drift.cost import of_a_note, of_throughput
from benchmarks.drift.streams import SHIFTS, Subject, false_alarms, shifts
from benchmarks.published import newest_version
from vitrine_training.data.fashion_mnist import load
from vitrine_training.publish import versions as publish

MODELS = ("softmax", "mlp")
CLEAN = 10_000
"""Images in a stream without a shift."""


@click.command()
@click.option("--models-dir", default="models", type=click.Path(path_type=Path), show_default=True)
@click.option("--seeds", default=50, show_default=True, help="Streams of each kind.")
@click.option("--throughput", is_flag=True, help="Load real gateways with wrk, and nothing else.")
@click.option("--peers", is_flag=True, help="Pool windows of several gateways, and nothing else.")
@click.option(
    "--rounds", default=7, show_default=True, help="For the throughput, with and without."
)
@click.option("--seconds", default=10, show_default=True, help="Of each load.")
def main(
    models_dir: Path, seeds: int, throughput: bool, peers: bool, rounds: int, seconds: int
) -> None:
    """Measure how soon the gateway sees a shift, how often it sees none, and what that costs."""
    console = Console(highlight=False, width=100)
    trained = all(publish.versions(models_dir, model) for model in MODELS)
    with nullcontext(str(models_dir)) if trained else TemporaryDirectory() as name:
        if not trained:
            console.print(f"No models in {models_dir}: training some")
            train = [sys.executable, "-m", "vitrine_training", "train", "--models-dir", name]
            subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
        versions = {model: newest_version(Path(name), model) for model in MODELS}
        if throughput:
            figures = of_throughput(versions["mlp"], rounds, seconds, console)
            console.print(
                f"requests/s with the watch over without: {figures['ratio']:.3f} (median)\n"
                "processor time of the gateway a request, with and without: "
                f"{figures['cpu_us']['1']:.0f} and {figures['cpu_us']['0']:.0f} us"
            )
            written = results.write("drift_throughput", figures)
        elif peers:
            subject = Subject.of(versions["mlp"], load().test)
            figures = {"rates": fleets.rates(subject, 4 * seeds)}
            figures["streams"] = asyncio.run(fleets.streams(subject, seeds))
            fleets.show(figures, console)
            written = results.write("drift_peers", figures)
        else:
            figures = asyncio.run(_measure(versions, seeds))
            _show(figures, console)
            written = results.write("drift", figures)
    console.print(f"Written to {written}")


async def _measure(versions: dict[str, Path], seeds: int) -> dict[str, Any]:
    """Runs in an event loop, as the watch does, which has no turn meanwhile."""
    test, found = load().test, {}
    for model, version in versions.items():
        subject = Subject.of(version, test)
        found[model] = {
            "cost_us": of_a_note(subject),
            "clean": false_alarms(subject, seeds, CLEAN, slowly=False),
            "clean, slowly": false_alarms(subject, seeds, CLEAN, slowly=True),
            "shifts": {
                name: shifts(subject, name, seeds)
                for name in track(SHIFTS, f"{model}: shifts", transient=True)
            },
        }
    return {"seeds": seeds, "models": found}


def _show(figures: dict[str, Any], console: Console) -> None:
    for model, found in figures["models"].items():
        console.print(f"\n[bold]{model}[/], {figures['seeds']} streams of each kind")
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("images until the alarm is up, and down again")
        for heading in ("median", "95 %", "worst", "missed", "down: median", "worst"):
            table.add_column(heading, justify="right")
        for name, one in found["shifts"].items():
            up, down = one["until_up"], one["until_down"]
            cells = [up["median"], up["p95"], up["worst"], up["missed"]]
            cells += [down["median"], down["worst"]]
            table.add_row(name, *(f"{cell:.0f}" for cell in cells))
        console.print(table)
        for name in ("clean", "clean, slowly"):
            one = found[name]
            console.print(
                f"{name}: up {100 * one['up']:.3f} % of the time (worst stream "
                f"{100 * one['up_worst']:.2f} %), {one['alarms']} alarms, "
                f"{one['alarms_per_10000']:.3f} in 10,000 images"
            )
        costs = (f"{us:.1f} ({size} in a batch)" for size, us in found["cost_us"].items())
        console.print(f"us an image: {', '.join(costs)}")


if __name__ == "__main__":
    main()
