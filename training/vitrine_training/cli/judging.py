"""Judging: published classifiers looked at one by one, whatever is wrong with one of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from vitrine_client.process import signals
from vitrine_training.cli import options
from vitrine_training.data import fashion_mnist as data
from vitrine_training.publish import cards
from vitrine_training.publish import versions as publish
from vitrine_training.publish.cards import DamagedCardError


class NotJudged(Exception):
    """A fault outside the version; the message names it."""


def classifiers(models: Sequence[str], models_dir: Path) -> list[Path | str]:
    """Returns the newest versions of `models`, or of all that have labels or a damaged card; in the
    place of one that cannot be judged, why that is.

    Raises `click.ClickException` where there is nothing to judge.
    """
    found = [_newest(models_dir, name) for name in models or publish.models(models_dir)]
    if not models:  # only what was named is missed
        found = [each for each in found if not isinstance(each, NoClassifier)]
    if not found:
        raise click.ClickException(
            f"There is no classifier in {models_dir}; `make train` makes two"
        )
    return found


class NoClassifier(str):
    """Why a model is no classifier."""


def _newest(models_dir: Path, model: str) -> Path | str:
    try:
        version_dir = publish.latest(models_dir, model)
        card = cards.checked(version_dir)
    except FileNotFoundError as error:
        return str(error)
    except DamagedCardError as error:
        return f"{version_dir} is damaged: {error}"
    except OSError as error:
        return f"{models_dir / model} cannot be read: {error}"
    if "imported" in card:
        return NoClassifier(
            f"{version_dir} was imported, perhaps for other pictures: its card has what was "
            "measured then, and `vitrine-train import` measures anew"
        )
    if "own_data" in card:
        return NoClassifier(
            f"{version_dir} was trained on own data, not on Fashion-MNIST: its card has what was "
            "measured then"
        )
    if card.get("labels"):
        return version_dir
    return NoClassifier(f"{version_dir} is no classifier with a card")


def each(
    found: Sequence[Path | str],
    data_dir: Path | None,
    judge: Callable[[Path, data.Split], None],
    *,
    as_json: bool,
) -> bool:
    """Calls `judge(version_dir, test)` for each version; tells on standard error which could not be
    judged, and why, and returns whether there was one."""
    failed = False

    def fail(reason: str) -> None:
        nonlocal failed
        failed = True
        click.echo(f"Error: {reason}", err=True)

    for reason in [one for one in found if isinstance(one, str)]:
        fail(reason)
    versions = [one for one in found if isinstance(one, Path)]
    if not versions:
        return failed
    with options.notes_on_stderr(as_json):
        test = options.load(data_dir).test
    with signals.ending_at_once():
        from vitrine_training.publish import wholeness

    for version_dir in versions:
        try:
            judge(version_dir, test)
        except NotJudged as error:
            fail(str(error))
        except Exception as error:  # damaged files raise anything from TensorFlow's depths
            fail(wholeness.described(version_dir, error))
    return failed
