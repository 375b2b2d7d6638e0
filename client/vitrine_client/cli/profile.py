"""Profile command: prints what pictures a model takes, and what is assumed of that."""

import json
import sys

import click
from rich.table import Table

from vitrine_client.cli import options
from vitrine_client.cli.gateway import GatewayOptions, gateway_options
from vitrine_client.cli.options import which_version
from vitrine_client.cli.output import tables
from vitrine_client.cli.show import model_argument
from vitrine_client.results.profiles.profile import LABELS_MEMBER
from vitrine_client.results.profiles.report import ProfileReport

_MOST_LABELS = 5


@click.command()
@model_argument
@which_version
@tables.as_json
@gateway_options
def profile(
    model: str,
    version: int | None,
    label: str | None,
    as_json: bool,
    gateway: GatewayOptions,
) -> None:
    """Show what pictures MODEL takes, and how its answers are read.

    \b
    vitrine profile flowers
    vitrine profile flowers --json | jq .profile > profile.json
    vitrine profile linear > /dev/null || echo "no pictures for linear"

    Each member of its profile, and where that is from: describe (the model says so), profile.json
    or labels.txt beside it, its signature, a trial, or an assumption, which is told with what to
    write where.

    Exit code 1: no picture can be sent to it, or there is no such model.
    """
    with options.friendly(), gateway.client() as client:
        report = client.profile(model, version=version, label=label)
    if as_json:
        tables.print_json(report.to_dict())
    elif report.profile:
        tables.print_table(_members(report))
        for sentence in report.assumptions:
            options.note(sentence)
    else:
        click.echo(
            f"No picture can be sent to {report.model}/{report.version}: {report.reason}", err=True
        )
    sys.exit(0 if report.profile else 1)


def _members(report: ProfileReport) -> Table:
    rows = tables.table("member", "value", "from")
    told = report.to_dict()["profile"]
    sources, labels = told.pop("sources"), told.pop(LABELS_MEMBER)
    for name, value in told.items():
        if value != []:  # `mean` and `std` are for one scaling alone
            tables.add(rows, name, _shown(value), sources.get(name, ""))
    tables.add(rows, LABELS_MEMBER, _some(labels), sources.get(LABELS_MEMBER, ""))
    return rows


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _some(labels: list[str]) -> str:
    more = f", … ({len(labels):,})" if len(labels) > _MOST_LABELS else ""
    return ", ".join(labels[:_MOST_LABELS]) + more
