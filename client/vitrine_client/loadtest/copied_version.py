"""Copied version: a copy of a model's newest version that is published as the next one, by the
rules of `version_directories`, and taken away again."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vitrine_client.store.version_directories import (
    UNFINISHED,
    locked,
    publish_next,
    rename,
    version_numbers,
)


class PublisherAtWorkError(OSError):
    """Another publisher works on a version of this model right now."""


class CopiedVersion:
    """Copy of the newest version of a model in `models_dir`."""

    def __init__(self, models_dir: Path, model: str) -> None:
        """Raises `FileNotFoundError` where the model has no version, `PermissionError` where none
        may be published."""
        self._directory = models_dir / model
        if not version_numbers(self._directory):
            raise FileNotFoundError(f"{self._directory} has no version that could be copied")
        if not os.access(self._directory, os.W_OK):
            raise PermissionError(f"Nothing may be published in {self._directory}")
        self.number: int | None = None
        """Of the copy, while it is published."""
        self.copied: int | None = None
        """Of the version that was copied."""

    def publish(self, wait: Callable[[], bool]) -> int:
        """Publishes the copy and returns its number.

        Calls `wait`, which takes a moment, as long as another publisher is at work; once that
        returns false, raises `PublisherAtWorkError`. Raises `OSError` where it cannot be copied.
        """

        def copy(unfinished: Path, number: int) -> None:
            newest = version_numbers(self._directory)[-1]
            shutil.rmtree(unfinished, ignore_errors=True)  # of a publisher that was killed
            shutil.copytree(self._directory / str(newest), unfinished)
            self.number, self.copied = number, newest

        with locked(self._directory, lambda: self._waited(wait)):
            return int(publish_next(self._directory, copy).name)

    def remove(self, wait: Callable[[], bool]) -> None:
        """Takes the copy away, if it is there. Raises as `publish` does."""
        published = self._directory / str(self.number)
        if not published.is_dir():
            return
        unfinished = self._directory / f"{UNFINISHED}{self.number}"
        with locked(self._directory, lambda: self._waited(wait)):
            rename(published, unfinished)
            self.number = None
            shutil.rmtree(unfinished, ignore_errors=True)

    def _waited(self, wait: Callable[[], bool]) -> bool:
        if not wait():
            raise PublisherAtWorkError(f"Somebody else publishes in {self._directory}")
        return True
