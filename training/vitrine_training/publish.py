"""Version directories: `models/<model>/<version>/`, each whole or absent.

A version is written beside its final place, under a name that no model server takes for a version
(they look for integers only), flushed to the disk and then renamed. A lock that dies with its
holder lets one publisher at a time work on a model, so that a version knows its number while it is
written, and leftovers of a killed publisher are safe to remove.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = ".unfinished-"


def versions(models_dir: Path, model: str) -> list[int]:
    """Returns the published version numbers of `model`, oldest first."""
    directory = models_dir / model
    if not directory.is_dir():
        return []
    return sorted(
        int(entry.name)
        for entry in directory.iterdir()
        if entry.name.isdecimal() and entry.is_dir()
    )


def latest(models_dir: Path, model: str) -> Path:
    """Returns the newest version directory. Raises `FileNotFoundError` where there is none."""
    published = versions(models_dir, model)
    if not published:
        raise FileNotFoundError(
            f"{models_dir / model} has no version; train one with `vitrine-train train {model}`"
        )
    return models_dir / model / str(published[-1])


def publish(models_dir: Path, model: str, write: Callable[[Path, int], None]) -> Path:
    """Calls `write(directory, version)`, then makes that directory the next version.

    Whatever `write` raises passes through, and leaves nothing behind.
    """
    directory = models_dir / model
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        for leftover in directory.glob(_UNFINISHED + "*"):
            shutil.rmtree(leftover)
        version = max(versions(models_dir, model), default=0) + 1
        unfinished = directory / f"{_UNFINISHED}{version}"
        final = directory / str(version)
        try:
            write(unfinished, version)
            _flush(unfinished)
            unfinished.rename(final)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _fsync(directory)
    return final


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _flush(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        for name in files:
            _fsync(Path(folder) / name)
        _fsync(Path(folder))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
