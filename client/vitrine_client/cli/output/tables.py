"""Tables and JSON on standard output: one or the other, as `--json` says."""

import click
from rich.table import Table
from rich.text import Text

from vitrine_client.cli import options
from vitrine_client.process.console import VisibleConsole
from vitrine_client.process.visible import visible
from vitrine_client.results import strict_json

UNBOUNDED = 10_000
"""Columns that no table needs: only a terminal has a width to fit."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def table(*headings: str) -> Table:
    """Returns an empty table."""
    return Table(*headings, box=None, pad_edge=False, header_style="dim")


def add(rows: Table, *cells: str | Text) -> None:
    """Adds a row of cells as they are: in a plain string, a word in brackets is a colour."""
    rows.add_row(*(Text(visible(cell)) if isinstance(cell, str) else cell for cell in cells))


def print_table(rows: Table) -> None:
    """Prints a table, as wide as it is where there is no terminal to fit."""
    console = options.console
    if not console.is_terminal:
        console = VisibleConsole(width=UNBOUNDED)
    console.print(rows)


def print_json(content: object) -> None:
    """Prints strict JSON on several lines."""
    options.console.out(strict_json.dumps(content, indent=2), highlight=False)
