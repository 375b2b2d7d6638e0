"""Tune command: searches the settings that meet an objective at the highest rate."""

import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.status import Status

from vitrine_client.cli import options, sources
from vitrine_client.cli.output import tables
from vitrine_client.client import Client
from vitrine_client.loadtest.plan import KINDS, Workload, WorkloadKind
from vitrine_client.loadtest.wording import per_second
from vitrine_client.process.console import VisibleConsole

if TYPE_CHECKING:
    from vitrine_client.loadtest.analysis.probes import Probe
    from vitrine_client.loadtest.analysis.slo import Slo
    from vitrine_client.loadtest.tune.search import Trial
    from vitrine_client.loadtest.tune.service import Services
    from vitrine_client.loadtest.tune.summary import Tuning

_PROBES = 400
"""Shares of the time, of which a probe has one: from half a second to three."""

_CONFIRMED, _LONGEST_S = 12, 24.0
"""Shares of the time, of which a longer load at the rate that was found has one, and the most that
it takes: as long as those of `vitrine loadtest search` together."""


@click.command(short_help="Find the best settings for a load and an objective.")
@click.argument("pictures", nargs=-1, required=True)
@click.option("--slo", required=True, help="The objective, such as p99=20ms,errors=0.1%.")
@options.model
@click.option(
    "--as",
    "kind",
    type=click.Choice(KINDS),
    default="raw",
    help="How pictures travel: to the gateway, or with rest and grpc to the model server.",
)
@click.option("--batch-size", type=click.IntRange(1, 10_000), default=1, help="Pictures a request.")
@click.option(
    "--for-s",
    type=options.SECONDS,
    default=300.0,
    help="About how long it may take, in seconds.",
)
@options.models_dir("Folder with the models' versions.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="tuned",
    help="Folder to write; what an earlier `vitrine tune` wrote there is replaced.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON, what measurements.json has; progress goes to standard error.",
)
def tune(
    pictures: tuple[str, ...],
    slo: str,
    model: str | None,
    kind: WorkloadKind,
    batch_size: int,
    for_s: float,
    models_dir: Path,
    output: Path,
    as_json: bool,
) -> None:
    """Find the settings of the service that meet an objective at the highest rate of PICTURES.

    \b
    vitrine tune samples/ --slo p99=20ms
    vitrine tune samples/ --slo p99=50ms,errors=0.1% --as multipart --batch-size 8 --for-s 900
    vitrine tune samples/ --slo p99=10ms --as grpc       the model server's batching

    Runs `vitrine-serve up` on this machine, on ports of its own, with one configuration after the
    other, and searches the highest rate that each takes: the gateway's processes and batches, the
    model server's threads and batching. A model server that runs already is left alone. What seems
    best is then measured against the defaults in turn, and they stay unless it is faster beyond the
    noise. Last, the rate is confirmed by a longer load, or lowered until one holds.

    Writes gateway.env, model-server.env, batching.config where batching pays, measurements.json,
    and a README.md that says how to use them, and why.

    Exit code 1: nothing meets the objective, or the service does not start.
    """
    with options.needs("loadtest", "vitrine tune"):
        from vitrine_client.loadtest.analysis.slo import Slo
        from vitrine_client.loadtest.tune import outcome
    try:
        objective = Slo.parse(slo)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--slo") from error
    if kind == "raw" and batch_size > 1:
        raise click.UsageError("One picture travels as it is; for --batch-size say --as multipart")
    if refusal := outcome.refusal(output):
        raise click.BadParameter(refusal, param_hint="--output")
    with options.friendly():
        images = tuple(sources.read(name) for name in sources.named(pictures))
        target = Workload(kind, "", model or "", images, batch_size=batch_size)
        notes = VisibleConsole(stderr=True, highlight=False) if as_json else options.console
        tuning = _tuned(target, objective, models_dir, for_s, notes)
        sys.exit(conclude(tuning, output, as_json))


def conclude(tuning: "Tuning", output: Path, as_json: bool = False) -> int:
    """Writes the files of a tuning, says so, and returns the exit code; where nothing met the
    objective it writes nothing."""
    from vitrine_client.loadtest.tune import outcome, summary

    reached = bool(tuning.tuned.reached)
    if reached:
        outcome.write(output, tuning)
        click.echo(summary.verdict(tuning), err=as_json)
        told = f"Written to {output}; {output / outcome.SUMMARY} says how to use it"
        click.echo(told, err=as_json)
    else:
        click.echo(f"Error: {summary.unreachable(tuning)}", err=True)
    if as_json:
        tables.print_json(outcome.measurements(tuning))
    return 0 if reached else 1


def _tuned(
    target: Workload, slo: "Slo", models_dir: Path, for_s: float, notes: VisibleConsole
) -> "Tuning":
    from vitrine_client.loadtest.tune.configuration import Configuration, axes
    from vitrine_client.loadtest.tune.search import Time, Unfit, confirm, tune
    from vitrine_client.loadtest.tune.service import Services, find_command
    from vitrine_client.loadtest.tune.summary import Tuning, load_of
    from vitrine_client.loadtest.tune.trial import Trials

    if elsewhere := os.environ.get("VITRINE_MODEL_SERVER"):
        notes.print(
            f"Note: {elsewhere} (VITRINE_MODEL_SERVER) is left alone, as the settings of a model "
            "server are those of its start; one that is started here is measured in its place",
            soft_wrap=True,
        )
    command = find_command()
    if not command:
        raise click.UsageError(
            "This runs the service on this machine, and there is no vitrine-serve; "
            "pip install 'vitrine-serving[model-server]'"
        )
    probe_s = min(max(for_s / _PROBES, 0.5), 3.0)
    tried_in = axes(target.kind, os.cpu_count() or 1)
    starting = f"Starting the service; about {for_s:.0f} s"
    with Services(command, models_dir) as services, notes.status(starting) as status:
        progress = _Progress(status, notes)
        try:
            target = target if target.model else _with_model(target, services)
            trials = Trials(services, target, slo, probe_s=probe_s, watch=progress.probed)
            long_s = min(for_s / _CONFIRMED, _LONGEST_S)
            time_ = Time(for_s - long_s)
            tuned = tune(Configuration(), tried_in, trials, time_, watch=progress.tried)
            status.update(f"Confirming the rate, {long_s:.0f} s or more")
            tuned = confirm(tuned, lambda best, rate: trials.confirm(best, rate, long_s))
        except Unfit as error:
            raise click.ClickException(f"With its defaults, {error}") from error
    return Tuning(slo, load_of(target), probe_s, tuned)


def _with_model(target: Workload, services: "Services") -> Workload:
    """Asks the service with its defaults, which is measured first in any case, for its model."""
    from vitrine_client.loadtest.tune.configuration import Configuration

    with Client(services.of(Configuration()).address("raw")) as client:
        return dataclasses.replace(target, model=options.default_model(client.status))


class _Progress:
    """Progress display: a line for each trial, and on a terminal the current probe."""

    def __init__(self, status: Status, notes: VisibleConsole) -> None:
        self._status, self._notes = status, notes

    def probed(self, probe: "Probe") -> None:
        """Is told of a probe."""
        what = "; ".join(probe.violations) or "holds"
        self._status.update(f"{per_second(probe.rate)} requests/s: {what}")

    def tried(self, trial: "Trial") -> None:
        """Is told of a configuration that was measured."""
        rate = per_second(trial.rate) if trial.found else "skipped"
        self._notes.print(f"{rate:>8}  {trial.configuration}", soft_wrap=True)
        if trial.reason:
            self._notes.print(f"{'':8}  {trial.reason}", style="yellow", soft_wrap=True)
