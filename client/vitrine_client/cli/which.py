"""Which version of a model to ask, as `predict` and `metadata` are told."""

from collections.abc import Callable
from typing import Any

import click

from vitrine_client.cli import completion_values as completing

NEWEST = 2**63 - 1
"""The largest version there can be: TensorFlow Serving has them in an int64."""


def _alone(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    others = {"version", "label"} - {parameter.name}
    if value is not None and any(ctx.params.get(other) is not None for other in others):
        raise click.UsageError("--version and --label are two ways to say which; give one")
    if parameter.name == "version" and value is not None and value > NEWEST:
        raise click.BadParameter(f"no version is beyond {NEWEST}")
    return value


def which_version(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--version` and `--label`, of which one at most may be given."""
    for option in (
        click.option(
            "--label",
            metavar="NAME",
            callback=_alone,
            shell_complete=completing.version_labels,
            help="Ask the version with this version label, such as stable.",
        ),
        click.option(
            "--version",
            type=click.IntRange(min=0),
            callback=_alone,
            help="Which version to ask.  [default: the newest]",
        ),
    ):
        command = option(command)
    return command
