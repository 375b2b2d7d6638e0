"""Heartbeats of worker processes: the folder of the nameless files by which gunicorn sees them."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - heartbeats on a disk can block a worker

_told: set[str] = set()


def folder(warn: Callable[[str], object]) -> str:
    """Returns the first folder that takes a file: shared memory, else one of temporary files.

    `warn` gets a sentence, once, where shared memory takes none. Raises `OSError` with one where
    nothing does. macOS has no such memory, of which nothing is said.
    """
    reason = ""
    for each in _folders():
        try:
            tempfile.TemporaryFile(dir=each).close()
        except OSError as error:
            if each == _SHARED_MEMORY and each.is_dir():
                reason = error.strerror or str(error)
            continue
        if reason and reason not in _told:
            _told.add(reason)
            warn(
                f"{_SHARED_MEMORY} takes no file ({reason}): the processes' heartbeats go to "
                f"{each}, where a slow disk can hold one up"
            )
        return str(each)
    raise OSError(
        f"No folder takes a temporary file, which each process of the gateway needs: make room in "
        f"{_SHARED_MEMORY}, or name a folder by TMPDIR"
    )


def _folders() -> Iterator[Path]:
    yield _SHARED_MEMORY
    named = (os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP"))
    yield from (Path(each) for each in (*named, "/tmp", "/var/tmp") if each)  # noqa: S108
    yield Path.cwd()
