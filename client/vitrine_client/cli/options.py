"""What the subcommands of `vitrine` share: options, the terminal, and how failures end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from vitrine_client.errors import VitrineError

console = Console(highlight=False)
"""Standard output; colours on a terminal only."""

url = click.option(
    "--url",
    default="http://127.0.0.1:8080",
    envvar="VITRINE_URL",
    show_default=True,
    show_envvar=True,
    help="The gateway.",
)
key = click.option(
    "--key",
    default="",
    envvar="VITRINE_API_KEY",
    show_envvar=True,
    help="API key, if it wants one.",
)
timeout_s = click.option(
    "--timeout-s", default=10.0, show_default=True, help="Longest wait for one answer, in seconds."
)
model = click.option("--model", default="mlp", show_default=True, help="Which model to ask.")


def models_dir(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns the option for the directory of all models' versions; `text` is its help."""
    return click.option(
        "--models-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default="models",
        envvar="VITRINE_MODELS_DIR",
        show_default=True,
        show_envvar=True,
        help=text,
    )


@contextmanager
def friendly() -> Iterator[None]:
    """Ends the command with a message, not a traceback, where the service or a file fails."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has gone: click ends quietly
    except (VitrineError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


@contextmanager
def needs(extra: str, option: str) -> Iterator[None]:
    """Says what to install where a module of an extra is not there."""
    try:
        yield
    except ImportError as error:
        raise click.UsageError(
            f"{option} needs more ({error}): pip install 'vitrine-client[{extra}]'"
        ) from error
