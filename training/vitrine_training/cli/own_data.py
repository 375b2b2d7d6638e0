"""Data options of `vitrine-train train`: those that name somebody's own, and what was found."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitrine_client.process.visible import visible
from vitrine_client.results.profiles.profile import FITS
from vitrine_training.cli import options
from vitrine_training.cli.options import console
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import OwnData
from vitrine_training.data.own.splitting import imbalance, imbalance_ratio, split
from vitrine_training.models.recipes import ANY, RECIPES, Recipe

DEFAULT_RECIPE = "cnn"
"""Recipe for own data unless another is named."""

UNBALANCED = 3.0
"""Times as many pictures as the smallest class that the largest has where weights are advised."""

ONLY_OWN: tuple[str, ...] = ("size", "fit", "label_column")
ONLY_BUILT_IN: tuple[str, ...] = (
    *("data_dir", "hard_pictures"),
    *("redraw", "relight", "dirt", "grain"),
)
"""Options that mean nothing without `--data`, and with it."""

_SUFFIXES = re.compile(r"(\.(npz|csv|tsv|gz|zip))+$", re.IGNORECASE)


_SIZE = click.option(
    "--size",
    type=click.IntRange(4, 512),
    default=28,
    show_default=True,
    help="Height and width that picture files get; arrays have their own.",
)
_OPTIONS = (
    click.option(
        "--data",
        "own_path",
        type=click.Path(exists=True, path_type=Path),
        metavar="PATH",
        help="Train on your own: a folder of class-name/*.jpg, or of train/, val/ and test/ with "
        "those; an .npz file (x_train, y_train); IDX files as MNIST has them; or CSV of pixels.",
    ),
    click.option(
        "--fit",
        type=click.Choice(FITS),
        default="pad",
        show_default=True,
        help="How a picture gets that size, in training and when it is served: all of it between "
        "black bars, its largest part, all of it stretched, or its item alone.",
    ),
    click.option(
        "--label-column",
        type=click.Choice(("first", "last")),
        default="first",
        show_default=True,
        help="Where CSV has the label.",
    ),
)

reading_options = options.adder(*_OPTIONS)
"""Adds the options of own data to a command, but the size."""

data_options = options.adder(*_OPTIONS, _SIZE)
"""Adds those options and the size."""


def check_unused(own_path: Path | None) -> None:
    """Refuses options of own data where there is none, and those that are not for it."""
    if own_path is None:
        unused, why = ONLY_OWN, "it goes with --data"
    else:
        unused, why = ONLY_BUILT_IN, "it is for Fashion-MNIST, not for --data"
    for option in filter(options.was_typed, unused):
        raise click.UsageError(f"--{option.replace('_', '-')}: {why}")


def check_settings(given: Iterable[str]) -> None:
    """Refuses settings that are varied and not for own data."""
    for setting in filter(ONLY_BUILT_IN.__contains__, given):
        raise click.UsageError(
            f"--vary {setting.replace('_', '-')}: it is for Fashion-MNIST, not for --data"
        )


def recipe_of(names: tuple[str, ...]) -> str:
    """Returns the name of the one recipe for own data."""
    if len(names) > 1:
        raise click.UsageError("--data goes with one recipe; name one of them")
    name = names[0] if names else DEFAULT_RECIPE
    recipe = RECIPES[name]
    if recipe.architecture == "linear" or recipe.retouches:
        fitting = ", ".join(
            name
            for name, one in RECIPES.items()
            if one.architecture != "linear" and not one.retouches
        )
        raise click.UsageError(
            f"{name} is for data of its own, not for --data; these recipes are: {fitting}"
        )
    return name


def name_of(path: Path, given: str | None) -> str:
    """Returns the name to publish under: `--as`, or that of the folder or file."""
    if given is not None:
        return given
    name = _SUFFIXES.sub("", path.resolve().name)
    try:
        options.check_name(name)
    except click.BadParameter as error:
        raise click.UsageError(
            f"{visible(name)!r} can be no model's name, so say with --as under which to publish"
        ) from error
    return name


def load(path: Path, seed: int, **found: Any) -> OwnData:
    """Returns own data in parts, told in words, or ends the command with advice."""
    from vitrine_training.data.own.finding import load as load_own

    columns = (TextColumn("  pictures"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    try:
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress:
            bar = progress.add_task("", total=None)
            data = load_own(
                path,
                found["label_column"],
                size=found["size"],
                fit=found["fit"],
                say=console.print,
                on_progress=lambda done, count: progress.update(bar, completed=done, total=count),
            )
        divided = split(data, seed)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    _check_size(path, data, found["size"])
    _tell(divided)
    return divided


def _check_size(path: Path, data: OwnData, size: int) -> None:
    """Raises `click.UsageError` where arrays have another size than was asked for."""
    shape = next(iter(data.parts.values())).images.shape[1:3]
    if options.was_typed("size") and shape != (size, size):
        raise click.UsageError(
            f"--size is for picture files, and {visible(str(path))} has arrays of "
            f"{'x'.join(map(str, shape))}; leave it out"
        )


def fitted(recipe: Recipe, data: OwnData, *, is_given: Callable[[str], bool]) -> Recipe:
    """Returns a recipe for own data: nobody knows what it reaches there, a step has no more rows
    than there are, and there are enough steps, unless somebody gave the numbers."""
    rows = len(data.parts["train"])
    if recipe.batch_size > rows:
        if is_given("batch_size"):
            raise click.UsageError(
                f"batch_size {recipe.batch_size:,} is more than the {rows:,} pictures to train on; "
                "take those at most"
            )
        recipe = replace(recipe, batch_size=rows)
    if not is_given("epochs"):
        recipe = recipe.for_rows(rows)
    shape = "x".join(map(str, data.parts["train"].images.shape[1:]))
    summary = f"{recipe.architecture} for {shape} pictures of {len(data.classes)} classes"
    return replace(recipe, expected=ANY, summary=summary)


def advise_weights(option: str, recipe: Recipe, data: OwnData, *, is_given: bool) -> None:
    """Tells of the option for class weights where classes differ and nobody decided on them."""
    if imbalance_ratio(data) >= UNBALANCED and not (recipe.class_weights or is_given):
        console.print(
            f"  classes differ much in size: {option} makes each weigh the same in training",
            markup=False,
        )


def _tell(data: OwnData) -> None:
    shape = "x".join(map(str, data.parts["train"].images.shape[1:3]))
    colour = "colour" if data.parts["train"].images.ndim == 4 else "grey"
    counts = ", ".join(f"{len(part):,} {name}" for name, part in data.parts.items())
    console.print(
        f"{data.source}: {len(data.classes)} classes, {shape}, {colour}; {counts}", markup=False
    )
    console.print(f"  to train on: {imbalance(data)}", markup=False)
    for note in data.notes:
        console.print(f"  {note}", markup=False)
