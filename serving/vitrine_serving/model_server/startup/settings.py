"""Settings of the model server: its flags and the files that they name, all read before
TensorFlow is imported. The rules and words are those of TensorFlow Serving's server.cc."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from tensorflow_serving.config import model_server_config_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.grpc_credentials import alts_credentials, ssl_credentials
from vitrine_serving.model_server.flags import INT32, Flags, parallelism
from vitrine_serving.model_server.metrics import read_monitoring
from vitrine_serving.model_server.protos import text_protos
from vitrine_serving.model_server.protos.platforms import configured_platforms
from vitrine_serving.model_server.repository.config import (
    TENSORFLOW,
    CheckLabels,
    ModelConfig,
    check_logging,
    configs_of,
)
from vitrine_serving.model_server.repository.labels import VersionLabels
from vitrine_serving.model_server.runtime.batching import BatchingParameters, read_parameters


@dataclass(frozen=True)
class ModelServerSettings:
    """Settings of the parts of the server: the models, the address of the metrics, if any,
    batching, if it is on, the credentials of gRPC, if any, and its channel's arguments."""

    configs: Sequence[ModelConfig]
    monitoring_path: str | None
    batching: BatchingParameters | None
    credentials: grpc.ServerCredentials | None
    channel_arguments: Sequence[tuple[str, str | int]]


def read_settings(flags: Flags) -> ModelServerSettings:
    """Reads the files. Raises `ServingError` for what makes no sense."""
    if not (flags.port or flags.grpc_socket_path or flags.local_socket):
        raise ServingError.invalid(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be "
            "set."
        )
    if flags.use_alts_credentials and flags.ssl_config_file:
        raise ServingError.invalid(
            "Either use_alts_credentials must be false or ssl_config_file must be empty."
        )
    configs = read_models(flags) or ()
    batching = _batching(flags)
    try:
        parallelism(flags)
    except ValueError as error:
        raise ServingError.invalid(str(error)) from error
    if flags.platform_config_file:
        check_platforms(flags.platform_config_file, configs)
    if flags.thread_pool_factory_config_file:
        text_protos.content(flags.thread_pool_factory_config_file)  # its messages are not here
    return ModelServerSettings(
        configs=configs,
        monitoring_path=(
            read_monitoring(flags.monitoring_config_file) if flags.monitoring_config_file else None
        ),
        batching=batching,
        credentials=_credentials(flags),
        channel_arguments=channel_arguments(flags.grpc_channel_arguments),
    )


def read_models(flags: Flags, labels: CheckLabels | None = None) -> Sequence[ModelConfig] | None:
    """Returns the models to serve, at the start and whenever the file has changed; None where the
    file says nothing. `labels` checks the labels, else they are those of the start, where no
    version is AVAILABLE. Raises `ServingError`."""
    message = _models_message(flags)
    if not message.WhichOneof("config"):
        return None
    configs = configs_of(message, check_labels=labels or partial(_check_first_labels, flags))
    check_logging(message)
    return configs


def _models_message(flags: Flags) -> Any:
    message = model_server_config_pb2.ModelServerConfig()
    if flags.model_config_file:
        return text_protos.read(flags.model_config_file, message)
    if not flags.model_base_path:
        raise ServingError.invalid(
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
            "Give --model_config_file, or --model_name and --model_base_path",
        )
    base = flags.model_base_path
    message.model_config_list.config.add(
        name=flags.model_name,
        base_path=base if "://" in base else os.path.abspath(base),  # noqa: PTH100 - as it is
        model_platform=TENSORFLOW,
    )
    return message


def _check_first_labels(flags: Flags, configs: Sequence[ModelConfig]) -> None:
    allowed = flags.allow_version_labels_for_unavailable_models
    VersionLabels(allow_unavailable=allowed).check(configs, lambda *_: False)


def _batching(flags: Flags) -> BatchingParameters | None:
    file = flags.batching_parameters_file
    if flags.enable_batching:
        return read_parameters(file) if file else BatchingParameters()
    if file:
        raise ServingError.invalid(
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true."
        )
    return None


def check_platforms(file: Path, configs: Sequence[ModelConfig]) -> None:
    """Raises `ServingError` where a file is no PlatformConfigMap, or has not the platform that all
    models are of."""
    if TENSORFLOW not in configured_platforms(file) and configs:
        raise ServingError.invalid(
            f"Model {configs[0].name} requests unsupported platform {TENSORFLOW}"
        )


def _credentials(flags: Flags) -> grpc.ServerCredentials | None:
    if flags.use_alts_credentials:
        return alts_credentials()
    return ssl_credentials(flags.ssl_config_file) if flags.ssl_config_file else None


def channel_arguments(text: str) -> list[tuple[str, str | int]]:
    """Returns gRPC's options in `name=value,name=value`; a value that is an int32 is a number.
    Raises `ServingError` for one without a value."""
    pairs = [each.partition("=") for each in text.split(",") if each]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise ServingError.invalid(f"--grpc_channel_arguments: {name or '='} has no value")
    return [(name, _number(value)) for name, _, value in pairs]


def _number(value: str) -> str | int:
    try:
        number = int(value)
    except ValueError:
        return value
    return number if number in INT32 else value
