"""Scratch directory: a service's temporary files, which the next start clears after a kill -9."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

_PREFIX = "vitrine-serve-"


class ScratchDirectory:
    """Temporary directory in `folder`, by default that of the system, locked by the process that
    made it, however that ends; another one that finds it without a lock removes it.

    Raises `OSError` where there is no folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir())
        _remove_abandoned(folder)
        self.path, self._lock = _made(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Removes it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _made(folder: Path) -> tuple[Path, int | None]:
    """Makes and locks a directory: another one where it was taken for abandoned in between."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        lock = _locked(path)
        if lock is not None:
            if path.exists():
                return path, lock
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Returns the descriptor of a directory that nobody else has locked, else None. It is closed in
    children, or the lock would be theirs as well."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it is gone, or another user's
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}*"):
        lock = _locked(path)
        if lock is not None:
            with contextlib.suppress(OSError):
                if os.fstat(lock).st_uid == os.getuid():
                    shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
