"""Fuzz command: `python -m tests.fuzz` sends hostile requests to a gateway of its own, for as long
as one likes. Exit code 1: something was wrong; the last lines say how to see it again."""

import random
import sys
import tempfile
from itertools import count
from pathlib import Path

import click

from tests.fuzz import rows, runner
from tests.fuzz.service import service

WORKERS = 2
_LOG_LINES = 40
_ROWS = 10_000


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=60.0)
@click.option("--seed", type=int, help="Of all requests.  [default: another each time]")
@click.option("--first", type=click.IntRange(min=0), default=0, help="Number of the first one.")
def main(seconds: float, seed: int | None, first: int) -> None:
    """Fuzz a gateway with its default limits."""
    seed = random.randrange(2**32) if seed is None else seed
    compared = rows.compare(seed, _ROWS)
    if compared.wrong:
        click.echo(f"{len(compared.wrong)} rows are not read as Pillow reads them; the first is")
        click.echo(compared.wrong[0].hex())
        sys.exit(1)
    click.echo(f"Seed {seed}; {_ROWS} rows are read as Pillow reads them; starting the service")
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), WORKERS) as gateway:
        report = runner.run(gateway, seed, seconds, count(first), WORKERS)
        click.echo(report)
        log = gateway.log.read_text().splitlines()
        report.faults.extend(line for line in log if "Traceback" in line)
        if report.faults:
            click.echo("\n".join(log[-_LOG_LINES:]))
            click.echo(f"Again: make fuzz SEED={seed} SECONDS_EACH={seconds:g}")
            click.echo(f"From one request on: python -m tests.fuzz --seed {seed} --first NUMBER")
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
