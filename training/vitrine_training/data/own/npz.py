"""NumPy archives (.npz): x_train, y_train and their likes, read without pickle and bounded."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.arrays import LabelledArrays, from_arrays
from vitrine_training.data.own.examples import OwnData
from vitrine_training.data.own.files import MOST_BYTES, array_bytes, cut, listed, opened, shown
from vitrine_training.data.own.names import IMAGE_WORDS, LABEL_WORDS, parts, tokens

_WANTED = "x_train and y_train (also of val and test), or x and y, or images and labels"
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

_DAMAGED = (
    zipfile.BadZipFile,
    NotImplementedError,  # packed in a way that Python has not
    RuntimeError,  # encrypted
    EOFError,
    OSError,  # a place before the file's begin
    ValueError,  # a name in no encoding
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""All that reading an archive raises where its bytes are wrong."""

_NO_HEADER = (ValueError, KeyError, TypeError, SyntaxError, RecursionError, tokenize.TokenError)
"""All that NumPy raises of an array's header, which it reads as Python's literals."""


@dataclass(frozen=True)
class _Pair:
    """Names of the arrays with one part's images and with their labels."""

    images: str
    labels: str


def read_npz(path: Path, most_bytes: int = MOST_BYTES) -> OwnData:
    """Returns the arrays of an archive as own data.

    Raises `DataError` where it is damaged, lacks an array, or has one of Python objects or of more
    than `most_bytes`, all of them together and unpacked.
    """
    with _archive(path) as archive:
        members = _members(path, archive)
        pairs = _pairs(path, members)
        used = [name for pair in pairs.values() for name in (pair.images, pair.labels)]
        _check_sizes(path, archive, {name: members[name] for name in used}, most_bytes)
        arrays = {name: _array(path, archive, members[name]) for name in used}
    found = {
        part: LabelledArrays(
            arrays[pair.images], arrays[pair.labels], cut(pair.images), cut(pair.labels)
        )
        for part, pair in pairs.items()
    }
    return from_arrays(found, f"the npz file {shown(path)}", tuple(_left_out(members, used)))


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except _DAMAGED as error:
            told = cut(str(error), 160)
            raise DataError(f"{shown(path)} cannot be unpacked ({told}): save it again") from error


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns the arrays in an archive by their names."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in found:
            raise DataError(f"{shown(path)} has two arrays {cut(name)}: save it again")
        if name != member.filename:
            found[name] = member
    if not found:
        raise DataError(
            f"{shown(path)} is an archive without arrays: unpack it and name the folder"
        )
    return found


def _pairs(path: Path, names: Mapping[str, object]) -> dict[str, _Pair]:
    """Returns the names of images and labels by part."""
    images = _by_part(path, names, IMAGE_WORDS)
    labels = _by_part(path, names, LABEL_WORDS)
    if not images:
        raise DataError(f"{shown(path)} has the arrays {listed(names)}: it needs {_WANTED}")
    for part, name in (images | labels).items():
        if part not in images or part not in labels:
            lacking = "labels" if part in images else "images"
            raise DataError(
                f"{shown(path)} has {cut(name)} and no {lacking} to it: it needs {_WANTED}"
            )
    return {part: _Pair(name, labels[part]) for part, name in images.items()}


def _by_part(path: Path, names: Mapping[str, object], words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name in names:
        kinds = [token for token in tokens(name) if token in words]
        of = parts(name)
        if len(kinds) == 1 and len(of) == len(tokens(name)) - 1 <= 1:
            found.setdefault((of or ["all"])[0], []).append(name)
    for part, several in found.items():
        if len(several) > 1:  # scikit-learn's digits are there twice, flat as "data"
            several = [name for name in several if "data" not in name.lower()]
        if len(several) != 1:
            raise DataError(
                f"{shown(path)} has {listed(several)} for the same: keep one of them there"
            )
        found[part] = several
    return {part: several[0] for part, several in found.items()}


def _check_sizes(
    path: Path,
    archive: zipfile.ZipFile,
    members: Mapping[str, zipfile.ZipInfo],
    most_bytes: int,
) -> None:
    """Raises `DataError` where arrays are not plain numbers or text, or too large for memory."""
    total = 0
    for name, member in members.items():
        with archive.open(member) as file:
            shape, dtype = _header(path, name, cast(BinaryIO, file))
        if dtype.hasobject:
            raise DataError(
                f"{shown(path)} has Python objects in {cut(name)}, which are not loaded: "
                "save an array of numbers"
            )
        total += array_bytes(shape, dtype.itemsize)
    if total > most_bytes:
        raise DataError(
            f"{shown(path)} has arrays of {total:,} bytes, and {most_bytes:,} are the most: "
            "save uint8, or fewer pictures"
        )


def _header(path: Path, name: str, file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    try:
        shape, _, dtype = _VERSIONS[np.lib.format.read_magic(file)](file)
    except _NO_HEADER as error:
        raise DataError(
            f"{shown(path)} has {cut(name)}, which is no array of numbers: save it again"
        ) from error
    if any(type(length) is not int or length < 0 for length in shape):
        raise DataError(
            f"{shown(path)} has {cut(name)} of the shape {cut(str(shape))}: save it again"
        )
    return shape, dtype


def _array(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> npt.NDArray[np.generic]:
    with archive.open(member) as file:
        try:
            array = np.lib.format.read_array(cast(BinaryIO, file), allow_pickle=False)
        except ValueError as error:
            raise DataError(
                f"{shown(path)} is cut off in {cut(member.filename)}: save it again"
            ) from error
    return cast(npt.NDArray[np.generic], array)


def _left_out(members: Mapping[str, object], used: list[str]) -> Iterator[str]:
    if left := [name for name in members if name not in used]:
        yield f"left out, as nothing is known of them: {listed(left)}"
