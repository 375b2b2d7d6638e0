"""Version directories, `models/<model>/<version>/`: each whole or absent, one publisher at a time.

A version is written beside its final place, under a name that no model server takes for a version
(they look for integers only), flushed to the disk and then renamed. A lock that dies with its
holder lets one publisher at a time work on a model, so that a version knows its number while it is
written, and leftovers of a killed publisher are safe to remove.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitrine_client.store import shared_files

RETIRED = ".retired-"
"""Before the number of a version that was rolled back; the number is not used again."""

UNFINISHED = ".unfinished-"
"""Before the number of one that is being written, or never was whole."""


NEWEST = 2**63 - 1
"""The largest version there can be: model servers have them as an int64."""


def version_number(name: str) -> int | None:
    """Returns the version that a directory's name stands for, None for none: ASCII digits alone, up
    to `NEWEST`, as TensorFlow Serving reads no others."""
    is_one = name.isascii() and name.isdecimal() and len(name.lstrip("0")) <= len(str(NEWEST))
    number = int(name) if is_one else None
    return None if number is None or number > NEWEST else number


def version_numbers(directory: Path, prefix: str = "") -> list[int]:
    """Returns the versions in a model's directory, ascending; with a prefix those behind it."""
    if not directory.is_dir():
        return []
    return sorted(number for number, entry in _numbered(directory, prefix) if entry.is_dir())


def _numbered(directory: Path, prefix: str = "") -> Iterator[tuple[int, Path]]:
    """Yields what has a version for its name, whatever it is."""
    for entry in directory.iterdir():
        if entry.name.startswith(prefix):
            number = version_number(entry.name[len(prefix) :])
            if number is not None:
                yield number, entry


def next_version(directory: Path) -> int:
    """Returns the number of a model's next version: above all that is there, files included, and
    above those that were rolled back, as a number means one model. Raises `OSError` where no model
    server would take it."""
    there = [*_numbered(directory), *_numbered(directory, RETIRED)]
    newest, entry = max(there, default=(0, directory))
    if newest == NEWEST:
        raise OSError(
            f"{entry} has the largest number that there is for a version; remove or rename it, and "
            "the next one follows on the others"
        )
    return newest + 1


@contextmanager
def locked(directory: Path, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Holds a model's lock; `on_wait` is that of `shared_files.locked`. Raises `OSError`."""
    with shared_files.locked(directory / ".lock", on_wait):
        yield


def publish_next(directory: Path, write: Callable[[Path, int], None]) -> Path:
    """Calls `write(path, version)`, then makes that path the next version, and returns it.

    For the holder of the lock. Whatever `write` raises passes through, and leaves nothing behind.
    """
    version = next_version(directory)
    unfinished, final = directory / f"{UNFINISHED}{version}", directory / str(version)
    try:
        write(unfinished, version)
        _flush(unfinished)
        unfinished.rename(final)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shared_files.fsync(directory)
    return final


def rename(old: Path, new: Path) -> None:
    """Renames a version, so that it stays renamed when the power fails."""
    old.rename(new)
    shared_files.fsync(new.parent)


def _flush(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        for name in files:
            shared_files.fsync(Path(folder) / name)
        shared_files.fsync(Path(folder))
