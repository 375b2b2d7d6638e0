"""The command `vitrine-model-server`, with the names of TensorFlow Serving's flags."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vitrine_client.process import signals, standard_streams
from vitrine_client.process.exit_codes import NotBegun
from vitrine_serving import ports
from vitrine_serving.model_server.flags import Flags

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS: list[tuple[str, Any, str]] = [
    ("port", int, "gRPC port."),
    ("rest_api_port", int, "REST port; 0 for none."),
    ("bind_address", str, "Address to listen on (ours)."),
    ("grpc_max_threads", int, "Calls that run at a time; one more fails with RESOURCE_EXHAUSTED."),
    ("rest_api_num_threads", int, "REST requests that run at a time; more wait."),
    ("rest_api_timeout_in_ms", int, "Time after which a REST request is answered 504."),
    ("model_config_file", _FILE, "Models to serve, in TensorFlow Serving's text-proto syntax."),
    (
        "model_config_file_poll_wait_seconds",
        float,
        "Seconds between two looks at that file; 0 reads it once.",
    ),
    ("model_name", str, "The one model to serve."),
    (
        "model_base_path",
        click.Path(path_type=Path),
        "Directory of that model's versions; ignored with --model_config_file.",
    ),
    ("saved_model_tags", str, "Comma-separated tags of the graph to load."),
    (
        "file_system_poll_wait_seconds",
        float,
        "Seconds between two looks for new versions; 0 looks once.",
    ),
    ("num_load_threads", int, "Versions that load at a time; 0 for one a core."),
    ("max_num_load_retries", int, "How often a version that fails to load is tried again."),
    ("load_retry_interval_micros", int, "Microseconds between two such tries."),
    (
        "allow_version_labels_for_unavailable_models",
        bool,
        "Let a label name a version that is not AVAILABLE (needed for labels at start-up).",
    ),
    ("enable_model_warmup", bool, "Replay a version's warm-up requests before it is AVAILABLE."),
    ("enable_batching", bool, "Run requests that arrive together as one batch."),
    ("batching_parameters_file", _FILE, "BatchingParameters, in text-proto syntax."),
    ("monitoring_config_file", _FILE, "MonitoringConfig, in text-proto syntax."),
    ("enable_grpc_healthcheck_service", bool, "Answer grpc.health.v1.Health as well."),
    (
        "enable_serialization_as_tensor_content",
        bool,
        "Answer Predict with packed bytes instead of lists of values: faster where there are many.",
    ),
    ("log_level", click.Choice(["info", "warning"]), "What to log (ours)."),
]


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    for name, kind, text in reversed(_OPTIONS):
        default = getattr(Flags, name)
        switch: dict[str, Any] = {"is_flag": False, "flag_value": True} if kind is bool else {}
        shown = default is not None and default != ""
        command = click.option(
            f"--{name}", type=kind, default=default, show_default=shown, help=text, **switch
        )(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@_flags
def main(**values: Any) -> None:
    """Serve SavedModels over TensorFlow Serving's gRPC and REST API, without TensorFlow Serving.

    \b
    vitrine-model-server --model_name=mlp --model_base_path=models/mlp
    vitrine-model-server --model_config_file=models.config

    The flags are TensorFlow Serving's, but for the two that say `ours`.
    """
    flags = Flags(**values)
    logging.basicConfig(
        level=flags.log_level.upper(), format="%(asctime)s model-server %(message)s"
    )
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # how we load is deprecated, not wrong
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up notes help nobody here
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same sums as in training
    _check_ports(flags)
    try:
        with signals.ending_at_once():  # nothing to lose before it serves
            from vitrine_serving.model_server.runtime.servable import spend_start_notes
            from vitrine_serving.model_server.server import serve

            spend_start_notes()
            serve(flags)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


def _check_ports(flags: Flags) -> None:
    for name in ("port", "rest_api_port"):
        port = getattr(flags, name)
        if port:
            try:
                ports.check(flags.bind_address.strip("[]"), port, f"--{name}", "--bind_address")
            except ports.PortError as error:
                raise NotBegun(str(error)) from error


def run() -> None:
    """Runs the command `vitrine-model-server`."""
    signals.end_at_once()
    standard_streams.keep_open()
    main(prog_name="vitrine-model-server")


if __name__ == "__main__":
    run()
