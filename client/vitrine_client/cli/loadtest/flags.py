"""Load test options: those that the commands of `vitrine loadtest` share, in groups."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from vitrine_client.cli import options
from vitrine_client.cli.gateway import gateway_tls_flags
from vitrine_client.cli.loadtest.request import DURATION_S, SEATS, WARM_UP_S, Steps, is_http
from vitrine_client.cli.open_inference import profile
from vitrine_client.http.protocol import LONGEST_S
from vitrine_client.loadtest.generator.headers import parsed
from vitrine_client.loadtest.plan import V2_KINDS
from vitrine_client.process import addresses
from vitrine_client.process.numbers import Number

Command = Callable[..., Any]
Option = Callable[[Command], Command]

_TOO_MUCH = 1_000_000

COUNT = click.IntRange(min=1)
BATCH = click.IntRange(1, 10_000)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def group(*added: Option) -> Option:
    """Returns the decorator that adds options to a command, in this order."""
    return lambda command: reduce(lambda so_far, add: add(so_far), reversed(added), command)


def _headers(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Reads `Name: value`, any number of times."""
    try:
        return tuple(map(parsed, texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _rates(_: click.Context, __: click.Parameter, text: str) -> Steps:
    """Reads `500`, the ramp `100..500`, or several of both as steps, separated by commas; returns
    the rate at the start and at the end of each."""
    try:
        steps = tuple(_step(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is none of 500, 100..500 and 100,200,400") from None
    found = [rate for step in steps for rate in step]
    if not all(0 <= rate < _TOO_MUCH for rate in found) or not any(found):
        raise click.BadParameter(f"Rates are below {_TOO_MUCH:,} requests/s, and not all are 0")
    return steps


def _step(text: str) -> tuple[float, float]:
    start, ramp, end = text.partition("..")
    return float(start), float(end if ramp else start)


def _checked_address(text: str) -> str:
    """Returns the address of a model server: HOST:PORT for gRPC, or a URL for REST. Raises
    `InvalidRequest`."""
    check = addresses.checked_url if is_http(text) else addresses.checked_model_server
    return check(text)


def _output(flag: str, name: str, text: str) -> Option:
    """An option for a file to write; one that can't be written is a usage error."""
    kind = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
    return click.option(flag, name, type=kind, metavar="FILE", help=text)


GATEWAY = group(
    options.url,
    options.key,
    gateway_tls_flags,
    click.option("--insecure", is_flag=True, help="Take any certificate of the gateway."),
    click.option(
        "--header",
        "-H",
        "headers",
        multiple=True,
        callback=_headers,
        metavar="'NAME: VALUE'",
        help="Send this with each request, by gRPC as metadata. Several times for several.",
    ),
    click.option(
        "--no-keep-alive",
        is_flag=True,
        help="A new connection for each request: its latency has connecting and TLS in it, which "
        "are shown by themselves, too.",
    ),
    options.timeout_s,
    click.option(
        "--processes",
        type=COUNT,
        help="Processes that generate the load.  [default: as it needs, up to half of the cores]",
    ),
    click.option(
        "--warm-up-s",
        type=Number(min=0, max=LONGEST_S),
        help=f"Seconds of warm-up before the load, not counted.  [default: {WARM_UP_S:g}; of a "
        "replay none]",
    ),
)
"""Where and how requests are sent."""

WORKLOAD = group(
    click.argument("pictures", nargs=-1, required=True, type=click.Path(allow_dash=True)),
    options.model,
    options.which_version,
    click.option(
        "--as",
        "way",
        type=click.Choice(("raw", "multipart", "npy", "json", *V2_KINDS)),
        help="How pictures travel to the gateway; with v2, v2-binary and v2-grpc to any server of "
        "the Open Inference Protocol, such as Triton: as JSON, as binary data, or over gRPC.  "
        "[default: raw, files as they are]",
    ),
    profile,
    click.option(
        "--batch-size",
        type=BATCH,
        default=1,
        show_default=True,
        help="Pictures in each request.",
    ),
    click.option(
        "--model-server",
        metavar="ADDRESS",
        callback=options.checked(_checked_address),
        help="Ask a model server, past the gateway: HOST:PORT by gRPC, http://HOST:PORT by REST.",
    ),
    GATEWAY,
)
"""Pictures, and whom to send them to."""

RATE = click.option(
    "--rate",
    required=True,
    callback=_rates,
    metavar="RATES",
    help="Requests/s by the clock, whatever becomes of them. 500; the ramp 100..500; or steps "
    "100,200,400, each for an equal share of the duration.",
)
CONNECTIONS = click.option(
    "--connections",
    type=COUNT,
    help=f"Most requests in flight; others wait, and that is latency.  [default: {SEATS}]",
)
ARRIVALS = group(
    click.option(
        "--arrivals",
        type=click.Choice(("poisson", "constant")),
        default="poisson",
        show_default=True,
        help="Gaps between requests: by chance, as of many users, or all the same.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        help="Random seed of the arrivals.",
    ),
    CONNECTIONS,
)
"""How requests of an open loop arrive."""

LENGTH = group(
    click.option(
        "--duration-s", type=options.SECONDS, help=f"Seconds to measure.  [default: {DURATION_S:g}]"
    ),
    click.option(
        "-n",
        "--count",
        type=COUNT,
        help="End after so many requests, which all count: nothing is warmed up.",
    ),
)
"""When a load ends."""

COMPARE = click.option(
    "--compare",
    type=FILE,
    metavar="FILE",
    help="Say whether it got better or worse since this result (--json).",
)
CHECKED = click.option(
    "--slo", metavar="SLO", help="Objective to check, such as p99=20ms,errors=0.1%."
)
ONE_LOAD = group(
    click.option(
        "--give-up-s",
        type=options.SECONDS,
        help="End where nobody answered for so long.  [default: never]",
    ),
    click.option(
        "--swap-model",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="MODELS_DIR",
        help="Half way, publish a copy of the model's newest version in this directory, which is "
        "served, for as long as the test runs.",
    ),
    CHECKED,
    COMPARE,
)
"""Questions that one load answers."""

REPORT = group(
    _output("--json", "json_file", "Write the result as JSON, for `check` and --compare."),
    _output("--csv", "csv_file", "Write a row for each second."),
    _output("--html", "html_file", "Write a page with plots."),
    click.option("--quiet", "-q", is_flag=True, help="Show nothing: neither progress nor table."),
)
"""Files to write, of a result."""

REPORTS = group(
    REPORT, _output("--requests", "requests_file", "Write a row for each request, as CSV.")
)
"""Files to write, of a load."""
