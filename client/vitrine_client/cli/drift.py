"""Drift command: prints drift reports of models, as a table or JSON."""

import sys

import click
from rich.text import Text

from vitrine_client.cli import options
from vitrine_client.cli.gateway import GatewayOptions, gateway_options
from vitrine_client.cli.output import tables
from vitrine_client.cli.show import optional_model
from vitrine_client.client import Client
from vitrine_client.errors import NotFound
from vitrine_client.http.default_model import is_served
from vitrine_client.process.visible import visible
from vitrine_client.results.drift import DriftReport, VersionDrift

_MOST_MOVED = 3


@click.command(short_help="Show whether models are asked what they were trained for.")
@optional_model
@click.option("--version", type=click.IntRange(min=0), help="Which version.  [default: all]")
@tables.as_json
@gateway_options
def drift(model: str | None, version: int | None, as_json: bool, gateway: GatewayOptions) -> None:
    """Show whether MODEL (all models) is asked about images as in its validation.

    \b
    vitrine drift
    vitrine drift mlp --json | jq '.[].versions[].reason'
    vitrine drift mlp > /dev/null || echo "look at what is sent to mlp"

    Of each version that is AVAILABLE: the kind of drift, why, the scores of both tests as multiples
    of their limits (an alarm is up beyond 1), and the classes whose shares have moved, by how many
    points. docs/drift.md says how to read an alarm: it means different, not worse.

    Exit code 1: an alarm is up, or there is no such model.
    """
    if version is not None and model is None:
        raise click.UsageError("--version is one of a model's; name the model, too")
    with options.friendly(), gateway.client() as client:
        names = [model] if model else _served(client)
        reports = [client.drift(name, version=version) for name in names]
    if as_json:
        tables.print_json(reports)
    else:
        _print(reports)
    sys.exit(1 if any(report.alarm for report in reports) else 0)


def _served(client: Client) -> list[str]:
    """Returns the models that have a version which is AVAILABLE. Raises `NotFound` for none."""
    names = [name for name, statuses in client.models().items() if is_served(statuses)]
    if not names:
        raise NotFound("No model has a version that is AVAILABLE; `vitrine models` says why")
    return names


def _print(reports: list[DriftReport]) -> None:
    rows = tables.table("version", "drift", "images", "look", "shares", "moved", "")
    for report in reports:
        for one in report.versions:
            style = "red" if one.alarm else ""
            tables.add(
                rows,
                f"{report.model}/{one.version}",
                Text(one.drift, style),
                _images(one),
                _times(one, "covariate"),
                _times(one, "label"),
                _moved(one),
                Text(visible(one.reason), style),
            )
    tables.print_table(rows)
    if any(one.alarm and one.images < one.window for report in reports for one in report.versions):
        options.note("The window is not full: of so few images, some unusual ones are enough")


def _images(one: VersionDrift) -> str:
    """Returns how full the window is: "312 of 500", "900 of 1500 in 3 gateways"."""
    gateways = f" in {one.gateways} gateways" if one.gateways > 1 else ""
    return f"{one.images} of {one.window}{gateways}"


def _times(one: VersionDrift, test: str) -> str:
    """Returns a score as a multiple of its limit: "0.8x", "1,193x"."""
    times = one.times_limit(test)
    if times is None:
        return "–"
    return f"{times:,.0f}x" if times >= 10 else f"{times:.2g}x"


def _moved(one: VersionDrift) -> str:
    """Returns the classes that moved the most, and by how many points: "Shirt +28, Bag -10"."""
    if not one.scores:  # of too few images, every class has moved
        return ""
    moved = [f"{each.label} {100 * each.change:+.0f}" for each in one.moved()]
    more = [f"{len(moved) - _MOST_MOVED} more"] if len(moved) > _MOST_MOVED else []
    return ", ".join(moved[:_MOST_MOVED] + more)
