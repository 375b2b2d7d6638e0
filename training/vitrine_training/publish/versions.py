"""Published versions: published, rolled back and restored by the rules of `version_directories`."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitrine_client.store.version_directories import (
    RETIRED,
    UNFINISHED,
    locked,
    next_version,
    publish_next,
    rename,
    version_numbers,
)


def models(models_dir: Path) -> list[str]:
    """Returns the names of the models that have a version, sorted."""
    if not models_dir.is_dir():
        return []
    return sorted(entry.name for entry in models_dir.iterdir() if versions(models_dir, entry.name))


def versions(models_dir: Path, model: str) -> list[int]:
    """Returns the published version numbers of `model`, oldest first."""
    return version_numbers(models_dir / model)


def retired(models_dir: Path, model: str) -> list[int]:
    """Returns the numbers of the versions that were rolled back, oldest first."""
    return version_numbers(models_dir / model, RETIRED)


def kept(models_dir: Path, model: str) -> list[Path]:
    """Returns the directories of all versions, published or rolled back, oldest first."""
    names = {number: str(number) for number in versions(models_dir, model)}
    names |= {number: f"{RETIRED}{number}" for number in retired(models_dir, model)}
    return [models_dir / model / names[number] for number in sorted(names)]


def latest(models_dir: Path, model: str) -> Path:
    """Returns the newest version directory. Raises `FileNotFoundError` where there is none."""
    published = versions(models_dir, model)
    if not published:
        there = ", ".join(models(models_dir)) or "none; `make train` publishes some"
        raise FileNotFoundError(f"{models_dir / model} has no version; models with one: {there}")
    return models_dir / model / str(published[-1])


class RollbackError(Exception):
    """There is no version to go back to, or forward."""


def publish(
    models_dir: Path,
    model: str,
    write: Callable[[Path, int], None],
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Calls `write(directory, version)`, then makes that directory the next version.

    Whatever `write` raises passes through, and leaves nothing behind. `say` is told the reason
    of a wait.
    """
    with _prepared(models_dir / model, say) as directory:
        return publish_next(directory, write)


def rehearse(
    models_dir: Path, model: str, size_bytes: int, say: Callable[[str], None] = lambda _: None
) -> None:
    """Does as `publish` does, up to the version, with a file of `size_bytes`.

    So an obstacle to publishing is known before hours of training: a lock or a
    folder of another user, a leftover that cannot be removed, a disk or a quota that is too small,
    numbers that are used up.
    Raises `OSError`; leaves nothing behind but the folder and its lock.
    """
    with _prepared(models_dir / model, say) as directory:
        next_version(directory)
        unfinished = directory / f"{UNFINISHED}rehearsal"
        renamed = directory / f"{UNFINISHED}rehearsed"
        try:
            unfinished.mkdir()
            _claim(unfinished / "space", size_bytes)
            unfinished.rename(renamed)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(renamed, ignore_errors=True)


def _claim(path: Path, size_bytes: int) -> None:
    """Makes a file and has the file system set its bytes aside, which is done in an instant."""
    with path.open("wb") as file:
        if not hasattr(os, "posix_fallocate"):  # macOS
            return
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                reason = f"{error.strerror} ({size_bytes / 1e6:.1f} MB are needed)"
                raise OSError(error.errno, reason, str(path.parent.parent)) from error


@contextmanager
def _prepared(directory: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Makes a model's directory, holds its lock, and removes what a killed publisher left."""
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory, lambda: say(f"waiting for who holds {directory / '.lock'}")):
        _remove_leftovers(directory)
        yield directory


def _remove_leftovers(directory: Path) -> None:
    for leftover in directory.glob(UNFINISHED + "*"):
        try:
            shutil.rmtree(leftover)
        except OSError as error:
            reason = f"it was left unfinished, and cannot be removed ({error.strerror})"
            raise OSError(error.errno, reason, str(leftover)) from error


def rollback(models_dir: Path, model: str) -> Path:
    """Retires the newest version and returns the one that is the newest then.

    The retired version is kept under a name that no model server takes for a version; servers go
    back to the one before within their polling interval. Raises `RollbackError`.
    """
    directory = models_dir / model
    if not versions(models_dir, model):
        raise RollbackError(f"{directory} has no version")
    with locked(directory):
        *others, newest = versions(models_dir, model)
        if not others:
            raise RollbackError(
                f"{directory / str(newest)} is the only version; there is nothing to roll back to"
            )
        rename(directory / str(newest), directory / f"{RETIRED}{newest}")
    return directory / str(others[-1])


def restore(models_dir: Path, model: str) -> Path:
    """Undoes the last `rollback` and returns the version that is published again. Raises
    `RollbackError` where there is nothing to undo."""
    directory = models_dir / model
    newest = max(versions(models_dir, model), default=0)
    undone = [number for number in retired(models_dir, model) if number > newest]
    if not undone:
        raise RollbackError(f"{directory} has no rollback to undo")
    restored = directory / str(undone[0])
    with locked(directory):
        rename(directory / f"{RETIRED}{undone[0]}", restored)
    return restored
