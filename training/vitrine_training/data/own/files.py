"""Files of own data: regular ones alone are opened, and unpacked where gzip packed them."""

import gzip
import math
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from vitrine_client.process.visible import visible
from vitrine_training.data.idx import DataError

MOST_BYTES = 4 << 30
"""Bytes that the arrays of one data set may have, unpacked: all of it is read into memory."""

GZIP_MAGIC = b"\x1f\x8b"


def shown(path: Path) -> str:
    """Returns a path as messages have it: in one line, with hidden characters escaped."""
    return visible(str(path))


def cut(text: str, most: int = 80) -> str:
    """Returns a text of somebody's for a message: visible, and no longer than a line of it."""
    return visible(text if len(text) <= most else f"{text[:most]}…")


def listed(names: Iterable[str], most: int = 5) -> str:
    """Returns names for a message, the first few of them, with hidden characters escaped."""
    every = [cut(name) for name in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def array_bytes(shape: Iterable[int], itemsize: int) -> int:
    """Returns the bytes that an array asks for, 2^60 where it is more.

    A length of 0 makes none of the others harmless, so it counts as 1.
    """
    return min(math.prod(max(length, 1) for length in shape) * max(itemsize, 1), 1 << 60)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens a regular file to read its content, unpacked where it is gzip's.

    Raises `DataError` where it is missing, no regular file, forbidden or damaged, also in the
    block.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before it is opened: a pipe has no end
            raise DataError(f"{shown(path)} is no regular file: name a file or a folder of data")
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if not packed:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacking:
                yield cast(BinaryIO, unpacking)
    except FileNotFoundError:
        raise DataError(f"{shown(path)} is not there: check the path") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{shown(path)} is damaged ({error}): fetch or pack the file again"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{shown(path)} cannot be read ({reason}): check the path") from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise DataError(f"{shown(path)} is no path: it has a zero byte in it") from error
