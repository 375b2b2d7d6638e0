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


def classifiers(models: Sequence[str], models_dir: Path, *, own: bool = False) -> list[Path | str]:
    """Returns the newest versions of `models`, or of all that have labels or a damaged card; in the
    place of one that cannot be judged, why that is.

    Those of own data are classifiers where `own` data is at hand, and they alone.
    Raises `click.ClickException` where there is nothing to judge.
    """
    every = [_newest(models_dir, name, own) for name in models or publish.models(models_dir)]
    # Only what was named is missed.
    found = every if models else [each for each in every if not isinstance(each, NoClassifier)]
    if not found:
        of_own = any(isinstance(each, OfOwnData) for each in every)
        what = " of Fashion-MNIST" if of_own else ""
        also = "; name a model of own data with --data PATH" if of_own else ""
        raise click.ClickException(
            f"There is no classifier{what} in {models_dir}; `make train` makes two{also}"
        )
    return found


class NoClassifier(str):
    """Reason why a model is no classifier."""


class OfOwnData(NoClassifier):
    """Reason why a model of own data is no classifier of Fashion-MNIST."""


def _newest(models_dir: Path, model: str, own: bool) -> Path | str:
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
        return (
            version_dir
            if own
            else OfOwnData(
                f"{version_dir} was trained on own data, not on Fashion-MNIST: say with --data "
                "PATH where that is"
            )
        )
    if own:
        return NoClassifier(f"{version_dir} was not trained on own data: leave out --data")
    if card.get("labels"):
        return version_dir
    return NoClassifier(f"{version_dir} is no classifier with a card")


def each(
    found: Sequence[Path | str],
    test_of: Callable[[Path], data.Split],
    judge: Callable[[Path, data.Split], None],
    *,
    as_json: bool,
) -> bool:
    """Calls `judge(version_dir, test_of(version_dir))` for each version; tells on standard error
    which could not be judged, and why, and returns whether there was one."""
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
    for version_dir in versions:
        try:
            with options.notes_on_stderr(as_json):
                test = test_of(version_dir)
        except NotJudged as error:
            fail(str(error))
            continue
        with signals.importing():
            from vitrine_training.publish import wholeness
        try:
            judge(version_dir, test)
        except NotJudged as error:
            fail(str(error))
        except Exception as error:  # damaged files raise anything from TensorFlow's depths
            fail(wholeness.described(version_dir, error))
    return failed
