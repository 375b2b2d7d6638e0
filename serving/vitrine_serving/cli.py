"""The command `vitrine-serve`: up, demo, gateway, keys."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from vitrine_client import Client
from vitrine_client.default_model import FALLBACK, PREFERRED
from vitrine_client.exit_codes import CommandGroup
from vitrine_client.model_server import ModelServerClient
from vitrine_serving.gateway import keys as keys_file
from vitrine_serving.stack import Addresses, Stack, StackError, gateway_command

READY_S = 120
"""TensorFlow takes 15-20 s to import on a cold disk, and more on a slow one."""


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Serve published models: an embedded model server, and the gateway in front of it.

    \b
    vitrine-serve up                     both, until Ctrl-C
    vitrine-serve demo samples/*.png     both, and predictions for a few pictures
    vitrine-serve gateway                the gateway alone, for a model server elsewhere
    vitrine-serve keys add NAME          an API key for whom the gateway shall answer
    """


def _stack_options(command: Callable[..., None]) -> Callable[..., None]:
    options: list[tuple[str, str, Any, str]] = [
        ("--host", "VITRINE_HOST", "127.0.0.1", "Address of the gateway."),
        ("--port", "VITRINE_PORT", 8080, "Port of the gateway."),
        ("--grpc-port", "VITRINE_GRPC_PORT", 8500, "gRPC port of the model server."),
        ("--rest-port", "VITRINE_REST_PORT", 8501, "REST port of the model server."),
        ("--models-dir", "VITRINE_MODELS_DIR", "models", "Where the versions are."),
    ]
    for name, variable, default, text in reversed(options):
        command = click.option(
            name, envvar=variable, default=default, show_default=True, show_envvar=True, help=text
        )(command)
    return command


@main.command()
@_stack_options
@click.option(
    "--batching-parameters-file",
    "batching",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Turn the model server's batching on, with the parameters in this file; for clients that "
    "call it themselves (docs/model-server.md).",
)
def up(
    host: str, port: int, grpc_port: int, rest_port: int, models_dir: str, batching: Path | None
) -> None:
    """Run the model server and the gateway until Ctrl-C.

    A file models.config in the models directory says which models are served, which versions and
    under which version labels; a running model server follows its changes. Without it the newest
    version of every model is served.

    The gateway's other settings come from the environment: see docs/operations.md.
    """
    addresses = _addresses(host, port, grpc_port, rest_port)
    with _running(models_dir, addresses, batching=batching) as stack:
        for name in stack.models.left_out:
            click.echo(f"Not served: {name}, which is not in {stack.models.config}", err=True)
        click.echo(f"Ready: {addresses.url} (Ctrl-C to stop)")
        stack.wait()


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--once", is_flag=True, help="End after the predictions.")
@_stack_options
def demo(
    pictures: tuple[str, ...],
    once: bool,
    host: str,
    port: int,
    grpc_port: int,
    rest_port: int,
    models_dir: str,
) -> None:
    """Run the service, predict PICTURES by the default model and every other one, through the
    gateway and past it."""
    addresses = _addresses(host, port, grpc_port, rest_port)
    click.echo("Starting the model server and the gateway")
    with _running(models_dir, addresses, quiet=True) as stack:
        asked = _asked_models(_classifiers(addresses))
        for options in asked:
            _predict(pictures, *options, "--url", addresses.url)
        for options in asked[:1]:
            _predict(pictures, *options, "--model-server", addresses.model_server)
        if not once:
            click.echo(f"\nTry it with your own pictures: {addresses.url} (Ctrl-C to stop)")
            stack.wait()


def _addresses(host: str, port: int, grpc_port: int, rest_port: int) -> Addresses:
    tls = bool(os.environ.get("VITRINE_TLS_CERT"))
    return Addresses(host, port, grpc_port, rest_port, tls=tls)


def _classifiers(addresses: Addresses) -> list[str]:
    """The models that know labels; `linear`, say, has no use for pictures."""
    key = os.environ.get("VITRINE_API_KEY", "")
    with (
        Client(addresses.url, api_key=key) as gateway,
        ModelServerClient(addresses.model_server) as server,
    ):
        available = {
            model: [one.version for one in versions if one.state == "AVAILABLE"]
            for model, versions in gateway.models().items()
        }
        return [
            model
            for model, versions in available.items()
            if server.describe(model, max(versions)).labels
        ]


def _asked_models(classifiers: list[str]) -> list[tuple[str, ...]]:
    """Options of `vitrine predict` for each of them; the default model comes first, and without."""
    default = next((name for name in (PREFERRED, FALLBACK) if name in classifiers), None)
    named = [("--model", name) for name in classifiers if name != default]
    return [(), *named] if default else [*named]


def _predict(pictures: tuple[str, ...], *options: str) -> None:
    shown = pictures if len(pictures) < 3 else (pictures[0], "…", pictures[-1])
    click.echo(f"\n$ vitrine predict {' '.join((*options, *shown))}")
    done = subprocess.run([sys.executable, "-m", "vitrine_client", "predict", *options, *pictures])
    if done.returncode:
        raise click.ClickException(f"that failed with exit code {done.returncode}")


@contextmanager
def _running(
    models_dir: str, addresses: Addresses, *, batching: Path | None = None, quiet: bool = False
) -> Iterator[Stack]:
    try:
        with Stack(Path(models_dir), addresses, batching=batching, quiet=quiet) as stack:
            stack.wait_until_ready(READY_S)
            yield stack
    except StackError as error:
        raise click.ClickException(str(error)) from error


@main.command()
def gateway() -> None:
    """Run the gateway alone; its settings are environment variables (docs/operations.md)."""
    command = gateway_command()
    os.execv(command[0], command)  # signals are gunicorn's own  # noqa: S606


@main.group()
def keys() -> None:
    """Make and remove the API keys that the gateway asks for.

    \b
    $ export VITRINE_KEYS_FILE=keys.txt
    $ vitrine-serve keys add mobile-app
    vitrine_k3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Yk3Y
    $ vitrine-serve gateway

    The file has the keys' hashes alone. A running gateway reads it again within a second.
    """


_file_option = click.option(
    "--file",
    "path",
    envvar="VITRINE_KEYS_FILE",
    required=True,
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The keys file.",
)


@keys.command("add")
@click.argument("name")
@_file_option
def add_key(name: str, path: Path) -> None:
    """Make a key called NAME, print it this once, and append its hash to the file."""
    with _explained():
        key = keys_file.add(path, name)
    click.echo(key)
    click.echo(
        f"Added {name} to {path}. Keep the key: it is not shown again. Clients send it as\n"
        "  Authorization: Bearer <key>",
        err=True,
    )


@keys.command("list")
@_file_option
def list_keys(path: Path) -> None:
    """Print the names of the keys."""
    with _explained():
        names = keys_file.read(path)
    for name in names:
        click.echo(name)


@keys.command("remove")
@click.argument("name")
@_file_option
def remove_key(name: str, path: Path) -> None:
    """Take the key called NAME out of the file."""
    with _explained():
        keys_file.remove(path, name)
    click.echo(f"Removed {name} from {path}.", err=True)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except keys_file.KeysFileError as error:
        raise click.ClickException(str(error)) from error
