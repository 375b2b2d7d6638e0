"""Options that the commands of `vitrine-train` share, and what they read."""

from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from vitrine_training import data
from vitrine_training.idx import DataError

console = Console(highlight=False, soft_wrap=True)

_UNBOUNDED = 10_000
"""Columns that no table needs: what is no terminal has no width to fit."""

models_dir = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    envvar="VITRINE_MODELS_DIR",
    show_default=True,
    show_envvar=True,
    help="Where versions are published.",
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="VITRINE_DATA_DIR",
    show_envvar=True,
    help="A directory with Fashion-MNIST's four .gz files.  [default: cache, download, Debian]",
)


def print_table(table: Table) -> None:
    """Prints a table, without wrapping its cells where no terminal has to hold them."""
    (console if console.is_terminal else Console(width=_UNBOUNDED)).print(table)


def was_typed(name: str) -> bool:
    """Whether an option of the running command is on its command line, and not in a variable."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def load(data_dir: Path | None) -> data.Dataset:
    """Returns Fashion-MNIST, or ends the command with what to do."""
    try:
        return data.load(data_dir, say=console.print)
    except DataError as error:
        raise click.ClickException(str(error)) from error
