"""A copy of a model's newest version that is published as the next one, and taken away again.

The rules are those of whoever publishes in `models/<model>/`: a version is a directory named by an
integer, whole or absent; one publisher at a time holds the lock on `.lock`; what is unfinished is
called `.unfinished-<version>`, and the next publisher may remove it; `.retired-<version>` was
rolled back, and its number is not used again.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vitrine_client.store.shared_files import fsync
from vitrine_client.store.version_directories import RETIRED, UNFINISHED


class PublisherAtWorkError(OSError):
    """Somebody else publishes a version of this model right now."""


class CopiedVersion:
    """Of one model in `models_dir`."""

    def __init__(self, models_dir: Path, model: str) -> None:
        """Raises `FileNotFoundError` where the model has no version, `PermissionError` where none
        may be published."""
        self._directory = models_dir / model
        if not _numbers(self._directory):
            raise FileNotFoundError(f"{self._directory} has no version that could be copied")
        if not os.access(self._directory, os.W_OK):
            raise PermissionError(f"Nothing may be published in {self._directory}")
        self.number: int | None = None
        """Of the copy, while it is published."""
        self.copied: int | None = None
        """Of what it is a copy of."""

    def publish(self, wait: Callable[[], bool]) -> int:
        """Publishes the copy and returns its number.

        Calls `wait`, which takes a moment, as long as another publisher is at work; once that
        returns false, raises `PublisherAtWorkError`. Raises `OSError` where it cannot be copied.
        """
        with self._locked(wait):
            published = _numbers(self._directory)
            number = max(published + _numbers(self._directory, RETIRED)) + 1
            unfinished = self._directory / f"{UNFINISHED}{number}"
            shutil.rmtree(unfinished, ignore_errors=True)  # of a publisher that was killed
            try:
                shutil.copytree(self._directory / str(published[-1]), unfinished)
                _flush(unfinished)
                unfinished.rename(self._directory / str(number))
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            self.number, self.copied = number, published[-1]
            fsync(self._directory)
        return number

    def remove(self, wait: Callable[[], bool]) -> None:
        """Takes the copy away, if it is there. Raises as `publish` does."""
        if self.number is None:
            return
        unfinished = self._directory / f"{UNFINISHED}{self.number}"
        with self._locked(wait):
            (self._directory / str(self.number)).rename(unfinished)
            self.number = None
            fsync(self._directory)
            shutil.rmtree(unfinished, ignore_errors=True)

    @contextmanager
    def _locked(self, wait: Callable[[], bool]) -> Iterator[None]:
        with (self._directory / ".lock").open("w") as lock:
            while not _take(lock):
                if not wait():
                    raise PublisherAtWorkError(f"Somebody else publishes in {self._directory}")
            yield


def _take(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _numbers(directory: Path, prefix: str = "") -> list[int]:
    if not directory.is_dir():
        return []
    names = [entry.name for entry in directory.iterdir() if entry.is_dir()]
    rest = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return sorted(int(name) for name in rest if name.isdecimal())


def _flush(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        for name in files:
            fsync(Path(folder) / name)
        fsync(Path(folder))
