"""Held-out data: the test part that a version is judged by, of Fashion-MNIST or of own data."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from vitrine_client.process.visible import visible
from vitrine_training.cli import options, own_data
from vitrine_training.cli.judging import NotJudged
from vitrine_training.cli.options import console
from vitrine_training.data.fashion_mnist import Split
from vitrine_training.publish import cards

HeldOut = Callable[[Path], Split]
"""Returns the test part for a version directory. Raises `NotJudged`, `click.ClickException`."""


options_of_data = options.adder(
    click.option(
        "--data",
        "own_path",
        type=click.Path(exists=True, path_type=Path),
        metavar="PATH",
        help="Judge MODELS that were trained on own data by their test part of it; PATH as in "
        "`train`.",
    ),
    click.option(
        "--label-column",
        type=click.Choice(("first", "last")),
        default="first",
        show_default=True,
        help="Where CSV of --data has the label.",
    ),
)
"""Adds the options that name own data to a command."""


def chosen(
    models: Sequence[str], data_dir: Path | None, own_path: Path | None, label_column: str
) -> HeldOut:
    """Returns the test part for each of the models. Raises `click.UsageError` where options do not
    go together."""
    if own_path is None:
        if options.was_typed("label_column"):
            raise click.UsageError("--label-column: it goes with --data")
        loaded = functools.cache(lambda: options.load(data_dir).test)  # once for all versions
        return lambda _: loaded()
    if options.was_typed("data_dir"):
        raise click.UsageError("--data-dir: it is for Fashion-MNIST, not for --data")
    if not models:
        raise click.UsageError("--data goes with MODELS: name what was trained on it")
    return functools.partial(_own, own_path, label_column)


def _own(path: Path, label_column: str, version_dir: Path) -> Split:
    """Reads and splits own data as the training of a version did. Says it where the test part is
    another one."""
    card = cards.checked(version_dir)
    try:
        seed, labels, shape = int(card["seed"]), list(card["labels"]), list(card["input_shape"])
        fit, size = dict(card["own_data"]).get("fit"), int(shape[0])
        checksum = str(card["data"]["test"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NotJudged(f"{version_dir} does not say by which data it was trained") from error
    fit = fit if isinstance(fit, str) else _fit_of_profile(version_dir)
    found = own_data.load(path, seed, size=size, fit=fit, label_column=label_column)
    test = found.parts["test"]
    _check_same("classes", list(found.classes), labels, path, version_dir)
    _check_same("a shape", list(test.images.shape[1:]), shape, path, version_dir)
    if found.checksums["test"] != checksum:
        console.print(
            f"{version_dir}: this test part is not the one of the training: pictures were added, "
            "changed or left out, and some of these may have been trained on",
            markup=False,
        )
    labels_of_any_width: Any = test.labels  # Fashion-MNIST's are uint8
    return Split(test.images, labels_of_any_width)


def _fit_of_profile(version_dir: Path) -> str:
    """Returns how pictures got their size by the profile of a version; cards did not always say."""
    from vitrine_training.publish import incumbent

    try:
        members = incumbent.description_of(version_dir).members or {}
        return str(members["fit"])
    except Exception as error:  # a model that is damaged raises anything
        raise NotJudged(
            f"{version_dir} does not say how its pictures got their size, as versions of before "
            "do: train it anew"
        ) from error


def _check_same(what: str, found: list[Any], known: list[Any], path: Path, version: Path) -> None:
    if found != known:
        raise NotJudged(
            f"{version} was trained on other data than {visible(str(path))}, which has {what} "
            f"({_few(found)}) that it does not know ({_few(known)})"
        )


def _few(values: list[Any]) -> str:
    told = ", ".join(map(str, values[:5]))
    return f"{told}, …" if len(values) > 5 else told
