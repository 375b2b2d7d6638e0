"""IDX files of MNIST and its relatives: pairs of images and labels, packed by gzip or not.

Format: http://yann.lecun.com/exdb/mnist/. EMNIST's pictures are stored column by column, and its
letters' labels begin at 1 (https://arxiv.org/abs/1702.05373).
"""

import math
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.arrays import LabelledArrays, from_arrays
from vitrine_training.data.own.examples import OwnData
from vitrine_training.data.own.files import MOST_BYTES, array_bytes, listed, opened, shown
from vitrine_training.data.own.names import IMAGE_WORDS, LABEL_WORDS, PART_WORDS, parts, tokens

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 4
_FORM_WORDS = re.compile(r"idx\d?|ubyte")
_OTHER_WORDS = {"byte", "short", "int", "float", "double", "gz"}
_DIGITS_AND_LETTERS = string.digits + string.ascii_uppercase
_MERGED = _DIGITS_AND_LETTERS + "abdefghnqrt"
_EMNIST = {
    "letters": (1, string.ascii_uppercase),
    "byclass": (0, _DIGITS_AND_LETTERS + string.ascii_lowercase),
    "bymerge": (0, _MERGED),
    "balanced": (0, _MERGED),
}
"""First label and the classes from there on, of EMNIST's sets that have more than digits."""


@dataclass(frozen=True)
class IdxName:
    """Meaning of a file's name: "emnist-letters-train-images-idx3-ubyte.gz" has the train images
    of the set "emnist-letters"."""

    set_name: str
    part: str
    kind: str


def is_idx(head: bytes) -> bool:
    """Tells whether a file that begins like this is one: two zeros, a type, 1 to 4 dimensions."""
    return (
        len(head) >= 4
        and head[:2] == b"\0\0"
        and head[2] in _TYPES
        and 1 <= head[3] <= _MOST_DIMENSIONS
    )


def idx_name(name: str) -> IdxName | None:
    """Returns the meaning of a file's name, `None` where that is none of images or labels."""
    words = tokens(name)
    kinds = dict.fromkeys(IMAGE_WORDS, "images") | dict.fromkeys(LABEL_WORDS, "labels")
    kind = [kinds[word] for word in words if word in kinds]
    part = parts(name)
    if len(kind) != 1 or len(part) > 1 or not any(map(_FORM_WORDS.fullmatch, words)):
        return None
    known = {*kinds, *PART_WORDS, *_OTHER_WORDS}
    rest = [word for word in words if word not in known and not _FORM_WORDS.fullmatch(word)]
    return IdxName("-".join(rest), (part or ["all"])[0], kind[0])


def read_idx_file(path: Path, most_bytes: int = MOST_BYTES) -> OwnData:
    """Returns all parts of the set that a file belongs to. Raises `DataError`."""
    name = idx_name(path.name)
    if name is None:
        raise DataError(
            f"{shown(path)} is an IDX file, and its name does not say of what: call the two "
            "images-idx3-ubyte and labels-idx1-ubyte, with train- or t10k- before"
        )
    beside = [file for file in sorted(path.parent.iterdir()) if _set_name(file) == name.set_name]
    return _read(path.parent, name.set_name, beside, most_bytes)


def read_idx_folder(folder: Path, files: Iterable[Path], most_bytes: int = MOST_BYTES) -> OwnData:
    """Returns the set that these files of a folder are. Raises `DataError`, also for several."""
    files = list(files)
    sets = sorted({name for file in files if (name := _set_name(file)) is not None})
    if len(sets) != 1:
        raise DataError(
            f"{shown(folder)} has {len(sets)} sets of IDX files ({listed(sets)}): "
            "name a file of the one you mean"
        )
    return _read(folder, sets[0], files, most_bytes)


def _set_name(file: Path) -> str | None:
    name = idx_name(file.name) if file.is_file() else None
    return name.set_name if name else None


def _read(folder: Path, set_name: str, files: list[Path], most_bytes: int) -> OwnData:
    found, left = {}, most_bytes
    for part, pair in _pairs(folder, files).items():
        images, labels = (_content(pair[kind], left) for kind in ("images", "labels"))
        left -= images.nbytes + labels.nbytes
        if set_name.startswith("emnist") and images.ndim == 3:
            images = images.swapaxes(1, 2)
        if set_name.startswith("qmnist") and labels.ndim == 2:
            labels = labels[:, 0]  # the others are of the writer and of the form
        found[part] = LabelledArrays(images, labels, shown(pair["images"]), shown(pair["labels"]))
    kind = set_name.removeprefix("emnist-") if set_name.startswith("emnist-") else ""
    first, classes = _EMNIST.get(kind, (0, ""))
    return from_arrays(
        found,
        f"the IDX files {set_name + ' ' if set_name else ''}in {shown(folder)}",
        _notes(set_name),
        dict(enumerate(classes, first)) or None,
    )


def _notes(set_name: str) -> tuple[str, ...]:
    if not set_name.startswith("emnist"):
        return ()
    return ("EMNIST's pictures are stored column by column, and turned here",)


def _pairs(folder: Path, files: list[Path]) -> dict[str, dict[str, Path]]:
    """Returns the files by part and kind; raises `DataError` where one is missing or is twice."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(files, key=lambda file: file.suffix == ".gz"):  # unpacked ones first
        name = idx_name(file.name)
        if name is None:
            continue
        pair = found.setdefault(name.part, {})
        other = pair.setdefault(name.kind, file)
        if other != file and other.name != file.name.removesuffix(".gz"):
            raise DataError(
                f"{shown(folder)} has {listed([other.name, file.name])} for the same: keep one "
                "of them there"
            )
    for pair in found.values():
        if len(pair) != 2:
            (kind,) = pair
            lacking = "labels" if kind == "images" else "images"
            raise DataError(
                f"{shown(folder)} has {listed([pair[kind].name])} and no {lacking} to it: put "
                "both files there"
            )
    return found


def _content(path: Path, most_bytes: int) -> npt.NDArray[np.generic]:
    """Returns the array in a file, in the machine's order of bytes."""
    with opened(path) as file:
        head = file.read(4)
        if not is_idx(head):
            raise DataError(f"{shown(path)} is no IDX file: its first bytes are others")
        sizes = file.read(4 * head[3])
        if len(sizes) < 4 * head[3]:
            raise DataError(f"{shown(path)} ends in its header: fetch the file again")
        shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
        dtype = np.dtype(_TYPES[head[2]])
        asked = array_bytes(shape, dtype.itemsize)
        if asked > most_bytes:
            raise DataError(
                f"{shown(path)} says that it has {asked:,} bytes, and "
                f"{most_bytes:,} are the most of a data set"
            )
        array = np.frombuffer(_bytes(path, file, math.prod(shape) * dtype.itemsize), dtype).reshape(
            shape
        )
    return array.astype(dtype.newbyteorder("="), copy=False)


def _bytes(path: Path, file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise DataError(
            f"{shown(path)} is cut off: it has {len(content):,} of {count:,} bytes of content"
        )
    if file.read(1):
        raise DataError(f"{shown(path)} has more bytes than its header says: fetch it again")
    return content
