"""Installation: the environment, directories and addresses that the checks look at."""

import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vitrine_client.doctor.name_service import NameService


@dataclass(frozen=True)
class Installation:
    """Installation to examine.

    `url` is the gateway's address, and `url_named` says that somebody chose it, so that silence
    there is a problem; `ca` and `cert` are a command's files for its TLS. `model_servers` are
    gRPC addresses. `wait_s` is the longest wait for one answer, in seconds. `control_groups` is
    where Linux tells the limits of a container.
    """

    environment: Mapping[str, str]
    url: str
    models_dir: Path
    model_servers: tuple[str, ...] = ("127.0.0.1:8500",)
    api_key: str = ""
    url_named: bool = False
    wait_s: float = 3.0
    ca: str | None = None
    cert: str | tuple[str, str] | None = None
    prefix: Path = Path(sys.prefix)
    shared_memory: Path = Path("/dev/shm")  # noqa: S108 - nothing is written there but a probe
    temporary_root: Path = Path("/tmp")  # noqa: S108 - the same
    names_service: NameService = field(default_factory=NameService)
    host_name: str = field(default_factory=socket.gethostname)
    control_groups: Path = Path("/sys/fs/cgroup")

    def names(self, variable: str) -> bool:
        """Says whether a variable is set, and not empty."""
        return bool(self.environment.get(variable))

    def path(self, variable: str) -> Path | None:
        """Returns the path that a variable names, None where it names none."""
        return Path(self.environment[variable]) if self.names(variable) else None

    @property
    def data_cache(self) -> Path:
        """Where `vitrine-train` keeps the data set."""
        return self.cache / "fashion-mnist"

    @property
    def cache(self) -> Path:
        """`VITRINE_CACHE_DIR`, or `vitrine` in the user's cache directory."""
        if chosen := self.path("VITRINE_CACHE_DIR"):
            return chosen
        home = Path(self.environment.get("HOME") or Path("~").expanduser())
        if sys.platform == "darwin":
            return home / "Library" / "Caches" / "vitrine"
        xdg = self.environment.get("XDG_CACHE_HOME", "").strip()
        return (Path(xdg) if xdg else home / ".cache") / "vitrine"

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return Path(tempfile.gettempdir())


def nearest_directory(path: Path) -> Path:
    """Returns a path, or the nearest of its parents that exists and may be looked at."""
    path = path.absolute()
    return next((each for each in (path, *path.parents) if _is_seen(each)), Path(path.anchor))


def _is_seen(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # of a directory above
        return False


def is_writable(path: Path) -> bool:
    """Says whether files can be made in a directory, or in that in which it would be made."""
    return os.access(nearest_directory(path), os.W_OK | os.X_OK)
