"""Load test command: options of `vitrine loadtest`, and its help."""

import sys
from pathlib import Path
from typing import Any

import click

from vitrine_client.cli import options
from vitrine_client.cli.gateway import gateway_tls_flags
from vitrine_client.cli.loadtest.request import (
    DURATION_S,
    IN_FLIGHT,
    SEATS,
    WARM_UP_S,
    LoadRequest,
    checked_address,
    headers,
    output,
    rates,
)
from vitrine_client.cli.options import which_version
from vitrine_client.http.protocol import LONGEST_S

_COUNT = click.IntRange(min=1)
_SECONDS = options.SECONDS


@click.command(short_help="Measure latency under load.")
@click.argument("pictures", nargs=-1, type=click.Path(allow_dash=True))
@options.model
@which_version
@options.url
@options.key
@gateway_tls_flags
@click.option(
    "--as",
    "way",
    type=click.Choice(("raw", "multipart", "npy", "json")),
    help="How pictures travel to the gateway.  [default: raw, files as they are]",
)
@click.option(
    "--batch-size",
    type=_COUNT,
    default=1,
    show_default=True,
    help="Pictures in each request.",
)
@click.option(
    "--model-server",
    metavar="ADDRESS",
    callback=options.checked(checked_address),
    help="Ask a model server, past the gateway: HOST:PORT by gRPC, http://HOST:PORT by REST.",
)
@click.option(
    "--header",
    "-H",
    "headers",
    multiple=True,
    callback=headers,
    metavar="'NAME: VALUE'",
    help="Send this with each request, by gRPC as metadata. Several times for several.",
)
@click.option(
    "--no-keep-alive",
    is_flag=True,
    help="A new connection for each request: its latency has connecting and TLS in it, which are "
    "shown by themselves, too.",
)
@click.option("--insecure", is_flag=True, help="Take any certificate of the gateway.")
@click.option(
    "--concurrency",
    type=_COUNT,
    help=f"Closed loop: so many in flight, each sent after an answer.  [default: {IN_FLIGHT}]",
)
@click.option(
    "--rate",
    callback=rates,
    metavar="RATES",
    help="Open loop: requests/s by the clock, whatever becomes of them. 500; the ramp 100..500; "
    "or steps 100,200,400, each for an equal share of the duration.",
)
@click.option(
    "--replay",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Open loop: send what is in a gateway's prediction log, when it came. Several times for "
    "several files.",
)
@click.option(
    "--speed",
    type=options.Number(min=0, min_open=True),
    metavar="TIMES",
    help="How much faster a replay is than what was logged.  [default: 1]",
)
@click.option(
    "--longest-gap-s",
    type=_SECONDS,
    help="Shorten longer gaps of a replay to this.  [default: as they were]",
)
@click.option(
    "--arrivals",
    type=click.Choice(("poisson", "constant")),
    help="An open loop's gaps: by chance, as of many users, or all the same.  [default: poisson]",
)
@click.option(
    "--connections",
    type=_COUNT,
    help="Most requests of an open loop in flight; others wait, and that is latency.  "
    f"[default: {SEATS}]",
)
@click.option("--seed", type=int, help="Random seed of the arrivals.  [default: 0]")
@click.option(
    "--duration-s",
    type=_SECONDS,
    help=f"Seconds to measure each load.  [default: {DURATION_S:g}]",
)
@click.option(
    "-n",
    "--count",
    type=_COUNT,
    help="End after so many requests, which all count: nothing is warmed up.",
)
@click.option(
    "--give-up-s",
    type=_SECONDS,
    help="End where nobody answered for so long.  [default: never]",
)
@click.option(
    "--warm-up-s",
    type=options.Number(min=0, max=LONGEST_S),
    help=f"Seconds of warm-up before it, not counted.  [default: {WARM_UP_S:g}; of a replay none]",
)
@options.timeout_s
@click.option(
    "--processes",
    type=_COUNT,
    help="Processes that generate the load.  [default: as it needs, up to half of the cores]",
)
@click.option(
    "--slo",
    metavar="SLO",
    help="Find the highest rate that keeps this up, such as p99=20ms,errors=0.1%. With --rate, "
    "--concurrency or --result: check it.",
)
@click.option("--sweep", is_flag=True, help="Measure latency at rates up to what can be answered.")
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Say whether it got better or worse since this result (--json).",
)
@click.option(
    "--result",
    "earlier",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Measure nothing, take this result (--json).",
)
@click.option(
    "--chaos",
    type=click.Choice(("swap-model",)),
    help="Half way, publish a copy of the model's newest version, for as long as the test runs.",
)
@options.models_dir("Where --chaos publishes; the directory that is served.")
@output("--json", "json_file", "Write the result as JSON, for --compare and --result.")
@output("--csv", "csv_file", "Write a row for each second.")
@output("--requests", "requests_file", "Write a row for each request, as CSV.")
@output("--html", "html_file", "Write a page with plots.")
@click.option("--quiet", "-q", is_flag=True, help="Show nothing: neither progress nor table.")
def loadtest(**given: Any) -> None:
    """Measure latency: send PICTURES (files, folders, globs) again and again.

    \b
    vitrine loadtest samples/                               8 in flight for 10 s
    vitrine loadtest samples/ --rate 500 --html page.html   users who do not wait for each other
    vitrine loadtest samples/ --rate 100..2000 --duration-s 60
    vitrine loadtest samples/ --slo p99=20ms,errors=0.1%    how much it can take
    vitrine loadtest samples/ --rate 500 --json a.json      and after a change:
    vitrine loadtest samples/ --rate 500 --compare a.json   did it get worse?
    vitrine loadtest samples/ -n 10000 --no-keep-alive --requests rows.csv
    vitrine loadtest samples/ --rate 200 --chaos swap-model
    vitrine loadtest --replay predictions.jsonl --speed 2   what users asked, twice as fast
    vitrine loadtest samples/ --model-server 127.0.0.1:8500 --batch-size 32

    A closed loop waits when the service stalls, so its percentiles hide the stall. An open loop
    (--rate) counts from when each request was due. Every answer is checked against the first.

    --replay asks for the models, versions and version labels in the log of a gateway with
    VITRINE_PREDICTION_LOG. It sends the images in it (VITRINE_PREDICTION_LOG_IMAGES=1), or else
    PICTURES in turn. Lines that are broken, or were refused with 4xx, are left out and counted.

    Files may be - for standard output; the table then goes to standard error.

    Exit code 1: requests failed, the objective was not met, or it got worse. Ctrl-C ends it with
    what was measured until then, shown and written; so do SIGTERM and a terminal that is closed.
    Ctrl-C twice ends it at once.
    """
    if given["replay"] and options.was_typed("model"):
        raise click.UsageError("--replay asks for the models in its log: leave out --model")
    asked = LoadRequest(**given)
    if given["model_server"]:
        options.refuse_typed("--model-server goes past the gateway", "url")
    if given["insecure"]:
        options.refuse_typed("--insecure takes any certificate", "ca")
    if not given["chaos"]:
        options.refuse_typed("there is no --chaos to publish anything", "models_dir")
    with options.needs("loadtest", "vitrine loadtest"):
        from vitrine_client.cli.loadtest.lab import LoadLab
    with options.friendly():
        sys.exit(LoadLab(asked).carry_out())
