"""The command `vitrine-train versions`: published versions, and those rolled back."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vitrine_client.store.version_directories import RETIRED
from vitrine_training.cli import options
from vitrine_training.cli.options import console
from vitrine_training.publish import cards
from vitrine_training.publish import versions as publish


@click.command("versions")
@options.models
@options.models_dir
@options.as_json
def list_versions(models: tuple[str, ...], models_dir: Path, as_json: bool) -> None:
    """List the versions of MODELS (all of them unless named).

    Exit code 1: one of MODELS has none.
    """
    listed = models or publish.models(models_dir)
    found = {model: publish.kept(models_dir, model) for model in listed}
    versions = [_entry(directory) for model in listed for directory in found[model]]
    missing = [str(models_dir / model) for model in listed if not found[model]]
    for name in missing if listed else [str(models_dir)]:
        click.echo(f"{name} has no version; `make train` publishes some", err=True)
    if as_json:
        options.print_json(versions)
    elif versions:
        console.print(_versions(versions))
    sys.exit(1 if missing else 0)


def _entry(directory: Path) -> dict[str, Any]:
    card = cards.read(directory)
    return {
        **options.version_of(directory),
        "state": "rolled back" if directory.name.startswith(RETIRED) else "published",
        "trained_at": cards.text(card, "trained_at"),
        "test_accuracy": cards.metric(card, "test_accuracy"),
        "validation_accuracy": cards.metric(card, "validation_accuracy"),
    }


def _versions(entries: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("version", "state", "trained", "test accuracy", "validation"):
        table.add_column(heading)
    for entry in entries:
        accuracies = (entry["test_accuracy"], entry["validation_accuracy"])
        table.add_row(
            f"{entry['model']}/{entry['version']}",
            entry["state"],
            entry["trained_at"] or "",
            *("" if accuracy is None else f"{accuracy:.4f}" for accuracy in accuracies),
        )
    return table
