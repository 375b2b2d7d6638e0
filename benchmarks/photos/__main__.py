"""`python -m benchmarks.photos`: accuracy by kind of picture, and the gap to the plain rows."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import results
from benchmarks.photos.figures import (
    MEAN_GAP,
    STRANGERS_GAP,
    WORST_GAP,
    Column,
    accuracy,
    by_group,
    counts,
    verdict,
)
from benchmarks.photos.found import OTHERS, Found, Pixels, draw_and_find_all, parts
from benchmarks.published import newest_version
from vitrine_training.data.fashion_mnist import Split, load
from vitrine_training.evaluation.metrics import class_ids_of
from vitrine_training.photos import KINDS, STRANGERS, Kind
from vitrine_training.publish import versions as publish

MODELS = "softmax", "mlp", "photo", "mlp-best"
MIRRORED = "photo"
"""The model that is also asked about each kind with every item mirrored before it is drawn."""

Pictures = Mapping[tuple[str, bool], Found]


@click.command()
@click.option("--models-dir", default="models", type=click.Path(path_type=Path), show_default=True)
@click.option("--models", help=f"Names, with commas; those of {', '.join(MODELS)} that are there.")
@click.option("--kinds", help="Names of kinds or of groups, with commas; all of them.")
@click.option("--images", default=200, show_default=True, help="The first of the test set.")
@click.option("--processes", default=os.cpu_count(), show_default=True)
def main(
    models_dir: Path, models: str | None, kinds: str | None, images: int, processes: int
) -> None:
    """Measure how much accuracy each kind of picture costs."""
    console = Console(highlight=False, width=120)
    chosen = _chosen(kinds)
    asked = models.split(",") if models else _published(models_dir)
    versions = {name: newest_version(models_dir, name) for name in asked}
    test = load().test
    few = Split(test.images[:images], test.labels[:images])
    tasks = parts(list(chosen), images, mirrored=MIRRORED in versions)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("pictures", total=len(tasks))
        beside = test.images[images : images + OTHERS]
        pictures = draw_and_find_all(
            tasks, few.images, beside, processes, lambda: progress.advance(bar)
        )
    columns: dict[str, Column] = {}
    for name, version_dir in versions.items():
        columns[name] = _column(version_dir, few, pictures, mirrored=False)
        if name == MIRRORED:
            columns[f"{name}, mirrored"] = _column(version_dir, few, pictures, mirrored=True)
    verdicts = {name: verdict(column, chosen) for name, column in columns.items()}
    apart = {name: kind for name, kind in chosen.items() if kind.group in STRANGERS}
    for some in ({name: chosen[name] for name in chosen if name not in apart}, apart):
        if some:
            _show(console, some, columns, pictures)
    _show_groups(console, chosen, columns)
    _show_verdicts(console, verdicts)
    figures = {"images": images, "models": verdicts, "kinds": _by_kind(chosen, columns, pictures)}
    console.print(f"\nWritten to {results.write('photos', figures)}")


def _chosen(names: str | None) -> dict[str, Kind]:
    wanted = names.split(",") if names else [*KINDS]
    groups = {kind.group for kind in KINDS.values()}
    for name in wanted:
        if name not in KINDS and name not in groups:
            raise click.BadParameter(f"{name} is neither a kind nor a group", param_hint="--kinds")
    return {name: kind for name, kind in KINDS.items() if {name, kind.group} & {*wanted}}


def _published(models_dir: Path) -> list[str]:
    found = [name for name in MODELS if publish.versions(models_dir, name)]
    if not found:
        raise click.ClickException(f"{models_dir} has none of {', '.join(MODELS)}: make train")
    return found


def _column(version_dir: Path, few: Split, pictures: Pictures, *, mirrored: bool) -> Column:
    """Asks a model about the rows as they are, and about what was found in the pictures."""
    wanted = {name: found for (name, turned), found in pictures.items() if turned == mirrored}
    rows: list[Pixels] = [few.images, *(found.instances for found in wanted.values())]
    plain, *answers = class_ids_of(version_dir, np.concatenate(rows)).reshape(len(rows), -1)
    by_kind = {
        name: accuracy(answered, found, few.labels)
        for (name, found), answered in zip(wanted.items(), answers, strict=True)
    }
    return Column(float(np.mean(plain == few.labels)), by_kind)


def _by_kind(
    kinds: Mapping[str, Kind], columns: Mapping[str, Column], pictures: Pictures
) -> dict[str, Any]:
    return {
        name: {
            "group": kind.group,
            "counts": counts(kind),
            "accuracy": {model: column.by_kind[name] for model, column in columns.items()},
            **_shares(pictures[name, False]),
        }
        for name, kind in kinds.items()
    }


def _shares(found: Found) -> dict[str, float]:
    return {
        field: float(np.mean(getattr(found, field))) for field in ("empty", "refused", "warned")
    }


def _table(first: str, headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _show(
    console: Console,
    kinds: Mapping[str, Kind],
    columns: Mapping[str, Column],
    pictures: Pictures,
) -> None:
    table = _table("accuracy", [*columns, "empty %", "refused %", "warned %"])
    table.add_row("(rows as they are)", *(f"{column.plain:.3f}" for column in columns.values()))
    for group, names in by_group(kinds).items():
        table.add_row(f"[bold]{group}[/]")
        for name in names:
            cells = [_marked(column, name) for column in columns.values()]
            shares = (f"{100 * share:.1f}" for share in _shares(pictures[name, False]).values())
            table.add_row(f"  {name}", *cells, *shares)
    console.print(table, "")


def _marked(column: Column, kind: str) -> str:
    cell = f"{column.by_kind[kind]:.3f}"
    return f"[red]{cell}[/]" if column.gap(kind) > WORST_GAP else cell


def _show_groups(
    console: Console, kinds: Mapping[str, Kind], columns: Mapping[str, Column]
) -> None:
    table = _table("points below plain: mean, worst", ["kinds", *columns])
    for group, names in by_group(kinds).items():
        gaps = [[column.gap(name) for name in names] for column in columns.values()]
        cells = (f"{np.mean(one):.1f}, {max(one):.1f}" for one in gaps)
        table.add_row(group, str(len(names)), *cells)
    console.print(table)


def _show_verdicts(console: Console, verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    console.print(
        f"\nGoal: the mean within {MEAN_GAP} points of plain, no kind more than {WORST_GAP} below; "
        f"of each ten of strangers the mean within {STRANGERS_GAP}"
    )
    for name, one in verdicts.items():
        if one["mean_gap"] is not None:
            console.print(
                f"[bold]{name}[/]: plain {one['plain']:.3f}, mean {one['mean_gap']:.1f} points "
                f"below; worst {one['worst_kind']}, {one['worst_gap']:.1f}; "
                f"beyond {WORST_GAP}: {len(one['beyond'])}; the goal "
                + ("[green]holds[/]" if one["holds"] else "[red]is missed[/]")
            )
        for group, gap in one["strangers"].items():
            console.print(
                f"[bold]{name}[/], {group}: {gap:.1f} points below; "
                + ("[green]holds[/]" if gap <= STRANGERS_GAP else "[red]is missed[/]")
            )


if __name__ == "__main__":
    main()
