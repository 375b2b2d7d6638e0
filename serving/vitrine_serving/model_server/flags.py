"""Command-line flags, with TensorFlow Serving's names and defaults."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import click

from vitrine_client.process.addresses import HIGHEST_PORT
from vitrine_client.process.numbers import Number

_THREADS = 4 * (os.cpu_count() or 1)  # as TensorFlow Serving
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PATH = click.Path(path_type=Path)
_PORT = click.IntRange(0, HIGHEST_PORT)
_COUNT, _MAYBE_0 = click.IntRange(1), click.IntRange(0)
_LEVEL = click.Choice(["info", "warning"])


@dataclass(frozen=True)
class Flags:
    """The flags of the model server: each with its type and its help."""

    port: Annotated[int, "gRPC port.", _PORT] = 8500
    rest_api_port: Annotated[int, "REST port; 0 for none.", _PORT] = 8501
    bind_address: Annotated[str, "Address to listen on (ours)."] = "127.0.0.1"
    local_socket: Annotated[
        str, "Path of a Unix socket for a gateway on this machine, by ttrpc (ours)."
    ] = ""
    local_socket_group: Annotated[
        str, "Group that may connect to it, by name or number; else its user alone (ours)."
    ] = ""
    grpc_max_threads: Annotated[
        int, "Calls that run at a time; one more fails with RESOURCE_EXHAUSTED.", _COUNT
    ] = _THREADS
    rest_api_num_threads: Annotated[int, "REST requests that run at a time; more wait.", _COUNT] = (
        _THREADS
    )
    rest_api_timeout_in_ms: Annotated[
        int, "Time after which a REST request is answered 504.", _COUNT
    ] = 30_000
    rest_api_enable_cors_support: Annotated[
        bool, "Let pages of other origins read what REST answers."
    ] = False
    rest_api_shortest_floats: Annotated[
        bool,
        "Write floats over REST in the shortest form that reads back, which is faster (ours).",
    ] = False
    model_config_file: Annotated[
        Path | None, "Models to serve, in TensorFlow Serving's text-proto syntax.", _FILE
    ] = None
    model_config_file_poll_wait_seconds: Annotated[
        float, "Seconds between two looks at that file; 0 reads it once.", Number()
    ] = 0
    model_name: Annotated[str, "The one model to serve."] = "default"
    model_base_path: Annotated[
        Path | None, "Directory of that model's versions; ignored with --model_config_file.", _PATH
    ] = None
    saved_model_tags: Annotated[str, "Comma-separated tags of the graph to load."] = "serve"
    file_system_poll_wait_seconds: Annotated[
        float, "Seconds between two looks for new versions; 0 looks once.", Number()
    ] = 1
    num_load_threads: Annotated[
        int, "Versions that load at a time; 0 for one a core.", _MAYBE_0
    ] = 0
    max_num_load_retries: Annotated[
        int, "How often a version that fails to load is tried again.", _MAYBE_0
    ] = 5
    load_retry_interval_micros: Annotated[int, "Microseconds between two such tries.", _MAYBE_0] = (
        60_000_000
    )
    allow_version_labels_for_unavailable_models: Annotated[
        bool, "Let a label name a version that is not AVAILABLE (needed for labels at start-up)."
    ] = False
    enable_model_warmup: Annotated[
        bool, "Replay a version's warm-up requests before it is AVAILABLE."
    ] = True
    enable_signature_method_name_check: Annotated[
        bool, "Refuse to classify or regress by signatures whose method is another."
    ] = False
    tensorflow_session_parallelism: Annotated[
        int, "Threads of an operation, and operations at a time; 0 for one a core.", _MAYBE_0
    ] = 0
    tensorflow_intra_op_parallelism: Annotated[
        int, "Threads of an operation, whatever the flag above says; 0 for one a core.", _MAYBE_0
    ] = 0
    tensorflow_inter_op_parallelism: Annotated[
        int, "Operations at a time, whatever it says; 0 for one a core.", _MAYBE_0
    ] = 0
    enable_batching: Annotated[bool, "Run requests that arrive together as one batch."] = False
    batching_parameters_file: Annotated[
        Path | None, "BatchingParameters, in text-proto syntax.", _FILE
    ] = None
    monitoring_config_file: Annotated[
        Path | None, "MonitoringConfig, in text-proto syntax.", _FILE
    ] = None
    enable_grpc_healthcheck_service: Annotated[bool, "Answer grpc.health.v1.Health as well."] = (
        False
    )
    enable_serialization_as_tensor_content: Annotated[
        bool,
        "Answer Predict with packed bytes instead of lists of values: faster where there are many.",
    ] = False
    log_level: Annotated[str, "What to log (ours).", _LEVEL] = "info"


def parallelism(flags: Flags) -> tuple[int, int]:
    """Returns the threads of an operation, and the operations at a time, 0 for one a core; by the
    rules of TensorFlow Serving's server.cc. Raises `ValueError` for flags that contradict each
    other."""
    session = flags.tensorflow_session_parallelism
    each = (flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism)
    if session and all(each):
        raise ValueError(
            "Give --tensorflow_session_parallelism, or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism, and not all three"
        )
    return each if any(each) else (session, session)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command an option for each flag."""
    for flag in reversed(fields(Flags)):
        kind, meaning, *own = get_args(flag.type)
        switch: dict[str, Any] = {"is_flag": False, "flag_value": True} if kind is bool else {}
        command = click.option(
            f"--{flag.name}",
            type=own[0] if own else kind,
            default=flag.default,
            show_default=flag.default is not None,
            help=meaning,
            **switch,
        )(command)
    return command
