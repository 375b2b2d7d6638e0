"""What the pages repeat from the code, made from it: `make docs` writes it, a test compares it.

A page has it between `<!-- made by make docs: NAME -->` and `<!-- end -->`.
"""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import click

from tests.docs.pages import ROOT
from vitrine_client.cli import main as vitrine
from vitrine_serving.cli import main as vitrine_serve
from vitrine_serving.gateway.metrics import FAMILIES
from vitrine_serving.gateway.settings import PREFIX, Settings
from vitrine_training.cli import main as vitrine_train

COMMANDS: dict[str, click.Group] = {
    "vitrine": vitrine,
    "vitrine-serve": vitrine_serve,
    "vitrine-train": vitrine_train,
}

GROUPS = {
    "host": "Address and processes",
    "models": "Models and limits",
    "model_server": "Model servers",
    "version_labels": "The page and drift",
    "access_log": "Logs and traces",
    "tls_cert": "Who may ask",
}
"""The headings of the settings, each by the field that it begins with."""

BLOCK = re.compile(r"(<!-- made by make docs: ([\w-]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def settings() -> str:
    """Returns a table for each group of the gateway's settings, in their order."""
    lines: list[str] = []
    for name, field in Settings.model_fields.items():
        if name in GROUPS:
            lines += [
                "",
                f"### {GROUPS[name]}",
                "",
                "| variable | default | meaning |",
                "|---|---|---|",
            ]
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        default = "" if default is None else default
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines[1:])


def metrics() -> str:
    """Returns a table of the gateway's metrics."""
    lines = ["| metric | kind | labels | what it counts |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(lines)


def commands() -> str:
    """Returns a section for each command, with all that its `--help` says."""
    return "\n\n".join(
        section for name, group in COMMANDS.items() for section in _sections(group, name, None)
    )


def _sections(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent)
    level = "#" * (2 + context.command_path.count(" "))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    heading, call = f"{level} {context.command_path}", f"```\n{usage}\n```"
    parts = [heading, call, _text(command), _flags(context)]
    own = "\n\n".join(part for part in parts if part)
    below = command.commands if isinstance(command, click.Group) else {}
    return [own, *(s for n, child in below.items() for s in _sections(child, n, context))]


def _text(command: click.Command) -> str:
    """The command's own words; what click is told not to wrap becomes a block."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(
        f"```\n{paragraph[2:].strip()}\n```" if paragraph.startswith("\b\n") else paragraph
        for paragraph in paragraphs
    )


def _flags(context: click.Context) -> str:
    records = [
        option.get_help_record(context)
        for option in context.command.params
        if isinstance(option, click.Option)
    ]
    rows = [f"| `{record[0]}` | {_cell(record[1])} |" for record in records if record]
    return "\n".join(["| flag | meaning |", "|---|---|", *rows]) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


MAKERS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "metrics": metrics,
    "commands": commands,
}


def renewed(page: str) -> str:
    """Returns the text of a page with its blocks made anew.

    Raises KeyError for a block that nobody makes.
    """
    return BLOCK.sub(lambda found: found[1] + "\n" + MAKERS[found[2]]() + "\n" + found[3], page)


def pages() -> list[Path]:
    """Returns the pages with a block."""
    return [p for p in sorted((ROOT / "docs").glob("*.md")) if BLOCK.search(p.read_text())]


if __name__ == "__main__":
    for path in pages():
        path.write_text(renewed(path.read_text()))
