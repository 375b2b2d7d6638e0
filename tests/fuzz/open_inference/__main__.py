"""Fuzz command of the Open Inference Protocol: `python -m tests.fuzz.open_inference` sends so many
requests that are nearly right, over HTTP and gRPC. Exit code 1: something was wrong; the last lines
say how to see it again."""

import random
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.fuzz.open_inference.checking import check
from tests.fuzz.open_inference.service import service

WORKERS = 2


@click.command()
@click.option("--requests", type=click.IntRange(min=1), default=5000)
@click.option("--seed", type=int, help="Of all requests.  [default: another each time]")
@click.option("--first", type=click.IntRange(min=0), default=0, help="Number of the first one.")
def main(requests: int, seed: int | None, first: int) -> None:
    """Fuzz the Open Inference Protocol of a gateway with its default limits."""
    seed = random.randrange(2**32) if seed is None else seed
    click.echo(f"Seed {seed}; starting the service of the Open Inference Protocol")
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), WORKERS) as running:
        began_s = time.monotonic()
        report = check(*running, seed, iter(range(first, first + requests)), WORKERS)
        rate = sum(report.sent.values()) / (time.monotonic() - began_s)
        click.echo(f"{report}\n{rate:.0f} requests a second")
        if report.faults:
            again = "python -m tests.fuzz.open_inference --seed"
            click.echo(f"Again: {again} {seed} --first {first} --requests {requests}")
            click.echo(f"One request: {again} {seed} --first NUMBER --requests 1")
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
