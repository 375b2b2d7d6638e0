"""The command `vitrine`: predict, models, loadtest."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from vitrine_client.cli import options
from vitrine_client.client import Client
from vitrine_client.errors import VitrineError
from vitrine_client.loadtest import closed as lab
from vitrine_client.predictions import Prediction


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Ask a Vitrine gateway what is in a picture.

    \b
    vitrine predict shoe.png bag.jpg     what it sees in each
    vitrine predict - < shoe.png         the same, from standard input
    vitrine models                       which models and versions answer
    vitrine loadtest shoe.png            how fast it answers

    Exit codes: 0 all well, 1 some pictures or requests failed, 2 wrong usage or no answer.
    """


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(allow_dash=True))
@options.model
@click.option("--version", type=int, help="Which version to ask.  [default: the newest]")
@click.option("--top", default=1, show_default=True, help="How many classes to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a picture and line.")
@options.url
@options.key
@click.option(
    "--model-server",
    metavar="HOST:PORT",
    help="Ask a model server over gRPC, past the gateway (needs vitrine-client[grpc]).",
)
@options.timeout_s
def predict(
    pictures: tuple[str, ...],
    model: str,
    version: int | None,
    top: int,
    as_json: bool,
    url: str,
    key: str,
    model_server: str | None,
    timeout_s: float,
) -> None:
    """Predict what is in PICTURES: PNG, JPEG, WebP, GIF or BMP files of any size, or -."""
    failed = False
    rows: list[tuple[str, Prediction | Exception]] = []
    with options.friendly(), _predictor(url, key, model_server, timeout_s) as ask:
        for name in pictures:
            picture = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            try:
                rows.append((name, ask(picture, model, version)))
            except VitrineError as error:
                if error.status not in (400, 413):  # not this picture's fault: so with all of them
                    raise
                failed = True
                rows.append((name, error))
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows, top)
    sys.exit(1 if failed else 0)


Ask = Callable[[bytes, str, int | None], Prediction]


@contextmanager
def _predictor(url: str, key: str, model_server: str | None, timeout_s: float) -> Iterator[Ask]:
    if model_server is None:
        with Client(url, timeout_s=timeout_s, api_key=key) as client:
            yield lambda picture, model, version: client.predict(picture, model, version=version)
        return
    with options.needs("grpc", "--model-server"):
        from vitrine_client.model_server import ModelServerClient
    with ModelServerClient(model_server, timeout_s=timeout_s) as direct:
        yield lambda picture, model, version: direct.predict(picture, model, version=version)


def _print_json(rows: list[tuple[str, Prediction | Exception]]) -> None:
    for name, result in rows:
        content: dict[str, Any] = (
            dataclasses.asdict(result) if isinstance(result, Prediction) else {"error": str(result)}
        )
        click.echo(json.dumps({"picture": name} | content))


def _print_table(rows: list[tuple[str, Prediction | Exception]], top: int) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("picture", "label", "probability", "", "model"):
        table.add_column(heading, justify="right" if heading == "probability" else "left")
    for name, result in rows:
        if isinstance(result, Exception):
            table.add_row(Path(name).name, Text(str(result), style="red"))
            continue
        for rank, (label, probability) in enumerate(result.top(top)):
            table.add_row(
                Path(name).name if rank == 0 else "",
                label,
                f"{probability:.3f}",
                "█" * round(probability * 20),
                f"{result.model}/{result.version}" if rank == 0 else "",
            )
    options.console.print(table)


@main.command()
@options.url
@options.key
@options.timeout_s
def models(url: str, key: str, timeout_s: float) -> None:
    """List the models behind the gateway with their versions and states."""
    with options.friendly(), Client(url, timeout_s=timeout_s, api_key=key) as client:
        listed = client.models()
    table = Table("model", "version", "state", "", box=None, pad_edge=False, header_style="dim")
    for name, statuses in listed.items():
        for status in statuses:
            table.add_row(name, str(status.version), status.state, status.error_message)
    options.console.print(table)


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@options.model
@click.option("--concurrency", default=8, show_default=True, help="Requests in flight.")
@click.option("--duration-s", default=10.0, show_default=True, help="Length of the measurement.")
@click.option("--warm-up-s", default=1.0, show_default=True, help="Cut from the beginning.")
@options.url
@options.key
@options.timeout_s
def loadtest(
    pictures: tuple[str, ...],
    model: str,
    concurrency: int,
    duration_s: float,
    warm_up_s: float,
    url: str,
    key: str,
    timeout_s: float,
) -> None:
    """Measure inference latency: send PICTURES again and again, each request after an answer.

    A closed loop: when the service stalls, so does the load, and the percentiles look better than
    those of users who do not wait for one another.
    """
    bodies = [Path(name).read_bytes() for name in pictures]
    with options.friendly():
        with Client(url, timeout_s=timeout_s, api_key=key) as client:
            client.predict(bodies[0], model)  # a wrong address or picture shows before the load
        with options.console.status(f"{concurrency} in flight for {duration_s:g} s"):
            result = lab.closed_loop(
                lambda: Client(url, timeout_s=timeout_s, api_key=key),
                bodies,
                model,
                concurrency=concurrency,
                duration_s=duration_s,
                warm_up_s=warm_up_s,
            )
    options.console.print(lab.to_table(result))
    sys.exit(1 if result.errors else 0)
