"""Values of a sweep's options: seeds, sizes, and settings with the values to try."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import click

from vitrine_client.process.visible import visible
from vitrine_training.cli.train import train
from vitrine_training.models.recipes import SETTINGS
from vitrine_training.sweep.plan import Choice

MOST_SEEDS = 10_000
_MOST_VALUES = 10_000
_HIGHEST_SEED = 2**32 - 1
_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)

_NAMES = {setting.name.replace("_", "-"): setting.name for setting in SETTINGS}
"""Settings as they are typed."""

_NONE = "none"
"""Typed for no layers, where a value would be empty."""


class Seeds(click.ParamType[tuple[int, ...]]):
    """Seeds, as in 0-4 or 0,1,7."""

    name = "SEEDS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Reads ranges and numbers, separated by commas."""
        if isinstance(value, tuple):
            return value
        found: list[int] = []
        for word in value.split(","):
            matched = _RANGE.fullmatch(word.strip())
            if not matched:
                self.fail(f"write seeds as in 0-4 or 0,1,7, not {visible(value)!r}", param, ctx)
            low, high = int(matched[1]), int(matched[2] or matched[1])
            if high < low:
                self.fail(f"{word} has its lower end last", param, ctx)
            if high > _HIGHEST_SEED:
                self.fail(f"{high} is above {_HIGHEST_SEED}, the highest seed", param, ctx)
            if high - low >= MOST_SEEDS or len(found) >= MOST_SEEDS:
                self.fail(f"{value} has more than {MOST_SEEDS:,} seeds", param, ctx)
            found += range(low, high + 1)
        if twice := _twice(found):
            self.fail(f"{twice} is there twice", param, ctx)
        return tuple(found)


class Sizes(click.ParamType[tuple[int, ...]]):
    """Sizes of pictures, separated by commas: each one that `train` takes."""

    name = "SIZES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Reads `28,32`."""
        if isinstance(value, tuple):
            return value
        one = _option("size").type
        sizes = tuple(one.convert(word.strip(), param, ctx) for word in value.split(","))
        if twice := _twice(sizes):
            self.fail(f"{twice} is there twice", param, ctx)
        return sizes


class Vary(click.ParamType[tuple[Choice, ...]]):
    """Setting with the values to try, as in learning-rate=0.1,0.03."""

    name = "SETTING=VALUES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Choice, ...]:
        """Reads a setting's values, each as `train` reads it. Values that are lists themselves,
        as the widths of layers, have semicolons between them."""
        if isinstance(value, tuple):
            return value
        typed, equals, texts = value.partition("=")
        typed = typed.strip().removeprefix("--")
        if not equals:
            self.fail(f"write {visible(value)!r} as in learning-rate=0.1,0.03", param, ctx)
        setting = _NAMES.get(typed.replace("_", "-"))
        if setting is None:
            self.fail(f"{visible(typed)!r} is no setting{_nearest(typed)}", param, ctx)
        words = texts.split(_separator(setting, texts))
        if len(words) > _MOST_VALUES:
            self.fail(f"{typed} has more than {_MOST_VALUES:,} values", param, ctx)
        choices = tuple(self._choice(setting, word.strip(), param, ctx) for word in words)
        if twice := _twice([choice.value for choice in choices]):
            self.fail(f"{typed} has the value {_shown(twice)} twice", param, ctx)
        return choices

    def _choice(
        self,
        setting: str,
        text: str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Choice:
        option = _option(setting)
        is_list = _is_list(setting)
        if not text:
            hint = f"; {_NONE} is for no layers" if is_list else ""
            self.fail(f"{setting.replace('_', '-')} has an empty value{hint}", param, ctx)
        typed = "" if is_list and text == _NONE else text
        kind = click.BOOL if option.is_flag else option.type
        try:
            value = kind.convert(typed, option, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(error.message, ctx, option) from error
        if option.is_flag:
            return Choice(
                setting,
                "yes" if value else "no",
                value,
                (option.opts if value else option.secondary_opts)[0],
            )
        return Choice(setting, visible(text), value, f"{option.opts[0]}={typed}")


def check_settings(chosen: Sequence[tuple[Choice, ...]]) -> None:
    """Refuses a setting that is there twice."""
    if twice := _twice([choices[0].setting for choices in chosen]):
        name = str(twice).replace("_", "-")
        raise click.UsageError(f"--vary {name} is there twice: write all of its values in one")


def _option(name: str) -> click.Option:
    """Returns the option of `train` that has a name: a sweep takes what it takes."""
    return next(
        param for param in train.params if isinstance(param, click.Option) and param.name == name
    )


def _is_list(setting: str) -> bool:
    return isinstance(next(s.default for s in SETTINGS if s.name == setting), tuple)


def _separator(setting: str, texts: str) -> str:
    return ";" if _is_list(setting) or ";" in texts else ","


def _nearest(typed: str) -> str:
    near = get_close_matches(typed, _NAMES, 1)
    return f"; did you mean {near[0]}?" if near else f": there are {', '.join(_NAMES)}"


def _twice(values: Sequence[Any]) -> Any:
    """Returns the text of a value that is there twice; None where there is none."""
    seen = set()
    for value in values:
        if value in seen:
            return _shown(value)
        seen.add(value)
    return None


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) or _NONE if isinstance(value, tuple) else str(value)
