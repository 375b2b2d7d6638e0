"""The command `vitrine`: predict, models, loadtest."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitrine_client import loadtest as lab
from vitrine_client.client import Client
from vitrine_client.errors import VitrineError
from vitrine_client.predictions import Prediction

console = Console(highlight=False)

_url = click.option(
    "--url",
    default="http://127.0.0.1:8080",
    envvar="VITRINE_URL",
    show_default=True,
    show_envvar=True,
    help="The gateway.",
)
_key = click.option(
    "--key",
    default="",
    envvar="VITRINE_API_KEY",
    show_envvar=True,
    help="API key, if it wants one.",
)
_timeout = click.option(
    "--timeout-s", default=10.0, show_default=True, help="Longest wait for one answer, in seconds."
)
_model = click.option("--model", default="mlp", show_default=True, help="Which model to ask.")


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


@contextmanager
def _friendly() -> Iterator[None]:
    """Ends the command with a message, not a traceback, where the service or a file fails."""
    try:
        yield
    except (VitrineError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(allow_dash=True))
@_model
@click.option("--version", type=int, help="Which version to ask.  [default: the newest]")
@click.option("--top", default=1, show_default=True, help="How many classes to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a picture and line.")
@_url
@_key
@click.option(
    "--model-server",
    metavar="HOST:PORT",
    help="Ask a model server over gRPC, past the gateway (needs vitrine-client[grpc]).",
)
@_timeout
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
    with _friendly(), _predictor(url, key, model_server, timeout_s) as ask:
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
    try:
        from vitrine_client.model_server import ModelServerClient
    except ImportError as error:
        raise click.UsageError(
            f"--model-server needs gRPC ({error}): pip install 'vitrine-client[grpc]'"
        ) from error
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
    console.print(table)


@main.command()
@_url
@_key
@_timeout
def models(url: str, key: str, timeout_s: float) -> None:
    """List the models behind the gateway with their versions and states."""
    with _friendly(), Client(url, timeout_s=timeout_s, api_key=key) as client:
        listed = client.models()
    table = Table("model", "version", "state", "", box=None, pad_edge=False, header_style="dim")
    for name, statuses in listed.items():
        for status in statuses:
            table.add_row(name, str(status.version), status.state, status.error_message)
    console.print(table)


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@_model
@click.option("--concurrency", default=8, show_default=True, help="Requests in flight.")
@click.option("--duration-s", default=10.0, show_default=True, help="Length of the measurement.")
@click.option("--warm-up-s", default=1.0, show_default=True, help="Cut from the beginning.")
@_url
@_key
@_timeout
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
    with _friendly():
        with Client(url, timeout_s=timeout_s, api_key=key) as client:
            client.predict(bodies[0], model)  # a wrong address or picture shows before the load
        with console.status(f"{concurrency} in flight for {duration_s:g} s"):
            result = lab.closed_loop(
                lambda: Client(url, timeout_s=timeout_s, api_key=key),
                bodies,
                model,
                concurrency=concurrency,
                duration_s=duration_s,
                warm_up_s=warm_up_s,
            )
    console.print(lab.to_table(result))
    sys.exit(1 if result.errors else 0)
