"""Command line of TensorFlow Serving's flags, as its command_line_flags.cc reads it.

`--flag=value`, `--flag` for a truth value; and, which is ours, `--flag value`. Words that are no
flag are told and ignored, as there; ours is to name the flag that is nearest.
"""

import difflib
from collections.abc import Mapping, Sequence

import click

from vitrine_serving.model_server.flags import SWITCH, Switch

_HELP = ("-h", "--help")
UNKNOWN = f"{__name__}.unknown"
REFUSED = 255
"""Exit code of what TensorFlow Serving ends with as well: flags and files that make no sense."""


class Unusable(click.UsageError):
    """Usage that is wrong."""

    exit_code = REFUSED


class FlagCommand(click.Command):
    """Command whose options are flags; `ctx.meta[UNKNOWN]` has a sentence for each other word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the words; those that are no flag are left out."""
        switches = {
            option.opts[0].removeprefix("--"): isinstance(option.type, Switch)
            for option in self.params
        }
        known, unknown = split(args, switches)
        ctx.meta[UNKNOWN] = [_unknown(word, tuple(switches)) for word in unknown]
        try:
            return super().parse_args(ctx, known)
        except click.UsageError as error:
            raise Unusable(error.format_message(), error.ctx) from error


def split(args: Sequence[str], switches: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Returns the words that flags are made of, each as `--flag=value`, and all others.

    `switches` has the name of each flag, and whether it is a truth value.
    """
    known: list[str] = []
    unknown: list[str] = []
    left = list(args)
    while left:
        word = left.pop(0)
        name, equals, _ = word.removeprefix("--").partition("=")
        if word == "--":
            unknown += [word, *left]
            break
        if word in _HELP:
            known.append(word)
        elif not word.startswith("--") or name not in switches:
            unknown.append(word)
        elif equals:
            known.append(word)
        elif switches[name]:
            value = left.pop(0) if left and left[0] in SWITCH else "true"
            known.append(f"{word}={value}")
        elif left and not left[0].startswith("--"):
            known.append(f"{word}={left.pop(0)}")
        else:
            known.append(word)  # without its value, which click tells
    return known, unknown


def _unknown(word: str, names: Sequence[str]) -> str:
    """Returns a sentence on a word that is no flag, with the flag that was probably meant."""
    name = word.lstrip("-").partition("=")[0].replace("-", "_")
    near = difflib.get_close_matches(name, names, 1) if word.startswith("-") else []
    return f"unknown argument: {word}" + (f"; the nearest flag is --{near[0]}" if near else "")
