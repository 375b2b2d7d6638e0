"""Command `vitrine-model-server`, with the names of TensorFlow Serving's flags."""

import logging
import os
from typing import Any

import click

from vitrine_client.process import signals, standard_streams
from vitrine_client.process.exit_codes import NotBegun
from vitrine_serving import ports
from vitrine_serving.model_server.flags import Flags, options, parallelism
from vitrine_serving.model_server.local_socket import LocalSocket


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@options
def main(**values: Any) -> None:
    """Serve SavedModels over TensorFlow Serving's gRPC and REST API, without TensorFlow Serving.

    \b
    vitrine-model-server --model_name=mlp --model_base_path=models/mlp
    vitrine-model-server --model_config_file=models.config

    The flags are TensorFlow Serving's, but for those that say `ours`.
    """
    flags = Flags(**values)
    logging.basicConfig(
        level=flags.log_level.upper(), format="%(asctime)s model-server %(message)s"
    )
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # how we load is deprecated, not wrong
    # What it cannot do is raised; its own lines are of clients' bytes, as many as these like.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up notes help nobody here
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums as in training
    _check_places(flags)
    try:
        with signals.ending_at_once():  # nothing to lose before it serves
            from vitrine_serving.model_server.runtime.servable import begin, session_config
            from vitrine_serving.model_server.server import serve

            begin(session_config(*parallelism(flags)))
            serve(flags)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


def _check_places(flags: Flags) -> None:
    """Says at once where nothing can listen, as models take their time to load."""
    for name in ("port", "rest_api_port"):
        port = getattr(flags, name)
        if port:
            try:
                ports.check(flags.bind_address, port, f"--{name}", "--bind_address")
            except ports.PortError as error:
                raise NotBegun(str(error)) from error
    if flags.local_socket:
        try:
            LocalSocket(flags.local_socket, flags.local_socket_group).check()
        except OSError as error:
            raise NotBegun(f"--local_socket: {error}") from error
        except ValueError as error:
            raise click.UsageError(f"--local_socket: {error}") from error


def run() -> None:
    """Runs the command `vitrine-model-server`."""
    signals.end_at_once()
    standard_streams.keep_open()
    main(prog_name="vitrine-model-server")


if __name__ == "__main__":
    run()
