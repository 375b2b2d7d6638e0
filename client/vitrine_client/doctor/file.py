"""Regular file: its content, without waiting for a pipe or reading without end."""

import shlex
import stat
from pathlib import Path

MOST_BYTES = 64_000_000


def content_of(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Returns a file's content. Raises `OSError`, also with words of its own where it is no
    regular file or has more bytes."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError(0, "it is no regular file", str(path))
    if found.st_size > most_bytes:
        raise OSError(0, f"it has {found.st_size:,} bytes", str(path))
    return path.read_bytes()


def quoted(path: Path) -> str:
    """Returns a path as a shell takes it, in a command to copy."""
    return shlex.quote(str(path))
