"""Options that the commands of `vitrine-train` share, and their readers."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from rich.table import Table

from vitrine_client.process.console import VisibleConsole
from vitrine_client.results import strict_json
from vitrine_client.store.version_directories import RETIRED
from vitrine_training.data import fashion_mnist as data
from vitrine_training.data.idx import DataError
from vitrine_training.publish import versions as publish

console = VisibleConsole(highlight=False, soft_wrap=True)

_NAME = re.compile(r"\w[\w.-]{0,199}")

_UNBOUNDED = 10_000
"""Columns that no table needs: output to a file has no width to fit."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def _published(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the names of the models that have a version."""
    named = context.params.get("models_dir") or models_default(context)
    return [CompletionItem(n) for n in publish.models(Path(named)) if n.startswith(incomplete)]


def models_default(context: click.Context) -> str:
    """Returns where versions are published unless `--models-dir` says it."""
    option = next(each for each in context.command.params if each.name == "models_dir")
    return str(option.value_from_envvar(context) or option.get_default(context))


models = click.argument("models", nargs=-1, shell_complete=_published)
model = click.argument("model", shell_complete=_published)
models_dir = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models"),
    envvar="VITRINE_MODELS_DIR",
    show_default=True,
    show_envvar=True,
    help="Folder to publish versions in.",
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="VITRINE_DATA_DIR",
    show_envvar=True,
    help="A directory with Fashion-MNIST's four .gz files.  [default: cache, download, Debian]",
)


def check_name(model: str) -> None:
    """Raises `click.BadParameter` where no model can have the name that `--as` says."""
    if not _NAME.fullmatch(model) or model == "models.config":
        raise click.BadParameter(
            "a model's name has letters, digits, -, _ and ., 200 at most; it is not "
            "models.config, the name of a file",
            param_hint="--as",
        )


def print_table(table: Table) -> None:
    """Prints a table, without wrapping its cells where no terminal has to hold them."""
    wide = VisibleConsole(width=_UNBOUNDED, stderr=console.stderr)
    (console if console.is_terminal else wide).print(table)


def was_typed(name: str) -> bool:
    """Whether an option of the running command is on its command line, and not in a variable."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


@contextmanager
def notes_on_stderr(wanted: bool) -> Iterator[None]:
    """Has all that is printed meanwhile go to standard error, where JSON comes on standard
    output."""
    console.stderr = wanted
    try:
        yield
    finally:
        console.stderr = False


def print_json(content: object) -> None:
    """Prints strict JSON on standard output."""
    click.echo(strict_json.dumps(content, indent=2))


def version_of(version_dir: Path) -> dict[str, Any]:
    """Returns the members that name a version in JSON."""
    number = int(version_dir.name.removeprefix(RETIRED))
    return {"model": version_dir.parent.name, "version": number, "path": str(version_dir)}


def load(data_dir: Path | None) -> data.Dataset:
    """Returns Fashion-MNIST, or ends the command with advice."""
    try:
        return data.load(data_dir, say=console.print)
    except DataError as error:
        raise click.ClickException(str(error)) from error


def adder(
    *added: Callable[[Callable[..., None]], Callable[..., None]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns the decorator that adds options to a command, in this order."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(added):
            command = option(command)
        return command

    return add
