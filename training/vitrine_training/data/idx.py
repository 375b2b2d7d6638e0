"""Fashion-MNIST's four files: names, shapes, checksums, and their reader."""

import gzip
import hashlib
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vitrine_client.store.shared_files import content_of

Pixels = npt.NDArray[np.uint8]

_PACKING_BYTES = 1 << 16
"""Bytes that gzip takes at most beside the content, its name and comment included."""


@dataclass(frozen=True)
class IdxFile:
    """One of the four files: its name, two checksums and the shape of its array.

    `content_md5` is of the unpacked bytes, because the same data is packed in more than one way:
    Debian strips gzip's name and time stamp (put back, they give the official `md5`).
    """

    name: str
    md5: str
    content_md5: str
    shape: tuple[int, ...]

    @property
    def header_bytes(self) -> int:
        """Bytes of the magic number, and of a big-endian int32 per dimension."""
        return 4 + 4 * len(self.shape)

    @property
    def content_bytes(self) -> int:
        """Bytes of the file once it is unpacked."""
        return self.header_bytes + math.prod(self.shape)


FILES = (
    IdxFile(
        "train-images-idx3-ubyte.gz",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        (60_000, 28, 28),
    ),
    IdxFile(
        "train-labels-idx1-ubyte.gz",
        "25c81989df183df01b3e8a0aad5dffbe",
        "9018921c3c673c538a1fc5bad174d6f9",
        (60_000,),
    ),
    IdxFile(
        "t10k-images-idx3-ubyte.gz",
        "bef4ecab320f06d8554ea6380940ec79",
        "8181f5470baa50b63fa0f6fddb340f0a",
        (10_000, 28, 28),
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        "bb300cfdad3c16e7a12a480ee83cd310",
        "15d484375f8d13e6eb1aabb0c3f46965",
        (10_000,),
    ),
)


class DataError(Exception):
    """The data set is unavailable or damaged; the message has advice."""


class MissingError(DataError):
    """A file of the data set is not there."""


class ForbiddenError(DataError):
    """A file of the data set may not be read by this user, and may well be whole."""


def read_idx(path: Path, file: IdxFile) -> Pixels:
    """Returns the uint8 array in a gzipped IDX file (format: http://yann.lecun.com/exdb/mnist/).

    Raises `MissingError` where there is no such file, `ForbiddenError` where it may not be read,
    `DataError` where it cannot be read, is truncated or has another checksum.
    """
    try:
        packed = content_of(path, file.content_bytes + _PACKING_BYTES)
    except FileNotFoundError:
        raise MissingError(f"{path} is not there") from None
    except PermissionError as error:
        raise ForbiddenError(
            f"{path} may not be read by this user ({error.strerror}); its owner can allow that: "
            f"chmod -R a+rX {path.parent}"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with gzip.open(io.BytesIO(packed)) as unpacking:
            content = unpacking.read(file.content_bytes + 1)  # a byte too many changes the checksum
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); delete it and try again") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != file.content_md5:
        raise DataError(
            f"{path} is not Fashion-MNIST's {file.name}: "
            f"its content has MD5 {found}, not {file.content_md5}"
        )
    return np.frombuffer(content, np.uint8, offset=file.header_bytes).reshape(file.shape)
