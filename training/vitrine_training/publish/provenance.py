"""Provenance of a version, for its card: packages and the revision of the code."""

import platform
import subprocess
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any


def packages() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide what a model answers."""
    names = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: package_version(name) for name in names}


def code_revision() -> str | None:
    """Returns the git commit of this code, with `-dirty` if it was changed; None outside its
    repository."""
    here = Path(__file__)
    tracked = _git(here.parent, "ls-files", here.name)
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40") if tracked else None


def _git(directory: Path, *words: str) -> str | None:
    command: list[Any] = ["git", "-C", directory, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # there is no git, or the disk is slow
        return None
    return done.stdout.strip() or None
