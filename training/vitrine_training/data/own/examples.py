"""Examples: pictures with their labels, and what a reader of own data returns."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitrine_training.data.pieces import pieces

PARTS = ("all", "train", "validation", "test")
"""Names of the parts of a data set; "all" alone is one that nobody has split yet."""


@dataclass(frozen=True)
class Examples:
    """Examples of one part, row by row.

    `images` is uint8 [n, h, w] where they are grey, [n, h, w, 3] in colour; `labels` is int64 [n],
    class ids.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class OwnData:
    """Data set of somebody's own, as it was found.

    `classes` are the labels by class id: sorted by name where they are names, in numeric order
    where they are numbers. `parts` has the ones of `PARTS` that were given, "all" alone where
    nothing is split yet; their rows are as `ordered` leaves them. `notes` say what was left out or
    is doubtful, a sentence each. `checksums` are SHA-256 by part, as `checksum` computes them.
    `source` is the kind of data and its path, in words.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, Examples]
    notes: tuple[str, ...]
    checksums: Mapping[str, str]
    source: str


def ordered(examples: Examples) -> Examples:
    """Returns the rows by label, then by SHA-256 of their pixels.

    The same pictures give the same rows in the same order, whatever lossless form they came in.
    """
    order = row_order(row_digests(examples.images), examples.labels)
    return Examples(np.ascontiguousarray(examples.images[order]), examples.labels[order])


def row_digests(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
    """Returns SHA-256 of the pixels of each picture, big-endian uint64 [n, 4]."""
    digests = b"".join(hashlib.sha256(image.tobytes()).digest() for image in images)
    return np.frombuffer(digests, ">u8").reshape(len(images), 4)


def row_order(
    digests: npt.NDArray[np.generic], labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Returns the rows in the order of their labels, then of their digests, int64 [n]."""
    return np.lexsort((*digests.T[::-1], labels))  # the last key is the first one


def checksum(examples: Examples) -> str:
    """Returns SHA-256 of the images' shape, of the pixels and of the labels, in hexadecimal."""
    found = hashlib.sha256(repr(examples.images.shape).encode())
    for rows in pieces(examples.images):
        found.update(np.ascontiguousarray(examples.images[rows]).data)
    found.update(np.ascontiguousarray(examples.labels, dtype="<i8").data)
    return found.hexdigest()
