"""Commands: what the pages have a reader type is what the commands take."""

import subprocess

import click
import pytest

from tests.docs.generated import COMMANDS
from tests.docs.pages import PAGES, command_lines, fences, spans
from tests.docs.shell import words
from tests.docs.test_settings import options
from vitrine_serving.model_server.__main__ import main as vitrine_model_server
from vitrine_serving.model_server.startup.command_line import UNKNOWN
from vitrine_training.models.recipes import RECIPES

OURS: dict[str, click.Command] = {**COMMANDS, "vitrine-model-server": vitrine_model_server}


def parse(
    command: click.Command,
    name: str,
    arguments: list[str],
    *,
    whole: bool,
    parent: click.Context | None = None,
) -> None:
    """Has click read a command's arguments, as it would; files need not exist.

    Raises click.UsageError. Without `whole` arguments may be missing.
    """
    if isinstance(command, click.Group):
        # With the settings and the parent that it has in life: commands keep their help option.
        context = click.Context(command, parent, info_name=name, **command.context_settings)
        _, (*below,), _ = command.make_parser(context).parse_args(list(arguments))
        if below:
            found, child, rest = command.resolve_command(context, below)
            assert found
            assert child
            parse(child, found, rest, whole=whole, parent=context)
        return
    try:
        context = command.make_context(name, list(arguments), parent)
        assert not context.meta.get(UNKNOWN)  # which the model server would ignore
    except click.exceptions.Exit:  # --help
        return
    except click.MissingParameter as error:
        if whole and not (error.param and error.param.envvar):
            raise
    except click.BadOptionUsage:  # a flag without its value
        if whole:
            raise
    except click.BadParameter as error:
        if "does not exist" not in error.message:
            raise


@pytest.mark.parametrize("page", PAGES)
def test_command_lines_are_right(page):
    """Each command of ours in a block is read by it, with its flags and the values of these."""
    for line in command_lines(PAGES[page]):
        for name, *arguments in words(line):
            if name.startswith("vitrine"):
                parse(OURS[name], name, arguments, whole=True)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_are_right(page):
    """So is what stands in a sentence, where arguments may be left out."""
    for span in spans(PAGES[page]):
        if span.split()[0] in OURS:
            for name, *arguments in words(span.replace("<version>", "1")):
                if name in OURS:
                    parse(OURS[name], name, arguments, whole=False)


@pytest.mark.parametrize("page", PAGES)
def test_shell_blocks_are_shell(page):
    """bash can read each block of commands."""
    for language, content in fences(PAGES[page]):
        if language == "sh":
            done = subprocess.run(["bash", "-n"], input=content, text=True, capture_output=True)
            assert done.returncode == 0, content + done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "vitrine predikt a.png",
        "vitrine predict --modle mlp a.png",
        "vitrine predict --top many a.png",
        "vitrine-train train softmacks --epochs x",
    ],
)
def test_what_is_wrong_is_seen(wrong):
    """A subcommand, a flag and a value that are none."""
    ((name, *arguments),) = words(wrong)
    with pytest.raises(click.UsageError):
        parse(OURS[name], name, arguments, whole=True)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_documented(name):
    """Each recipe is in training.md with the command that runs it."""
    assert f"`vitrine-train train {name}`" in PAGES["docs/training.md"]


def test_help_names_every_subcommand():
    """The overview of each command shows its subcommands, and every flag says what it is for."""
    for name, command in COMMANDS.items():
        assert command.help
        for subcommand, child in command.commands.items():
            assert f"{name} {subcommand}" in command.help or subcommand == "versions"
            assert child.help
            assert all(option.help for option in options(child))
