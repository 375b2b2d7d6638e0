"""`--json`: every command that prints a table prints JSON instead, if it is asked to."""

from collections.abc import Iterator

import click
import pytest

from tests.docs.generated import COMMANDS
from tests.docs.pages import PAGES

WITHOUT = {
    "vitrine completion": "prints a script",
    "vitrine-serve completion": "prints a script",
    "vitrine-serve demo": "shows other commands",
    "vitrine-serve gateway": "is gunicorn",
    "vitrine-serve keys add": "prints a key",
    "vitrine-serve keys remove": "prints nothing",
    "vitrine-serve up": "runs until it is ended",
    "vitrine-train completion": "prints a script",
}
"""Commands without a table, and why. One that is new has `--json`, or stands here."""

KINDS = ("closed", "open", "search", "sweep", "replay", "check")
TO_A_FILE = {f"vitrine loadtest {kind}" for kind in KINDS}
"""Their tables come as the load goes on, and `--json FILE` has the whole result."""


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yields each command that is no group, with its whole name."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for below, child in command.commands.items():
        yield from leaves(child, f"{name} {below}")


LEAVES = dict(leaf for name, group in COMMANDS.items() for leaf in leaves(group, name))


@pytest.mark.parametrize("name", LEAVES)
def test_commands_have_it(name):
    """As a flag, or with a file; or there is no table that it could stand for."""
    flags = {
        flag: option
        for option in LEAVES[name].params
        if isinstance(option, click.Option)
        for flag in option.opts
    }
    if name in WITHOUT:
        assert "--json" not in flags
    else:
        assert flags["--json"].is_flag == (name not in TO_A_FILE)


def test_the_lists_are_current():
    """They name commands that there are."""
    assert set(WITHOUT) | TO_A_FILE <= set(LEAVES)


def test_the_pages_say_so():
    """commands.md says where JSON goes."""
    assert "JSON comes alone on standard output" in " ".join(PAGES["docs/commands.md"].split())
