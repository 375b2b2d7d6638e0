"""Options that the subcommands of `vitrine` share, their terminal, and how failures end."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from rich.text import Text

from vitrine_client.cli import completion_values
from vitrine_client.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unavailable,
    VitrineError,
)
from vitrine_client.http.default_model import (
    FALLBACK,
    PREFERRED,
    DefaultModelWarning,
    is_served,
    told_of_missing,
)
from vitrine_client.http.protocol import LONGEST_S
from vitrine_client.process import addresses
from vitrine_client.process.console import VisibleConsole
from vitrine_client.process.exit_codes import FAILED, NOT_BEGUN
from vitrine_client.process.numbers import Number
from vitrine_client.process.visible import visible_lines
from vitrine_client.results.json_values import NEWEST
from vitrine_client.results.predictions import VersionStatus

T = TypeVar("T")

console = VisibleConsole(highlight=False)
"""Standard output; colours on a terminal only."""


def checked(
    check: Callable[[str], T], default: Callable[[], T | None] = lambda: None
) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Returns the callback of an option whose value `check` returns, or raises `InvalidRequest`,
    which is wrong usage; its default may be one that the environment decides."""

    def callback(_: click.Context, __: click.Parameter, named: str | None) -> T | None:
        try:
            return default() if named is None else check(named)
        except InvalidRequest as error:
            wrong = click.UsageError if named is None else click.BadParameter
            raise wrong(str(error)) from error

    return callback


url = click.option(
    "--url",
    envvar="VITRINE_URL",
    callback=checked(addresses.checked_v2_url, addresses.gateway_url),
    show_default=f"{addresses.Addresses().url}, or with VITRINE_PORT",
    show_envvar=True,
    help="The gateway.",
)
model_servers = click.option(
    "--model-server",
    "addresses",
    envvar="VITRINE_MODEL_SERVER",
    callback=checked(addresses.checked_model_servers, addresses.model_servers),
    show_default=f"{addresses.Addresses().model_server}, or with VITRINE_GRPC_PORT, or VITRINE_PORT"
    f" + {addresses.GRPC_OFFSET}",
    show_envvar=True,
    metavar="HOST:PORT",
    help="The model server to tell, or several, separated by commas.",
)
key = click.option(
    "--key",
    default="",
    show_default=False,
    envvar="VITRINE_API_KEY",
    show_envvar=True,
    help="API key, if the gateway asks for one.",
)


SECONDS = Number(min=0, min_open=True, max=LONGEST_S)
"""A time-out, or how long something may take."""

timeout_s = click.option(
    "--timeout-s",
    type=SECONDS,
    default=10.0,
    help="Longest wait for one answer, in seconds.",
)
model = click.option(
    "--model",
    shell_complete=completion_values.model_names,
    help=f"Which model to ask.  [default: {PREFERRED}, or {FALLBACK} where that is not served]",
)


def models_dir(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns the option for the directory of all models' versions; `text` is its help."""
    return click.option(
        "--models-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default="models",
        envvar="VITRINE_MODELS_DIR",
        show_envvar=True,
        help=text,
    )


def was_typed(name: str) -> bool:
    """Whether an option of the running command is on its command line, and not in a variable."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(name) if context else None
    return source is ParameterSource.COMMANDLINE


def variable(name: str) -> str:
    """Returns the environment variable of an option of the running command."""
    params = click.get_current_context().command.params
    return str(next(each.envvar for each in params if each.name == name))


def refuse_typed(reason: str, *names: str) -> None:
    """Ends the command where one of these options was given, as it would have no effect."""
    for name in filter(was_typed, names):
        raise click.UsageError(f"{reason}: leave out --{name.replace('_', '-')}")


@contextmanager
def friendly() -> Iterator[None]:
    """Ends the command with a message, not a traceback, where the service or a file fails: with
    `NOT_BEGUN` where nobody answers, else with `FAILED`."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has gone: click ends quietly
    except (VitrineError, OSError) as error:
        told = str(error)
        if isinstance(error, Unauthorized):  # it speaks of headers
            told = f"{told.partition(';')[0]}; --key (VITRINE_API_KEY) gives one"
        click.echo(f"Error: {told}", err=True)
        sys.exit(NOT_BEGUN if isinstance(error, Unavailable | DeadlineExceeded) else FAILED)


def note(text: str) -> None:
    """Says something beside the output: a dim line on standard error."""
    dim = Text(visible_lines(text), "dim")
    VisibleConsole(stderr=True, highlight=False).print(dim, soft_wrap=True)


@contextmanager
def default_model_noted() -> Iterator[None]:
    """Notes where another model than the preferred one answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DefaultModelWarning)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, DefaultModelWarning):
                note(str(message))
            else:
                others(message, category, *rest, **more)

        warnings.showwarning = show
        yield


def default_model(
    status: Callable[[str], list[VersionStatus]], told: Callable[[str], None] = note
) -> str:
    """Returns the default model of a service, whose `status` it asks once; says where it is not the
    preferred one. Raises `VitrineError` where nobody answers."""
    try:
        served = is_served(status(PREFERRED))
    except NotFound:
        served = False
    if not served:
        told(told_of_missing())
    return PREFERRED if served else FALLBACK


@contextmanager
def needs(extra: str, option: str) -> Iterator[None]:
    """Names the extra to install where a module of it is not there."""
    try:
        yield
    except ImportError as error:
        raise click.UsageError(
            f"{option} needs more ({error}): pip install 'vitrine-client[{extra}]'"
        ) from error


Box = tuple[float, ...]


def _read(_: click.Context, __: click.Parameter, text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is none; write four numbers, 120,40,300,300") from None
    return tuple(int(side) if side.is_integer() else side for side in (x, y, width, height))


box = click.option(
    "--box",
    metavar="X,Y,W,H",
    callback=_read,
    help="Where the item is, in pixels of the upright picture; of one picture alone.  [default: it "
    "is looked for]",
)


def _alone(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    others = {"version", "label"} - {parameter.name}
    if value is not None and any(ctx.params.get(other) is not None for other in others):
        raise click.UsageError("--version and --label are two ways to say which; give one")
    if parameter.name == "version" and value is not None and value > NEWEST:
        raise click.BadParameter(f"no version is beyond {NEWEST}")
    return value


_label = click.option(
    "--label",
    metavar="NAME",
    callback=_alone,
    shell_complete=completion_values.version_labels,
    help="Ask the version with this version label, such as stable.",
)
_version = click.option(
    "--version",
    type=click.IntRange(min=0),
    callback=_alone,
    help="Which version to ask.  [default: the newest]",
)


def which_version(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--version` and `--label`, of which one at most may be given."""
    return _version(_label(command))
