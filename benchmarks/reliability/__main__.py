"""`python -m benchmarks.reliability`: all of it, one after the other."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console

from benchmarks import results
from benchmarks.reliability.decoding import FORMATS, decoding
from benchmarks.reliability.ends import kills, terms
from benchmarks.reliability.overload import overload
from benchmarks.reliability.silence import scaling, silence
from benchmarks.reliability.soak import soak
from benchmarks.reliability.subject import served
from harness.gateway import Gateway


def _with(models: Path, scratch: Path, measure: Callable[[Gateway], Any]) -> Any:
    """Measures a gateway in front of a model server that are started for it."""
    with served(models, scratch) as started:
        return measure(started)


@click.command()
@click.option("--models-dir", default="models", show_default=True, help="Where the mlp is.")
@click.option("--overload-s", default=60.0, show_default=True, help="Seconds of overload.")
@click.option("--kills", "kill_count", default=10, show_default=True, help="Of the model server.")
@click.option("--terms", "term_count", default=50, show_default=True, help="Of a worker.")
@click.option("--silence-s", default=10.0, show_default=True, help="Seconds, a silent server each.")
@click.option("--soak-s", default=600.0, show_default=True, help="Seconds of the long load.")
def main(
    models_dir: str,
    overload_s: float,
    kill_count: int,
    term_count: int,
    silence_s: float,
    soak_s: float,
) -> None:
    """Overload a gateway, kill or silence its model servers, end its workers, load it for long."""
    console = Console(highlight=False)
    models = Path(models_dir)
    found: dict[str, object] = {}
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        scenarios: dict[str, Any] = {
            "overload": lambda: overload(overload_s),
            **{f"decoding {name}": partial(decoding, name, overload_s) for name in FORMATS},
            "kills": lambda: kills(models, scratch, kill_count),
            "terms": lambda: _with(models, scratch, lambda started: terms(started, term_count)),
            "silence": lambda: silence(silence_s),
            "scaling": lambda: scaling(silence_s),
            "soak": lambda: _with(
                models, scratch, lambda started: soak(started, soak_s, min(60.0, soak_s / 4))
            ),
        }
        for name, run in scenarios.items():
            with console.status(f"{name} ..."):
                outcome = run()
            console.print(name, outcome)
            found[name] = asdict(outcome)
    results.write("reliability", found)


if __name__ == "__main__":
    main()
