"""The command `vitrine-model-server`, with the names of TensorFlow Serving's flags."""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

import click
import waitress

log = logging.getLogger("vitrine_serving.model_server")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", default=8500, show_default=True, help="gRPC port.")
@click.option("--rest_api_port", default=8501, show_default=True, help="REST port; 0 for none.")
@click.option(
    "--bind_address", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--model_config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Models to serve, in TensorFlow Serving's text-proto syntax.",
)
@click.option("--model_name", default="default", show_default=True, help="The one model to serve.")
@click.option(
    "--model_base_path",
    type=click.Path(path_type=Path),
    help="Directory of that model's versions; ignored with --model_config_file.",
)
@click.option(
    "--file_system_poll_wait_seconds",
    default=1.0,
    show_default=True,
    help="Seconds between two looks for new versions; 0 looks once.",
)
@click.option("--grpc_max_threads", default=16, show_default=True, help="Calls run at a time.")
@click.option(
    "--log_level",
    type=click.Choice(["info", "warning"]),
    default="info",
    show_default=True,
    help="What to log (ours, TensorFlow Serving has no such flag).",
)
def main(
    port: int,
    rest_api_port: int,
    bind_address: str,
    model_config_file: Path | None,
    model_name: str,
    model_base_path: Path | None,
    file_system_poll_wait_seconds: float,
    grpc_max_threads: int,
    log_level: str,
) -> None:
    """Serve SavedModels over TensorFlow Serving's gRPC and REST API, without TensorFlow Serving.

    \b
    vitrine-model-server --model_name=mlp --model_base_path=models/mlp
    vitrine-model-server --model_config_file=models.config
    """
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s model-server %(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up notes help nobody here
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums as in training
    from vitrine_serving.model_server.repository import ModelConfig, read_config

    try:
        if model_config_file:
            configs = read_config(model_config_file.read_text())
        elif model_base_path:
            configs = [ModelConfig(model_name, model_base_path.absolute())]
        else:
            raise ValueError("Give --model_config_file, or --model_name and --model_base_path")
    except ValueError as error:
        raise click.UsageError(str(error)) from error

    from vitrine_serving.model_server.api import ModelServerApi
    from vitrine_serving.model_server.grpc_api import make_server
    from vitrine_serving.model_server.repository import Repository
    from vitrine_serving.model_server.rest_api import make_app

    repository = Repository(configs)
    repository.refresh()
    api = ModelServerApi(repository)
    try:
        grpc_server = make_server(api, f"{bind_address}:{port}", grpc_max_threads)
        rest_server = (
            waitress.create_server(make_app(api), host=bind_address, port=rest_api_port, threads=8)
            if rest_api_port
            else None
        )
    except OSError as error:
        raise click.ClickException(f"{error}; is another server running?") from error

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    grpc_server.start()
    if rest_server:
        threading.Thread(target=rest_server.run, daemon=True, name="rest").start()
    if file_system_poll_wait_seconds > 0:
        threading.Thread(
            target=repository.poll, args=(file_system_poll_wait_seconds,), daemon=True, name="poll"
        ).start()
    log.info("Running gRPC at %s:%d, REST at port %d", bind_address, port, rest_api_port)
    stop.wait()
    repository.stop()
    grpc_server.stop(grace=5).wait()
    # TensorFlow's threads need no goodbye, and its teardown takes seconds.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(prog_name="vitrine-model-server")
