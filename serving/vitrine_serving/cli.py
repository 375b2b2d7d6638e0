"""The command `vitrine-serve`: up, demo, gateway, keys."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from vitrine_client import VitrineError
from vitrine_client.process import signals, variables
from vitrine_client.process.addresses import Addresses
from vitrine_client.process.completion import completion_of
from vitrine_client.process.exit_codes import CommandGroup, NotBegun
from vitrine_client.process.numbers import MOST_THREADS
from vitrine_client.process.visible import visible
from vitrine_client.results import strict_json
from vitrine_serving import options, ports
from vitrine_serving.demonstration import DemoModels, pictures_of, refused
from vitrine_serving.gateway.access import keys as keys_file
from vitrine_serving.gateway.settings import SettingsError, checked_settings
from vitrine_serving.ports import PortError
from vitrine_serving.stack import PARALLELISM, CannotBegin, Stack, StackError, gateway_command

GATEWAY_S = 120
"""Seconds that a gateway may take, after the model server, until it answers."""


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine-serving", message="%(prog)s %(version)s")
def main() -> None:
    """Serve published models: an embedded model server, and the gateway in front of it.

    \b
    vitrine-serve up                     both, until Ctrl-C
    vitrine-serve demo samples/*.png     both, and predictions for a few pictures
    vitrine-serve gateway                the gateway alone, for a model server elsewhere
    vitrine-serve keys add NAME          make an API key; the gateway then answers nobody else
    vitrine-serve completion bash        let the shell complete all this
    """
    variables.warn_of_unknown()


main.add_command(completion_of("vitrine-serve"))


@main.command()
@options.service
@click.option(
    "--batching-parameters-file",
    "batching",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Turn the model server's batching on, with the parameters in this file; for clients that "
    "call it themselves (docs/model-server.md).",
)
@click.option(
    "--intra-op-threads",
    "intra_op",
    type=click.IntRange(0, MOST_THREADS),
    default=PARALLELISM[0],
    show_default=True,
    envvar="VITRINE_INTRA_OP_THREADS",
    show_envvar=True,
    help="Threads of the model server for one operation of a model; 0 for one a core.",
)
@click.option(
    "--inter-op-threads",
    "inter_op",
    type=click.IntRange(0, MOST_THREADS),
    default=PARALLELISM[1],
    show_default=True,
    envvar="VITRINE_INTER_OP_THREADS",
    show_envvar=True,
    help="Operations that it runs at a time for REST; 0 for one a core. A gRPC call runs in its "
    "own thread.",
)
def up(models_dir: Path, batching: Path | None, intra_op: int, inter_op: int, **where: Any) -> None:
    """Run the model server and the gateway until Ctrl-C.

    A file models.config in the models directory says which models are served, which versions and
    under which version labels; a running model server follows its changes. Without it the newest
    version of every model is served.

    The gateway's other settings come from the environment: see docs/operations.md. --port moves
    the model server's ports as well.
    """
    own_socket, addresses = options.split(where)
    more = {"batching": batching, "parallelism": (intra_op, inter_op)}
    with _running(models_dir, addresses, **more, **own_socket) as stack:
        for name in stack.models.left_out:
            click.echo(f"Not served: {name}, which is not in {stack.models.config}", err=True)
        click.echo(f"Ready: {addresses.url} (Ctrl-C to stop)")
        if elsewhere := options.url_elsewhere(addresses):
            open_to_all = "" if os.environ.get("VITRINE_KEYS_FILE") else options.WITHOUT_KEYS
            click.echo(f"From other machines: {elsewhere}{open_to_all}")
        if exports := options.exports(addresses, models_dir):
            click.echo(f"For clients in another terminal:\n  export {exports}")
        stack.wait()


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--once", is_flag=True, help="End after the predictions.")
@click.option("--model", metavar="MODEL", help="Ask MODEL alone.")
@options.service
def demo(
    pictures: tuple[Path, ...],
    once: bool,
    model: str | None,
    models_dir: Path,
    **where: Any,
) -> None:
    """Run the service, and predict PICTURES by each of its models, through the
    gateway and past it. Of a folder, a few pictures are taken.

    A picture that cannot be read, or is too large, is left out, with a sentence why."""
    own_socket, addresses = options.split(where)
    try:
        files = pictures_of(pictures)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    click.echo("Starting the model server and the gateway")
    with _running(models_dir, addresses, quiet=True, **own_socket) as stack:
        try:
            shown = _show(files, model, addresses)
        except (VitrineError, LookupError) as error:
            raise click.ClickException(str(error.args[0])) from error
        if once and not shown:
            raise click.ClickException("none of the pictures could be shown")
        if not once:
            click.echo(f"\nTry it with your own pictures: {addresses.url} (Ctrl-C to stop)")
            stack.wait()


def _show(files: Sequence[str], model: str | None, addresses: Addresses) -> Sequence[str]:
    """Has models predict pictures; returns those that none of them refused. Raises `VitrineError`,
    and `LookupError` for a model that cannot be asked."""
    key = os.environ.get("VITRINE_API_KEY", "")
    models = DemoModels.found(addresses.url, key)
    if model is not None:
        models = models.alone(model)
    _tell_left_out(models.left_out)
    if not models.classifiers:
        click.echo("No model here takes pictures")
    for words in models.asked():
        reasons = refused(files, addresses.url, key, *words[1:])
        _tell_left_out(reasons)
        files = [name for name in files if name not in reasons]
        _predict(files, *words, "--url", addresses.url)
    for words in models.asked(past_gateway=True)[:1]:
        _predict(files, *words, "--model-server", addresses.model_server)
    return files


def _tell_left_out(reasons: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        click.echo(f"Left out: {visible(name)}, as {visible(reason)}")


def _predict(pictures: Sequence[str], *words: str) -> None:
    if not pictures:
        click.echo("No picture is left to show")
        return
    shown = pictures if len(pictures) < 3 else (pictures[0], "…", pictures[-1])
    click.echo(f"\n$ vitrine predict {' '.join((*words, *shown))}")
    done = subprocess.run(
        [sys.executable, "-m", "vitrine_client", "predict", *words, *pictures],
        env=variables.without_unknown(os.environ),  # they were told of
        # Ctrl-C is for this process, which ends it: a Python that begins would show a traceback.
        start_new_session=True,
    )
    if done.returncode:
        raise click.ClickException(f"that failed with exit code {done.returncode}")


@contextmanager
def _running(models_dir: Path, addresses: Addresses, **how: Any) -> Iterator[Stack]:
    try:
        stack = Stack(models_dir, addresses, **how)
        with signals.reloading(stack.reload), stack:
            if stack.by_grpc:
                click.echo(
                    f"The gateway asks by gRPC, as no socket can be: {stack.by_grpc}", err=True
                )
            for sentence in stack.models.misplaced:
                click.echo(f"Passed over: {sentence}", err=True)
            for sentence in stack.wait_until_settled(GATEWAY_S, _tell_of_waiting):
                click.echo(f"Not served: {sentence}", err=True)
            yield stack
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (PortError, CannotBegin) as error:
        raise NotBegun(str(error)) from error
    except StackError as error:
        raise click.ClickException(str(error)) from error


def _tell_of_waiting(reason: str) -> None:
    click.echo(f"Waiting: {reason}", err=True)


@main.command()
def gateway() -> None:
    """Run the gateway alone. Its settings are environment variables (docs/operations.md).

    It asks the model server at VITRINE_MODEL_SERVER, or on this machine at VITRINE_LOCAL_SOCKET,
    VITRINE_GRPC_PORT or VITRINE_PORT + 420.
    """
    try:
        server = checked_settings().server
        ports.check_gateway(server.host, server.port, server.v2_grpc_port)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except PortError as error:
        raise NotBegun(str(error)) from error
    command = gateway_command()
    signals.hand_over()
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
    """Make a key called NAME, print it once, and append its hash to the file."""
    with _explained():
        key = keys_file.add(path, name)
    click.echo(key)
    click.echo(
        f"Added {name} to {path}. Keep the key: it is not shown again. Clients send it as\n"
        "  Authorization: Bearer <key>",
        err=True,
    )


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for each key.")
@_file_option
def list_keys(path: Path, as_json: bool) -> None:
    """Print the names of the keys."""
    with _explained():
        names = keys_file.read(path)
    if as_json:
        click.echo(strict_json.dumps([{"name": name} for name in names], indent=2))
        return
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
