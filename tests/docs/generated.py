"""What the pages repeat from the code, made from it: `make docs` writes it, a test compares it.

A page has it between `<!-- made by make docs: NAME -->` and `<!-- end -->`.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click

from tests.contract.open_inference import page
from tests.docs import capacity
from tests.docs.pages import ROOT
from vitrine_client.cli import main as vitrine
from vitrine_client.process.exit_codes import MEANINGS
from vitrine_serving.cli import main as vitrine_serve
from vitrine_serving.gateway.settings import PARTS, PREFIX
from vitrine_serving.gateway.telemetry.metrics import FAMILIES
from vitrine_serving.model_server.flags import Flags
from vitrine_training.cli import main as vitrine_train

COMMANDS: dict[str, click.Group] = {
    "vitrine": vitrine,
    "vitrine-serve": vitrine_serve,
    "vitrine-train": vitrine_train,
}

GROUPS = {
    "server": "Address, processes and requests",
    "listed": "Models and pictures",
    "upstream": "Model servers",
    "drift": "Drift, logs and traces",
    "tls": "TLS",
    "access": "Who may ask",
}
"""The headings of the settings, each by the part that it begins with."""

PER_CORE = {
    "grpc_max_threads": "4 a core",
    "rest_api_num_threads": "4 a core",
    "num_tflite_pools": "1 a core",
}
"""Defaults of the model server's flags that depend on the machine."""

BLOCK = re.compile(r"(<!-- made by make docs: ([\w-]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def settings() -> str:
    """Returns a table for each group of the gateway's settings, in their order."""
    lines: list[str] = []
    for part, part_fields in PARTS.items():
        if part in GROUPS:
            head = ("| variable | default | meaning |", "|---|---|---|")
            lines += ["", f"### {GROUPS[part]}", "", *head]
        for name, field in part_fields.items():
            default = field.default
            default = ",".join(default) if isinstance(default, tuple) else default
            default = "" if default is None else default
            lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {_cell(field.description)} |")
    return "\n".join(lines[1:])


def metrics() -> str:
    """Returns a table of the gateway's metrics."""
    lines = ["| metric | kind | labels | what it counts |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(lines)


def flags() -> str:
    """Returns a table of the model server's flags."""
    lines = ["| flag | default | meaning |", "|---|---|---|"]
    for flag in fields(Flags):
        kind, meaning, *_ = get_args(flag.type)
        default = str(flag.default).lower() if kind is bool else flag.default
        default = PER_CORE.get(flag.name, "" if default is None else default)
        sentence = _cell(meaning).removesuffix(".")
        if re.match(r"[A-Z][a-z-]* ", sentence):
            sentence = sentence[0].lower() + sentence[1:]
        lines.append(f"| `--{flag.name}` | {default} | {sentence} |")
    return "\n".join(lines)


def exit_codes() -> str:
    """Returns a table of what the commands end with."""
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def commands() -> str:
    """Returns a table for each program: its commands, and the first sentence of their help."""
    return "\n\n".join(_table(name, group) for name, group in COMMANDS.items())


def _table(name: str, group: click.Group) -> str:
    rows = [f"| `{path}` | {_cell(text)} |" for path, text in _rows(group, name)]
    title = f"**{name}**: {_cell(_first(group))}"
    return "\n".join([title, "", "| command | what it does |", "|---|---|", *rows])


def _rows(group: click.Group, path: str) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _rows(command, f"{path} {name}")
        else:
            yield f"{path} {name}", _first(command)


def _first(command: click.Command) -> str:
    """The first sentence of a command's help."""
    paragraph = inspect.cleandoc(command.help or "").split("\n\n")[0]
    return re.split(r"(?<=\.)\s", paragraph.strip(), maxsplit=1)[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


MAKERS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "metrics": metrics,
    "flags": flags,
    "exit-codes": exit_codes,
    "commands": commands,
    "open-inference": page.choices,
    "capacity": capacity.page,
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
