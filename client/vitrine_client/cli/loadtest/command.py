"""Load test command: `vitrine loadtest` and its commands, one for each kind of load."""

import sys
from typing import Any

import click

from vitrine_client.cli import options
from vitrine_client.cli.loadtest import flags
from vitrine_client.cli.loadtest.request import IN_FLIGHT, LoadRequest, Task
from vitrine_client.process.numbers import Number

_ONCE = (
    ("--result", "check RESULT"),
    ("--replay", "replay LOG --pictures PICTURES"),
    ("--sweep", "sweep PICTURES"),
    ("--rate", "open PICTURES --rate RATES"),
    ("--concurrency", "closed PICTURES --concurrency COUNT"),
    ("--slo", "search PICTURES --slo SLO"),
    ("", "closed PICTURES"),
)
"""Options that chose the kind of load before it had commands, the first one wins, and the command
that does it now."""


class _LoadTests(click.Group):
    """Group of load tests that tells the command for a line that names none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the command's name. Raises `click.UsageError` where a line begins with another
        word."""
        known = {*self.commands, *ctx.help_option_names}
        if args and args[0] not in known and not ctx.resilient_parsing:
            names = {word.partition("=")[0] for word in args}
            there = next((word for word in args if word in self.commands), "")
            now = f"{there} …" if there else next(to for flag, to in _ONCE if flag in {*names, ""})
            swap = " --swap-model MODELS_DIR" if "--chaos" in names else ""
            raise click.UsageError(
                f"The kind of load comes first ({', '.join(self.commands)}), "
                f"here: vitrine loadtest {now}{swap}",
                ctx,
            )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Raises `click.UsageError` for an option of another one, of which click
        knows nothing: it names those that are spelled alike."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            owners = [name for name, each in self.commands.items() if _has(each, error.option_name)]
            if not owners:
                raise
            of = ", ".join(f"`vitrine loadtest {name}`" for name in owners)
            text = f"{error.option_name} is no option of this command, but of {of}"
            raise click.UsageError(text, error.ctx) from error


def _has(command: click.Command, option: str) -> bool:
    return any(option in each.opts for each in command.params)


@click.group(cls=_LoadTests, short_help="Measure latency under load.")
def loadtest() -> None:
    """Measure latency under load.

    \b
    vitrine loadtest closed samples/                      8 in flight for 10 s
    vitrine loadtest open samples/ --rate 500             users who do not wait for each other
    vitrine loadtest search samples/ --slo p99=20ms       how much it can take
    vitrine loadtest sweep samples/ --html page.html      latency at rates up to that
    vitrine loadtest replay predictions.jsonl --speed 2   what users asked, twice as fast
    vitrine loadtest check a.json --compare before.json   did it get worse?

    A closed loop waits when the service stalls, so its percentiles hide the stall. An open loop
    counts from when each request was due. Every answer is checked against the first.

    Files to write may be - for standard output; the table then goes to standard error.

    Exit code 1: requests failed, the objective was not met, or it got worse. Ctrl-C ends it with
    what was measured until then, shown and written; so do SIGTERM and a terminal that is closed.
    Ctrl-C twice ends it at once.
    """


@loadtest.command("closed")
@click.option(
    "--concurrency",
    type=flags.COUNT,
    help=f"Requests in flight, each sent after an answer.  [default: {IN_FLIGHT}]",
)
@flags.LENGTH
@flags.WORKLOAD
@flags.ONE_LOAD
@flags.REPORTS
def closed_loop(**given: Any) -> None:
    """Send the next of PICTURES when one is answered.

    \b
    vitrine loadtest closed samples/ --concurrency 16
    vitrine loadtest closed samples/ -n 10000 --no-keep-alive --requests rows.csv
    vitrine loadtest closed samples/ --model-server 127.0.0.1:8500 --batch-size 32
    vitrine loadtest closed samples/ --as v2-binary --url http://127.0.0.1:8000    Triton, KServe…

    PICTURES are files, folders and globs, sent in turn, again and again, with so many requests in
    flight. This shows how much a service answers at most; `vitrine loadtest open` shows how long
    users wait.
    """
    _carry_out("closed", given)


@loadtest.command("open")
@flags.RATE
@flags.ARRIVALS
@flags.LENGTH
@flags.WORKLOAD
@flags.ONE_LOAD
@flags.REPORTS
def open_loop(**given: Any) -> None:
    """Send PICTURES at a rate, as users do.

    \b
    vitrine loadtest open samples/ --rate 500 --html page.html
    vitrine loadtest open samples/ --rate 100..2000 --duration-s 60
    vitrine loadtest open samples/ --rate 500 --json a.json       and after a change:
    vitrine loadtest open samples/ --rate 500 --compare a.json    did it get worse?
    vitrine loadtest open samples/ --rate 200 --swap-model models

    PICTURES are files, folders and globs, sent in turn, again and again, whether or not those
    before were answered. Latency counts from when a request was due.
    """
    _carry_out("open", given)


@loadtest.command("search")
@click.option(
    "--slo", required=True, metavar="SLO", help="Objective, such as p99=20ms,errors=0.1%."
)
@flags.ARRIVALS
@flags.WORKLOAD
@flags.REPORTS
def search(**given: Any) -> None:
    """Find the highest rate that meets an objective.

    \b
    vitrine loadtest search samples/ --slo p99=20ms,errors=0.1%
    vitrine loadtest search samples/ --slo p99=20ms --as v2-grpc --url grpc://127.0.0.1:8001

    A closed loop shows the order of magnitude, open loops at several rates do the rest, in about
    two minutes. Exit code 1: no rate meets it.
    """
    _carry_out("search", given)


@loadtest.command("sweep")
@click.option("--slo", metavar="SLO", help="Also find the highest rate that keeps this up.")
@flags.ARRIVALS
@flags.WORKLOAD
@flags.REPORTS
def sweep(**given: Any) -> None:
    """Measure latency at rates up to the highest.

    \b
    vitrine loadtest sweep samples/ --html page.html    the curve
    """
    _carry_out("sweep", given)


@loadtest.command("replay")
@click.argument("replay", metavar="LOG...", nargs=-1, required=True, type=flags.FILE)
@click.option(
    "--pictures",
    multiple=True,
    type=click.Path(allow_dash=True),
    help="Send these in turn for lines without images. Several times for several.",
)
@click.option(
    "--speed",
    type=Number(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="TIMES",
    help="How much faster it is than what was logged.",
)
@click.option(
    "--longest-gap-s",
    type=options.SECONDS,
    help="Shorten longer gaps to this.  [default: as they were]",
)
@flags.CONNECTIONS
@flags.GATEWAY
@flags.ONE_LOAD
@flags.REPORTS
def replay(**given: Any) -> None:
    """Send what is in a prediction LOG, when it came.

    \b
    vitrine loadtest replay predictions.jsonl --speed 2
    vitrine loadtest replay predictions.jsonl.1 predictions.jsonl --pictures samples/

    A gateway with VITRINE_PREDICTION_LOG writes it. The models, versions and version labels in the
    log are asked, with the images in it (VITRINE_PREDICTION_LOG_IMAGES=1), or else --pictures.
    Lines that are broken, or were refused with 4xx, are left out and counted.
    """
    _carry_out("replay", given)


@loadtest.command("check")
@click.argument("earlier", metavar="RESULT", type=flags.FILE)
@flags.CHECKED
@flags.COMPARE
@flags.REPORT
def check(**given: Any) -> None:
    """Judge or compare a RESULT that --json wrote.

    \b
    vitrine loadtest check after.json --compare before.json
    vitrine loadtest check after.json --slo p99=20ms --html page.html
    """
    _carry_out("check", given)


def _carry_out(task: Task, given: dict[str, Any]) -> None:
    asked = LoadRequest(task, **given)
    with options.needs("loadtest", "vitrine loadtest"):
        from vitrine_client.cli.loadtest.lab import LoadLab
    with options.friendly():
        sys.exit(LoadLab(asked).carry_out())
