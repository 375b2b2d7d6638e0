"""Predict command: prints predictions as a table, JSON or CSV."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import click
from rich.progress import Progress

from vitrine_client.cli import open_inference, options, sources
from vitrine_client.cli.gateway import GatewayOptions, gateway_options
from vitrine_client.cli.options import Box, box, which_version
from vitrine_client.cli.output import formats
from vitrine_client.errors import EmptyPicture, InvalidImage
from vitrine_client.images import Picture
from vitrine_client.process import addresses
from vitrine_client.process.console import VisibleConsole
from vitrine_client.results.predictions import Prediction
from vitrine_client.results.profiles.completion import ProfileLayer

PredictionOutcome = Prediction | InvalidImage


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(allow_dash=True))
@options.model
@which_version
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="How many classes to show, best first.  [default: 1; all with --json]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a picture and line.")
@click.option("--csv", "as_csv", is_flag=True, help="A header, and a row a picture.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=128,
    help="Most pictures in one request.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=4,
    help="Most requests in flight.",
)
@click.option(
    "--local",
    is_flag=True,
    help="Make the 28x28 pixels that the model sees here: a large photo need not travel.",
)
@box
@open_inference.predicting_options
@click.option(
    "--model-server",
    metavar="HOST:PORT",
    callback=options.checked(addresses.checked_model_server),
    help="Ask a model server over gRPC, past the gateway (needs vitrine-client[grpc]).",
)
@gateway_options
def predict(
    pictures: tuple[str, ...],
    top: int | None,
    as_json: bool,
    as_csv: bool,
    model_server: str | None,
    way: str | None,
    profile: tuple[ProfileLayer, ...],
    labels: tuple[ProfileLayer, ...],
    gateway: GatewayOptions,
    **asked: Any,
) -> None:
    """Predict what is in PICTURES.

    PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF: files, folders, patterns in quotes, or -
    for standard input.

    \b
    vitrine predict shoe.png photos/              files, and what is in a folder
    vitrine predict 'photos/**/*.jpg' --csv       what a pattern matches, for a spreadsheet
    vitrine predict - --json --top 3 < shoe.png   three classes, for a program
    vitrine predict photos/ --label stable --local
    vitrine predict photos/ --as v2 --url http://127.0.0.1:8000 --model resnet --labels names.txt

    Rows come as they are answered, in order. What was left out of a picture, or is doubtful, is
    noted below its row (--csv: warnings; --json: warnings, and the box that the item was found in).
    Where there is nothing to see, no model is asked, and the row says so.

    With --as v2 any server of the Open Inference Protocol is asked, such as Triton, KServe or
    MLServer. Such a server does not say how pixels are scaled: what is assumed is noted, and
    --profile tells otherwise. Labels are the server's own, or those of --labels.

    Of a folder, files are left out that are not named as pictures are; a note counts them.

    Exit code 1: some picture cannot be read, and its row says why; or there is nothing to see in
    any; or there is no such model.
    """
    if model_server:
        options.refuse_typed("--model-server goes past the gateway", "url", "key")
        if way:
            raise click.UsageError(
                "--model-server is asked by TensorFlow Serving's gRPC; with --as v2 give --url"
            )
    if way:
        options.refuse_typed("The Open Inference Protocol has no version labels", "label")
    else:
        options.refuse_typed("It is for --as v2", "profile", "labels")
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two ways to write; give one")
    with options.friendly(), options.default_model_noted():
        names = sources.named(pictures)
        if asked["box"] is not None and len(names) != 1:
            raise click.UsageError(f"--box is a place in one picture; {len(names)} are named")
        write = _writer(names, top, as_json, as_csv)
        client: Any
        if way:
            client = open_inference.predictor(gateway, (*labels, *profile))
        else:
            client = gateway.model_server(model_server) if model_server else gateway.client()
        if model_server:
            del asked["local"]  # it always is
        with client, closing(_asked(client, sources.opened(names), **asked)) as answers:
            good = _written(write, names, _followed(answers, len(names), asked["batch_size"]))
    sys.exit(0 if good else 1)


def _written(
    write: Callable[[str, PredictionOutcome], None],
    names: Sequence[str],
    answers: Iterable[PredictionOutcome],
) -> bool:
    """Writes the answers as they come; says whether all pictures could be read, and some showed
    anything."""
    unread = empty = 0
    for name, answer in zip(names, answers, strict=True):
        empty += isinstance(answer, EmptyPicture)
        unread += not isinstance(answer, Prediction | EmptyPicture)
        write(name, answer)
    return not unread and empty < len(names)


def _asked(
    client: Any, pictures: Iterable[Picture], *, box: Box | None, **asked: Any
) -> Generator[PredictionOutcome, None, None]:
    """Asks one of the clients about many pictures, or about the box of one."""
    if box is None:
        yield from client.predict_many(pictures, **asked)
        return
    alone = {name: asked[name] for name in asked if name not in ("batch_size", "concurrency")}
    for picture in pictures:
        try:
            yield client.predict(picture, box=box, **alone)
        except InvalidImage as error:
            yield error


def _writer(names: list[str], top: int | None, as_json: bool, as_csv: bool) -> formats.Write:
    if as_json:
        return formats.as_json(options.console, top)
    if as_csv:
        return formats.as_csv(options.console, top)
    return formats.as_table(options.console, top, names)


def _followed(
    answers: Iterator[PredictionOutcome], total: int, batch_size: int
) -> Iterator[PredictionOutcome]:
    """Shows how far it is, where the rows themselves do not, and if there is time to look."""
    console = VisibleConsole(stderr=True)
    if options.console.is_terminal or not console.is_terminal or total <= batch_size:
        yield from answers
        return
    with Progress(console=console, transient=True) as bar:
        yield from bar.track(answers, total=total, description="")
