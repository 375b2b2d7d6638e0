"""Which versions of which models are loaded, and what became of the others."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from vitrine_serving.model_server.errors import ServingError
from vitrine_serving.model_server.servable import Servable

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], Servable]


@dataclass(frozen=True)
class ModelConfig:
    """A model to serve: versions are the integer directories in `base_path`.

    `latest` is how many of the newest to serve; `specific` names versions instead, and `latest=0`
    without it means all.
    """

    name: str
    base_path: Path
    latest: int = 1
    specific: tuple[int, ...] = ()

    def wanted(self) -> set[int]:
        """Returns the versions to serve, of those that are there."""
        if not self.base_path.is_dir():
            return set()
        there = sorted(
            int(entry.name)
            for entry in self.base_path.iterdir()
            if entry.name.isdecimal() and entry.is_dir()
        )
        if self.specific:
            return set(self.specific) & set(there)
        return set(there[-self.latest :])


def read_config(text: str) -> list[ModelConfig]:
    """Reads a `models.config` in TensorFlow Serving's text-proto syntax. Raises `ValueError`."""
    try:
        parsed = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except text_format.ParseError as error:
        raise ValueError(f"models.config: {error}") from error
    return [_to_config(entry) for entry in parsed.model_config_list.config]


def _to_config(entry: Any) -> ModelConfig:
    policy = entry.model_version_policy
    latest = {"all": 0, "latest": policy.latest.num_versions}.get(
        policy.WhichOneof("policy_choice"), 1
    )
    return ModelConfig(entry.name, Path(entry.base_path), latest, tuple(policy.specific.versions))


@dataclass
class Version:
    """A version that the repository knows of, with TensorFlow Serving's state names."""

    number: int
    state: str = "START"
    error: str = ""
    servable: Servable | None = None


class Repository:
    """The models of a server. Reading is safe from any thread; one thread at a time refreshes."""

    def __init__(self, configs: Sequence[ModelConfig], load: Load = Servable) -> None:
        self._models = {config.name: _Model(config, load) for config in configs}
        self._stopping = threading.Event()

    def refresh(self) -> None:
        """Loads the versions that are wanted and not there, then unloads what is wanted no more.

        A version that fails to load keeps its error and is not tried again while it stays as it
        is; nothing is unloaded until something newer answers.
        """
        for model in self._models.values():
            model.refresh()

    def poll(self, every_s: float) -> None:
        """Refreshes again and again, until `stop`, in the thread that calls it."""
        while not self._stopping.wait(every_s):
            try:
                self.refresh()
            except OSError as error:
                log.warning("Looking for versions failed, what is loaded stays: %s", error)

    def stop(self) -> None:
        """Ends `poll`."""
        self._stopping.set()

    def servable(self, name: str, version: int | None = None) -> Servable:
        """Returns a loaded version, the newest unless one is named. Raises NOT_FOUND."""
        model = self._models.get(name)
        found = model.available(version) if model else None
        if found is None:
            raise ServingError.not_found(
                f"Latest({name})" if version is None else f"Specific({name}, {version})"
            )
        return found

    def versions(self, name: str, number: int | None = None) -> list[Version]:
        """Returns what is known of a model's versions, newest first. Raises NOT_FOUND."""
        model = self._models.get(name)
        if model is None:
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
            )
        known = sorted(model.versions.copy().values(), key=lambda v: -v.number)
        if number is not None:
            known = [version for version in known if version.number == number]
        if not known:
            of = name if number is None else f"{name} with version {number}"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {of}"
            )
        return known


@dataclass
class _Model:
    config: ModelConfig
    load: Load
    versions: dict[int, Version] = field(default_factory=dict)

    def available(self, number: int | None) -> Servable | None:
        loaded = {v.number: v.servable for v in list(self.versions.values()) if v.servable}
        return loaded.get(max(loaded, default=0) if number is None else number)

    def refresh(self) -> None:
        wanted = self.config.wanted()
        for number in sorted(wanted):
            known = self.versions.get(number)
            if known is None or (known.state == "END" and not known.error):
                self._load(number)
        if wanted and not any(self.available(number) for number in wanted):
            return  # every newcomer failed: the old ones go on serving
        for version in list(self.versions.values()):
            if version.number not in wanted:
                self._unload(version)

    def _load(self, number: int) -> None:
        version = self.versions[number] = Version(number, "LOADING")
        started = time.monotonic()
        try:
            version.servable = self.load(
                self.config.name, number, self.config.base_path / str(number)
            )
        except Exception as error:
            # Whatever is wrong with a version must not take the others down.
            version.state, version.error = "END", f"{type(error).__name__}: {error}"
            log.error("%s/%d failed to load: %s", self.config.name, number, version.error)
            return
        version.state = "AVAILABLE"
        took_s = time.monotonic() - started
        log.info("%s/%d is AVAILABLE after %.1f s", self.config.name, number, took_s)

    def _unload(self, version: Version) -> None:
        if version.servable:
            # Requests that run hold it; the last of them to end frees the memory.
            version.servable = None
            log.info("%s/%d is unloaded", self.config.name, version.number)
        version.state, version.error = "END", ""
