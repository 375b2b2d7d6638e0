"""Command-line flags, with TensorFlow Serving's names, defaults and types: truth values are `true`
and `false`, numbers decimal, and an empty path is none."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import click

from vitrine_client.process.addresses import HIGHEST_PORT
from vitrine_client.process.numbers import MOST_THREADS, Number

_WHOLE = re.compile(r"\s*[+-]?[0-9]+")
INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)
SWITCH = ("true", "false")


class Switch(click.ParamType[bool]):
    """Truth value: `true` or `false` in small letters."""

    name = "true|false"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Returns it. Fails, as click's do, for others."""
        if isinstance(value, bool):
            return value
        if value not in SWITCH:
            self.fail(f"{value!r} is neither true nor false", param, ctx)
        return bool(value == "true")


class Text(click.ParamType[str]):
    """Text in UTF-8: Python takes other bytes of a command line as halves of surrogate pairs, which
    neither messages nor gRPC take."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns it. Fails, as click's do, for others."""
        text = str(value)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self.fail(f"{text!r} is not UTF-8", param, ctx)
        return text


class Whole(click.IntRange):
    """Whole number in a range, in decimal digits; an int32 unless that says otherwise."""

    def __init__(self, least: int = INT32.start, most: int = INT32[-1]) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the number. Fails, as click's do, for others: Python's 1_000 is one."""
        if isinstance(value, str) and not _WHOLE.fullmatch(value):
            self.fail(f"{value!r} is not a valid integer", param, ctx)
        return super().convert(value, param, ctx)


def file(text: str) -> Path | None:
    """Returns a path, none of an empty text; what is there is looked at when it is read."""
    return Path(text) if text else None


_THREADS = 4 * (os.cpu_count() or 1)  # as TensorFlow Serving
_CORES = os.cpu_count() or 1
_PORT = Whole(0, HIGHEST_PORT)
_COUNT, _MAYBE_0, _ANY = Whole(1), Whole(0), Whole()
_THREADS_AT_ONCE = Whole(1, MOST_THREADS)
"""Threads that are all made at the start."""
_MAYBE_THREADS = Whole(0, MOST_THREADS)
_SECONDS = Number(max=INT32[-1])
_LEVEL = click.Choice(["info", "warning"])

NOTHING = "Changes nothing here: "
"""How the help of a flag begins that is taken, and warned of, and not heeded."""


@dataclass(frozen=True)
class Flags:
    """The flags of the model server: each with its type and its help. All of TensorFlow Serving
    2.20.0 are here, those of which the embedded server has no such part as well."""

    port: Annotated[int, "gRPC port; 0 for none, where there is a socket.", _PORT] = 8500
    grpc_socket_path: Annotated[
        str, "Path of a Unix socket for gRPC, beside the port or without one."
    ] = ""
    rest_api_port: Annotated[int, "REST port; 0 for none.", _PORT] = 8501
    bind_address: Annotated[str, "Address to listen on (ours)."] = "127.0.0.1"
    local_socket: Annotated[
        str, "Path of a Unix socket for a gateway on this machine, by ttrpc (ours)."
    ] = ""
    local_socket_group: Annotated[
        str, "Group that may connect to it, by name or number; else its user alone (ours)."
    ] = ""
    ssl_config_file: Annotated[
        Path | None, "TLS for gRPC: SSLConfig, in text-proto syntax; REST stays plain.", file
    ] = None
    use_alts_credentials: Annotated[bool, "ALTS for gRPC, which works in Google's cloud alone."] = (
        False
    )
    grpc_channel_arguments: Annotated[
        str, "Options of gRPC, as grpc.max_connection_age_ms=2000; commas between several."
    ] = ""
    grpc_max_threads: Annotated[
        int, "Calls that run at a time; one more fails with RESOURCE_EXHAUSTED.", _COUNT
    ] = _THREADS
    rest_api_num_threads: Annotated[
        int, "REST requests that run at a time; more wait.", _THREADS_AT_ONCE
    ] = _THREADS
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
        Path | None, "Models to serve, in TensorFlow Serving's text-proto syntax.", file
    ] = None
    model_config_file_poll_wait_seconds: Annotated[
        float, "Seconds between two looks at that file; 0 reads it once.", _SECONDS
    ] = 0
    model_name: Annotated[str, "The one model to serve."] = "default"
    model_base_path: Annotated[
        str, "Directory of that model's versions; ignored with --model_config_file."
    ] = ""
    saved_model_tags: Annotated[str, "Comma-separated tags of the graph to load."] = "serve"
    file_system_poll_wait_seconds: Annotated[
        float, "Seconds between two looks for new versions; 0 looks once.", _SECONDS
    ] = 1
    flush_filesystem_caches: Annotated[
        bool, f"{NOTHING}a local disk's caches are the system's."
    ] = True
    num_load_threads: Annotated[
        int, "Versions that load at a time; 0 for one a core.", _MAYBE_THREADS
    ] = 0
    num_unload_threads: Annotated[
        int, f"{NOTHING}a version unloads when its last request is done.", _ANY
    ] = 0
    max_num_load_retries: Annotated[
        int, "How often a version that fails to load is tried again; below 0 is 0.", _ANY
    ] = 5
    load_retry_interval_micros: Annotated[
        int, "Microseconds between two such tries; below 0 is 0.", Whole(_INT64.start, _INT64[-1])
    ] = 60_000_000
    allow_version_labels_for_unavailable_models: Annotated[
        bool,
        "Let a label name a version that is not AVAILABLE (needed for labels at start-up).",
    ] = False
    enable_model_warmup: Annotated[
        bool, "Replay a version's warm-up requests before it is AVAILABLE."
    ] = True
    num_request_iterations_for_warmup: Annotated[
        int, "How often each is replayed; below 1 is once.", _ANY
    ] = 0
    enable_signature_method_name_check: Annotated[
        bool, "Refuse to predict, classify or regress by signatures whose method is another."
    ] = False
    tensorflow_session_parallelism: Annotated[
        int, "Threads of an operation, and operations at a time; 0 for one a core.", _MAYBE_THREADS
    ] = 0
    tensorflow_intra_op_parallelism: Annotated[
        int,
        "Threads of an operation, whatever the flag above says; 0 for one a core.",
        _MAYBE_THREADS,
    ] = 0
    tensorflow_inter_op_parallelism: Annotated[
        int, "Operations at a time, whatever it says; 0 for one a core.", _MAYBE_THREADS
    ] = 0
    tensorflow_session_config_file: Annotated[
        Path | None,
        "Session options: ConfigProto, in text-proto syntax; its threads give way to those above.",
        file,
    ] = None
    per_process_gpu_memory_fraction: Annotated[
        float, "Part of a GPU's memory to take, from 0 to 1; 0 as needed.", Number(0, 1)
    ] = 0.0
    mixed_precision: Annotated[
        str, "bfloat16 has oneDNN compute in it, where TF_ENABLE_ONEDNN_OPTS is 1."
    ] = ""
    enable_batching: Annotated[bool, "Run requests that arrive together as one batch."] = False
    batching_parameters_file: Annotated[
        Path | None, "BatchingParameters, in text-proto syntax.", file
    ] = None
    enable_per_model_batching_parameters: Annotated[
        bool,
        "Batch those versions alone that have a batching_params.pbtxt, by that file; of the flag's "
        "own file num_batch_threads is heeded.",
    ] = False
    monitoring_config_file: Annotated[
        Path | None, "MonitoringConfig, in text-proto syntax.", file
    ] = None
    enable_grpc_healthcheck_service: Annotated[bool, "Answer grpc.health.v1.Health as well."] = (
        False
    )
    enable_serialization_as_tensor_content: Annotated[
        bool,
        "Answer Predict with packed bytes instead of lists of values: faster where there are many.",
    ] = False
    platform_config_file: Annotated[
        Path | None, f"{NOTHING}there is one platform; other flags set what this file could.", file
    ] = None
    remove_unused_fields_from_bundle_metagraph: Annotated[
        bool, f"{NOTHING}it is about what TensorFlow Serving's own loader keeps."
    ] = True
    prefer_tflite_model: Annotated[
        bool, f"{NOTHING}saved_model.pb is served, as there is no TensorFlow Lite."
    ] = False
    num_tflite_pools: Annotated[int, f"{NOTHING}there is no TensorFlow Lite.", _ANY] = _CORES
    num_tflite_interpreters_per_pool: Annotated[
        int, f"{NOTHING}there is no TensorFlow Lite.", _ANY
    ] = 1
    xla_cpu_compilation_enabled: Annotated[bool, f"{NOTHING}XLA is on for models that use it."] = (
        False
    )
    xla_gpu_compilation_enabled: Annotated[bool, f"{NOTHING}XLA is on for models that use it."] = (
        False
    )
    enable_profiler: Annotated[bool, f"{NOTHING}there is no profiler's service."] = True
    thread_pool_factory_config_file: Annotated[
        Path | None, f"{NOTHING}TensorFlow's own thread pools run all.", file
    ] = None
    skip_initialize_tpu: Annotated[bool, f"{NOTHING}no TPU is used."] = False
    log_level: Annotated[str, "What to log (ours).", _LEVEL] = "info"
    strict_flags: Annotated[
        bool, "End where a flag or a word is not known, instead of ignoring it (ours)."
    ] = False
    version: Annotated[bool, "Print the version, and end."] = False


def parallelism(flags: Flags) -> tuple[int, int]:
    """Returns the threads of an operation, and the operations at a time, 0 for one a core; by the
    rules of TensorFlow Serving's server.cc. Raises `ValueError`, with its words, for flags that
    contradict each other."""
    session = flags.tensorflow_session_parallelism
    each = (flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism)
    if session and all(each):
        raise ValueError(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, "
            "server_options.tensorflow_inter_op_parallelism) separately. "
            "You cannot configure all."
        )
    return each if any(each) else (session, session)


def without_effect(flags: Flags) -> Iterator[str]:
    """Yields a sentence for each flag that is given and changes nothing here."""
    for flag in fields(Flags):
        meaning = get_args(flag.type)[1]
        if meaning.startswith(NOTHING) and getattr(flags, flag.name) != flag.default:
            yield f"--{flag.name} c{meaning[1:].rstrip('.')}"


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command an option for each flag."""
    for flag in reversed(fields(Flags)):
        kind, meaning, *own = get_args(flag.type)
        switch: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if kind is bool else {}
        command = click.option(
            f"--{flag.name}",
            type=own[0] if own else Switch() if kind is bool else Text(),
            default=flag.default,
            show_default=flag.default is not None,
            help=meaning,
            **switch,
        )(command)
    return command
