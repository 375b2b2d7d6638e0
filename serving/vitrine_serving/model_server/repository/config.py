"""Configuration of models in `models.config`: their directories, version policies and labels.

The syntax, the defaults and the words of the errors are TensorFlow Serving's
(`model_server_config.proto`, `server_core.cc`, `file_system_storage_path_source.cc`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from vitrine_serving.errors import ServingError

TENSORFLOW = "tensorflow"
"""The one platform of models."""


@dataclass(frozen=True)
class VersionDirectory:
    """Version directory; unequal as soon as it is replaced, gets other entries, or its files grow.

    `files` has the name, bytes and time of change of its graph and of each file of variables.
    """

    path: Path
    inode: int
    mtime_ns: int
    files: tuple[tuple[str, int, int], ...] = ()

    def is_replaced(self, earlier: "VersionDirectory") -> bool:
        """Whether it is another directory, or has other entries, than `earlier`."""
        return replace(self, files=()) != replace(earlier, files=())


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of a model: versions are the integer directories in `base_path`.

    `latest` is how many of the newest to serve, 0 for all; `specific` names versions instead.
    `version_labels` are names that requests may use in place of a version.
    """

    name: str
    base_path: Path
    latest: int = 1
    specific: tuple[int, ...] | None = None
    version_labels: Mapping[str, int] = field(default_factory=dict)


CheckLabels = Callable[[Sequence[ModelConfig]], None]
"""Raises `ServingError` for labels that may not be given."""


def read_config(text: str) -> list[ModelConfig]:
    """Reads a `models.config`; an empty one has no models.

    Raises `ValueError` with the line of a syntax error, or TensorFlow Serving's words.
    """
    message = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(text, message)
        configs = configs_of(message)
        check_logging(message)
        return configs
    except (text_format.ParseError, ServingError) as error:
        raise ValueError(f"models.config: {error}") from error


def configs_of(
    message: Any, served: Collection[str] = (), check_labels: CheckLabels = lambda _: None
) -> list[ModelConfig]:
    """Returns the models of a `ModelServerConfig` message; one that says nothing has none.

    `served` are the names of the models that it is to replace. What makes no sense is found in the
    order of server_core.cc (ReloadConfig): names and paths, platforms of models that are served,
    labels by `check_labels`, other platforms. Raises `ServingError`, mostly INVALID_ARGUMENT.
    """
    if not message.WhichOneof("config"):
        return []
    check_list(message)
    entries = message.model_config_list.config
    _check_names(entries)
    base_paths = [_base_path(entry) for entry in entries]
    for entry in entries:
        if entry.name in served:
            _check_same_platform(entry)
    configs = [_to_config(*each) for each in zip(entries, base_paths, strict=True)]
    check_labels(configs)
    for entry in entries:
        if (platform := _platform(entry)) != TENSORFLOW:
            raise ServingError.invalid(
                f"Model {entry.name} requests unsupported platform {platform}",
                f'The one platform here is model_platform: "{TENSORFLOW}"',
            )
    return configs


def check_list(message: Any) -> None:
    """Raises `ServingError` (INVALID_ARGUMENT) where a message is no list of models, in the words
    of model_service_impl.cc."""
    if message.WhichOneof("config") != "model_config_list":
        raise ServingError.invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported"
        )


def check_logging(message: Any) -> None:
    """Raises `ServingError` (INVALID_ARGUMENT) where requests to a model are to be logged, which
    TensorFlow Serving as it is built does not do, either."""
    if any(entry.HasField("logging_config") for entry in message.model_config_list.config):
        raise ServingError.invalid("No request-logger-creator provided.")


def _check_names(entries: Any) -> None:
    names: set[str] = set()
    for entry in entries:
        if entry.name in names:
            raise ServingError.invalid(
                f"Illegal to list model {entry.name} multiple times in config list"
            )
        names.add(entry.name)


def _to_config(entry: Any, base_path: Path) -> ModelConfig:
    policy = entry.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    return ModelConfig(
        entry.name,
        base_path,
        latest=0 if choice == "all" else max(policy.latest.num_versions, 1),
        specific=tuple(policy.specific.versions) if choice == "specific" else None,
        version_labels=dict(entry.version_labels),
    )


def _base_path(entry: Any) -> Path:
    path = entry.base_path.removeprefix("file://")
    if "\0" in path:
        raise ServingError.invalid(
            f"Model {entry.name} has a NUL in its base_path, which no path may have; "
            f"got base_path()={entry.base_path!r}"
        )
    if "://" in path:
        raise ServingError.invalid(
            f"Model {entry.name} is not on a local disk, which is all that this server reads; "
            f"got base_path()={entry.base_path}"
        )
    if not path.startswith("/"):
        raise ServingError.invalid(
            f"Expected model {entry.name} to have an absolute path or URI; "
            f"got base_path()={entry.base_path}",
            f"Write the whole path of its base_path, such as /models/{entry.name}",
        )
    return Path(path)


def _platform(entry: Any) -> str:
    """Returns the platform of a model. Raises `ServingError` for none, or two."""
    platform: str = entry.model_platform
    if entry.model_type != model_server_config_pb2.MODEL_TYPE_UNSPECIFIED:
        if platform:
            raise ServingError.invalid(
                "Illegal setting both ModelServerConfig::model_type (deprecated) "
                "and ModelServerConfig::model_platform, model name is " + entry.name
            )
        if entry.model_type != model_server_config_pb2.TENSORFLOW:
            raise ServingError.invalid(
                f"ModelServerConfig::model_type choice {entry.model_type} not supported."
            )
        return TENSORFLOW
    if not platform:
        raise ServingError.invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            "nor ModelServerConfig::model_platform, model name is " + entry.name,
            f'Add model_platform: "{TENSORFLOW}" to its config',
        )
    return platform


def _check_same_platform(entry: Any) -> None:
    if (platform := _platform(entry)) != TENSORFLOW:
        raise ServingError.invalid(
            f"Illegal to change a model's platform. For model {entry.name} platform was "
            f"{TENSORFLOW} and new platform requested is {platform}"
        )
