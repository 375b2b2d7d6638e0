"""Images of the pocket cluster: the commands that run in place of an image's program.

Gateways are the real thing. A model server is a programmed one, whose answers tell whether they are
right, or the embedded one with a real model. Other images run the command of their manifest.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.pocket.manifests import Container

_GATEWAY = (sys.executable, "-m", "vitrine_serving", "gateway")
_EMBEDDED = (sys.executable, "-m", "vitrine_serving.model_server", "--bind_address=0.0.0.0")
_PROGRAMMED = (sys.executable, "-m", "tests.cluster.pocket.programmed_model_server")

Volumes = Mapping[str, Path]
"""Directories by the name of the volume that they stand for."""

_KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR")
"""Variables that stand for an image's own; a container inherits none of the node's."""

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1", "VITRINE_HOST": "0.0.0.0"}  # noqa: S104


_BASE_PATH = re.compile(r'base_path: "/models/([^"]+)"')


def written(configs: Mapping[str, Mapping[str, str]], models: Path, folder: Path) -> Volumes:
    """Writes the files of ConfigMaps into `folder`, and returns the volumes of their pods. A model
    that is not in `models` is left out of the model server's, as the manifest's start.sh does."""
    volumes = {"models": models}
    for name, files in configs.items():
        volumes[name] = folder / name
        volumes[name].mkdir(exist_ok=True)
        for file, content in files.items():
            lines = [
                _BASE_PATH.sub(rf'base_path: "{models}/\1"', line)
                for line in content.splitlines()
                if not (found := _BASE_PATH.search(line)) or (models / found[1]).is_dir()
            ]
            (volumes[name] / file).write_text("\n".join(lines) + "\n")
    return volumes


@dataclass(frozen=True)
class Images:
    """Commands by image; `models` is a directory of published models, or None for programmed model
    servers, and `volumes` are directories by the name of the volume that they stand for."""

    models: Path | None = None
    volumes: Volumes = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of the gateway that a test sets otherwise than the manifest."""

    def command(self, container: Container) -> tuple[str, ...]:
        """Returns the words that run a container."""
        name = container.image.rpartition("/")[2].partition(":")[0].partition("@")[0]
        if name == "vitrine-gateway":
            return (*_GATEWAY, *container.args)
        if name in ("vitrine-model-server", "serving"):  # the latter is tensorflow/serving
            if self.models is None:
                return (*_PROGRAMMED, *container.args)
            return (*_EMBEDDED, *(self._path(word, container) for word in container.args))
        if name == "python":
            return (sys.executable, *container.args)
        return (*container.command, *container.args)

    def environment(self, container: Container) -> dict[str, str]:
        """Returns a container's variables, those aside that only its pod knows."""
        own = {name: os.environ[name] for name in _KEPT if name in os.environ}
        given = {
            name: self._path(value, container) for name, value in container.environment.items()
        }
        settings = self.settings if "gateway" in container.image else {}
        return own | _QUIET | given | dict(settings)

    def _path(self, word: str, container: Container) -> str:
        """Returns a word in which a mounted path is that of its volume's directory: a container
        here has the node's files."""
        for mounted, name in container.volumes.items():
            if name in self.volumes:
                at = rf"(^|=){re.escape(mounted)}(?=/|$)"
                word = re.sub(at, rf"\g<1>{self.volumes[name]}", word)
        return word
