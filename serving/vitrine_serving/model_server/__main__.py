"""Command `vitrine-model-server`, with the names of TensorFlow Serving's flags."""

import logging
import os
from typing import Any

import click

from vitrine_client.process import signals, standard_streams
from vitrine_client.process.exit_codes import NotBegun
from vitrine_serving import ports
from vitrine_serving.model_server.flags import Flags, options, without_effect
from vitrine_serving.model_server.local_socket import LocalSocket, check_grpc_path
from vitrine_serving.model_server.startup.command_line import (
    REFUSED,
    UNKNOWN,
    FlagCommand,
    Unusable,
)

TENSORFLOW_SERVING = "2.20.0"
"""The release of TensorFlow Serving whose flags and answers these are."""

log = logging.getLogger("vitrine_serving.model_server")


class _Refused(click.ClickException):
    """Refusal to start, in TensorFlow Serving's words; a hint is ours."""

    exit_code = REFUSED

    def __init__(self, words: str, hint: str) -> None:
        super().__init__(words)
        self._hint = hint

    def show(self, file: Any = None) -> None:
        """Writes both to standard error."""
        click.echo(f"Failed to start server. Error: {self.message}", file=file, err=True)
        if self._hint:
            click.echo(self._hint, file=file, err=True)


@click.command(cls=FlagCommand, context_settings={"help_option_names": ["-h", "--help"]})
@options
@click.pass_context
def main(ctx: click.Context, /, **values: Any) -> None:
    """Serve SavedModels over TensorFlow Serving's gRPC and REST API, without TensorFlow Serving.

    \b
    vitrine-model-server --model_name=mlp --model_base_path=models/mlp
    vitrine-model-server --model_config_file=models.config

    All flags of TensorFlow Serving 2.20.0 are here, and some that it does not have, which say
    `ours`. An unknown flag is ignored, with a warning that names the nearest one.
    """
    flags = Flags(**values)
    if flags.version:
        _print_version()
        return
    logging.basicConfig(
        level=flags.log_level.upper(), format="%(asctime)s model-server %(message)s"
    )
    _tell_unheeded(flags, ctx.meta[UNKNOWN])
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # how we load is deprecated, not wrong
    # What it cannot do is raised; its own lines are of clients' bytes, as many as these like.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up notes help nobody here
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums as in training
    # Graphs need no Keras, which TensorFlow would import: a fifth of its time, and 50 MB.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    _check_places(flags)
    _serve(flags)


def _serve(flags: Flags) -> None:
    """Serves; gRPC is imported here, as it reads the environment then. Raises `_Refused`, or
    `click.ClickException` where nothing can listen."""
    from vitrine_serving.errors import ServingError
    from vitrine_serving.model_server.startup.settings import read_settings

    try:
        with signals.ending_at_once():  # nothing to lose before it serves
            settings = read_settings(flags)
            with signals.importing():
                from vitrine_serving.model_server.server import serve  # TensorFlow takes seconds

            serve(flags, settings)
    except ServingError as error:
        raise _Refused(f"{error.code.name}: {error}", error.hint) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


def _print_version() -> None:
    from importlib.metadata import version

    ours = version("vitrine-serving")
    click.echo(f"TensorFlow ModelServer: {TENSORFLOW_SERVING} (embedded, vitrine-serving {ours})")
    click.echo(f"TensorFlow Library: {version('tensorflow')}")


def _tell_unheeded(flags: Flags, unknown: list[str]) -> None:
    """Warns of what is not heeded. Raises `Unusable` where flags are to be strict."""
    if unknown and flags.strict_flags:
        raise Unusable("\n".join(unknown))
    for each in unknown:
        log.warning("%s; ignored, and refused with --strict_flags", each)
    for each in without_effect(flags):
        log.warning("%s", each)


def _check_places(flags: Flags) -> None:
    """Says at once where nothing can listen, as models take their time to load."""
    if flags.port and flags.port == flags.rest_api_port:
        raise NotBegun(f"Port {flags.port} is gRPC's already; choose another (--rest_api_port)")
    for name in ("port", "rest_api_port"):
        port = getattr(flags, name)
        if port:
            try:
                ports.check(flags.bind_address, port, f"--{name}", "--bind_address")
            except ports.PortError as error:
                raise NotBegun(str(error)) from error
    if flags.grpc_socket_path:
        try:
            check_grpc_path(flags.grpc_socket_path)
        except OSError as error:
            raise NotBegun(f"--grpc_socket_path: {error}") from error
    if flags.local_socket:
        try:
            LocalSocket(flags.local_socket, flags.local_socket_group).check()
        except OSError as error:
            raise NotBegun(f"--local_socket: {error}") from error
        except ValueError as error:
            raise Unusable(f"--local_socket: {error}") from error


def run() -> None:
    """Runs the command `vitrine-model-server`."""
    signals.end_at_once()
    standard_streams.keep_open()
    main(prog_name="vitrine-model-server")


if __name__ == "__main__":
    run()
