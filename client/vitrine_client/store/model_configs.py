"""`models.config` of a model server: the versions that version labels name, and named before.

The file is TensorFlow Serving's `ModelServerConfig` as text. The versions that each label named
before are kept in comments at its head, so that the label and its history change in one step:

    # label stable of "mlp": 3 <- 2 <- 1

Needs the extra `vitrine-client[grpc]`.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from google.protobuf import text_format

from vitrine_client.errors import LabelNotMoved, NotFound
from vitrine_client.store import shared_files
from vitrine_client.store.generated_config import how_to_serve
from vitrine_client.store.version_directories import RETIRED, version_numbers
from vitrine_client.tfserving import management
from vitrine_client.tfserving import wire_pb2 as wire

KEPT = 10
"""How many versions of a label's history are kept."""

_HISTORY = re.compile(r'# (label \S+ of ".*"): (\d{1,18}(?: <- \d{1,18})*)\s*', re.ASCII)


@dataclass(frozen=True)
class ModelConfigs:
    """Content of a file: its message, the comments at its head, and each label's history.

    `histories` have the versions by label and model, the newest first; errors call the file
    `source`.
    """

    source: str
    message: wire.ModelServerConfig
    head: tuple[str, ...]
    histories: Mapping[str, tuple[int, ...]]

    @classmethod
    def parse(cls, content: bytes, source: str = "models.config") -> Self:
        """Reads a file's content. Raises `InvalidRequest` with the line that makes no sense."""
        message, text = management.parse_config(content, source), content.decode()
        head, histories = [], {}
        for line in text.split("\n"):
            if line.strip() and not line.startswith("#"):
                break
            if found := _HISTORY.fullmatch(line):
                histories[found[1]] = tuple(int(number) for number in found[2].split(" <- "))
            else:
                head.append(line)
        return cls(source, message, tuple(head), histories)

    def __str__(self) -> str:
        """The file's text. Of its comments, those at the head are left."""
        told = [f"# {key}: {' <- '.join(map(str, past))}" for key, past in self.histories.items()]
        body = text_format.MessageToString(self.message, as_utf8=True)
        return "\n".join([*self.head, *told, body])

    def named(self, model: str, label: str) -> int | None:
        """Returns the version that a label names, if it names any. Raises `NotFound` for a model
        that is not in the file."""
        version: int | None = self._config(model).version_labels.get(label)
        return version

    def labels_of(self, model: str, version: int) -> tuple[str, ...]:
        """Returns the version labels that name a version, by name; none of a model that is not in
        the file."""
        if model not in self.models:
            return ()
        named = self._config(model).version_labels
        return tuple(sorted(label for label in named if named[label] == version))

    def named_versions(self, model: str) -> Iterator[tuple[int, str | None]]:
        """Yields each version that is named, and the label that names it; None for the policy."""
        config = self._config(model)
        for label in sorted(config.version_labels):
            yield config.version_labels[label], label
        if config.model_version_policy.HasField("specific"):
            for version in config.model_version_policy.specific.versions:
                yield version, None

    def before(self, model: str, label: str) -> tuple[int, ...]:
        """Returns the versions that a label named before, the newest first. If it was moved by hand
        since then, the one that it was moved from counts."""
        past = self.histories.get(_key(model, label), ())
        return past[1:] if past[:1] == (self.named(model, label),) else past

    def serves_all(self, model: str) -> bool:
        """Whether all the versions of a model are to be served."""
        return bool(self._config(model).model_version_policy.HasField("all"))

    def published(self, model: str) -> tuple[int, ...] | None:
        """Returns the versions in the directory of a model, the newest first; None where this
        machine has no such directory, as where the model server's is in a container."""
        base = Path(self._config(model).base_path)
        if not base.is_absolute():  # it is relative to where the server was started
            return None
        try:
            return tuple(reversed(version_numbers(base))) if base.is_dir() else None
        except OSError:
            return None

    def unloaded(self, model: str, version: int, available: Sequence[int]) -> str:
        """Says why a version that a model server does not have is not there, and the remedy."""
        published, base = self.published(model), self._config(model).base_path
        if published is not None and version not in published:
            return f"{_why_absent(base, version)} ({enumerated(published)}, in {base})"
        known = "is published, and not loaded" if published else "is not loaded"
        if self.serves_all(model):
            then = "try again in a moment" if published else "is it published?"
        else:
            then = (
                f"have {self.source} say model_version_policy {{ all {{}} }} of {model}, and try "
                "again once it is"
            )
        return f"{known} ({enumerated(available)}); {then}"

    def could_load(self, model: str, version: int) -> bool:
        """Whether a server would load a version if it served all: it serves the newest ones alone,
        and nothing says that the version is not published."""
        policy = self._config(model).model_version_policy
        published = self.published(model)
        return not (policy.HasField("all") or policy.HasField("specific")) and (
            published is None or version in published
        )

    def keeping_all(self, model: str) -> Self:
        """Returns the configuration in which all versions of a model are served."""
        kept = replace(self, message=self._copied())
        kept._config(model).model_version_policy.all.SetInParent()
        return kept

    def promoted(self, model: str, label: str, version: int) -> Self:
        """Returns the configuration in which the label names another version."""
        now, before = self.named(model, label), self.before(model, label)
        if now is not None and now != version:
            before = (now, *before)
        return self._moved(model, label, version, before)

    def rolled_back(self, model: str, label: str) -> Self:
        """Returns the configuration in which it names what it named before. Raises `LookupError`
        where there is no such version."""
        version, *before = self.before(model, label) or (None,)
        if version is None:
            raise LookupError
        return self._moved(model, label, version, tuple(before))

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models in the file."""
        return tuple(config.name for config in self.message.model_config_list.config)

    def without(self, models: Collection[str]) -> Self:
        """Returns the configuration without some models."""
        if not models:
            return self
        left = self._copied()
        kept = [each for each in left.model_config_list.config if each.name not in models]
        del left.model_config_list.config[:]
        left.model_config_list.config.extend(kept)
        return replace(self, message=left)

    def unlabelled(self, model: str, label: str) -> Self:
        """Returns the configuration without a label of a model."""
        left = replace(self, message=self._copied())
        left._config(model).version_labels.pop(label)
        return left

    def _copied(self) -> wire.ModelServerConfig:
        return wire.ModelServerConfig.FromString(self.message.SerializeToString())

    def _moved(self, model: str, label: str, version: int, before: tuple[int, ...]) -> Self:
        past = {_key(model, label): (version, *before)[:KEPT]}
        moved = replace(self, message=self._copied(), histories={**self.histories, **past})
        moved._keep(model, version)
        moved._config(model).version_labels[label] = version
        return moved

    def _keep(self, model: str, version: int) -> None:
        """Sees to it that the server keeps a version that a label names.

        By the policy `latest` the next version that is published would push it out.
        """
        policy = self._config(model).model_version_policy
        if not policy.HasField("specific"):
            policy.all.SetInParent()
        elif version not in policy.specific.versions:
            raise LabelNotMoved(
                f"{self.source} has {model} served in versions {list(policy.specific.versions)} "
                f"alone; add `versions: {version}` there, and try again once that is loaded"
            )

    def _config(self, model: str) -> Any:
        configs = self.message.model_config_list.config
        for config in configs:
            if config.name == model:
                return config
        names = ", ".join(self.models) or "none"
        file = Path(self.source)
        is_published = bool(version_numbers(file.parent / model))
        how = f". It is published; {how_to_serve(file, model)}" if is_published else ""
        raise NotFound(f"{self.source} has no model {model}; it has {names}{how}")


def enumerated(versions: Sequence[int]) -> str:
    """Returns versions with their verb: "none is", "3 is", "3, 2 and 1 are"."""
    *first, last = map(str, versions or ("none",))
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"


def _why_absent(base_path: str, version: int) -> str:
    directory = Path(base_path)
    if (directory / f"{RETIRED}{version}").is_dir():
        return (
            f"was rolled back (`vitrine-train rollback {directory.name} --undo` publishes it again)"
        )
    return "is not published"


def _key(model: str, label: str) -> str:
    return f"label {label} of {json.dumps(model)}"


def write(path: Path, content: bytes) -> None:
    """Replaces a file; it keeps its permissions and its owner. Raises `OSError`."""
    with shared_files.replacing(path) as file:
        file.write(content)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Has others who change the file wait. The lock is gone with its holder, however that ends."""
    path = path.resolve()
    with shared_files.locked(path.with_name(f".{path.name}.lock")):
        yield
