"""Forms of own data: found by what a path has, its first bytes and names, and read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.checks import checked
from vitrine_training.data.own.csv_pixels import LabelColumn, read_csv
from vitrine_training.data.own.examples import PARTS, OwnData
from vitrine_training.data.own.files import listed, opened, shown
from vitrine_training.data.own.idx_files import idx_name, is_idx, read_idx_file, read_idx_folder
from vitrine_training.data.own.names import parts
from vitrine_training.data.own.npz import read_npz

_FORMS = (
    "folders of pictures by class, an .npz file, IDX files (images-idx3-ubyte and "
    "labels-idx1-ubyte) or CSV of pixels"
)
_CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_HEAD_BYTES = 4_096
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
_PICTURE_HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")


def load(path: Path, label_column: LabelColumn = "first", **picture_options: Any) -> OwnData:
    """Returns the data at a path, checked.

    `label_column` is for CSV, `picture_options` are `read_folder`'s, for pictures in folders.
    Raises `DataError` with one sentence where there is none or it is wrong.
    """
    try:
        if path.is_dir():
            return checked(_from_folder(path, label_column, picture_options))
        return checked(_from_file(path, label_column))
    except OSError as error:
        raise DataError(
            f"{shown(path)} cannot be read ({error.strerror}): check the path"
        ) from error
    except MemoryError as error:
        raise DataError(
            f"{shown(path)} needs more memory than there is: leave out pictures"
        ) from error


def _from_file(path: Path, label_column: LabelColumn) -> OwnData:
    with opened(path) as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return read_npz(path)
    if is_idx(head):
        return read_idx_file(path)
    if head.startswith(b"\x93NUMPY"):
        raise DataError(
            f"{shown(path)} is one array without labels: save both, "
            "by np.savez(file, x_train=…, y_train=…)"
        )
    if head.startswith(_PICTURE_HEADS):
        raise DataError(f"{shown(path)} is one picture: name the folder that has the classes")
    if not head.strip():
        raise DataError(f"{shown(path)} is empty: it needs to be one of {_FORMS}")
    if b"\0" in head or not any(delimiter in head for delimiter in (b",", b";", b"\t")):
        raise DataError(f"{shown(path)} is none of {_FORMS}")
    return read_csv({"all": path}, label_column)


def _from_folder(
    folder: Path, label_column: LabelColumn, picture_options: dict[str, Any]
) -> OwnData:
    files = [Path(entry.path) for entry in _entries(folder) if entry.is_file()]
    forms = {
        "IDX files": [file for file in files if idx_name(file.name)],
        "npz files": [file for file in files if file.suffix.lower() == ".npz"],
        "CSV": [file for file in files if file.name.lower().endswith(_CSV_SUFFIXES)],
    }
    found = [form for form, named in forms.items() if named]
    if any(entry.is_dir() and _has_entries(entry) for entry in _entries(folder)):
        if found in ([], ["CSV"]):  # CSV beside pictures may be of anything
            return _pictures(folder, picture_options)
        found.append("folders")
    if not found and any(file.suffix.lower() in _PICTURE_SUFFIXES for file in files):
        raise DataError(
            f"{shown(folder)} has none of {_FORMS}, but pictures: put those of each class into a "
            "folder with its name"
        )
    if not found:
        raise DataError(f"{shown(folder)} has none of {_FORMS}: check the path")
    if len(found) > 1:
        raise DataError(f"{shown(folder)} has {' and '.join(found)}: name the file that you mean")
    if found == ["IDX files"]:
        return read_idx_folder(folder, forms["IDX files"])
    if found == ["CSV"]:
        return read_csv(_csv_parts(folder, forms["CSV"]), label_column)
    if len(forms["npz files"]) > 1:
        names = listed(file.name for file in forms["npz files"])
        raise DataError(f"{shown(folder)} has {names}: name the one that you mean")
    return read_npz(forms["npz files"][0])


def _pictures(folder: Path, options: dict[str, Any]) -> OwnData:
    """Returns the pictures in folders. Imported here: arrays need no reader of pictures."""
    from vitrine_training.data.own.folders import read_folder

    return read_folder(folder, **options)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields what a folder has, in the order of names, but hidden files and a Mac's leftovers."""
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            if not entry.name.startswith(".") and entry.name != "__MACOSX":
                yield entry


def _has_entries(folder: os.DirEntry[str]) -> bool:
    """Tells whether a folder has anything in it; one that may not be read counts."""
    try:
        return any(_entries(Path(folder.path)))
    except OSError:
        return True


def _csv_parts(folder: Path, files: list[Path]) -> dict[str, Path]:
    """Returns one CSV by part: a single file is all, several have train, val or test in names."""
    if len(files) == 1:
        return {"all": files[0]}
    found: dict[str, Path] = {}
    for file in files:
        of = parts(file.name)
        if len(of) != 1 or of[0] in found:
            raise DataError(
                f"{shown(folder)} has {listed(file.name for file in files)}: name the one that "
                "you mean, or call them train.csv and test.csv"
            )
        found[of[0]] = file
    return {part: found[part] for part in PARTS if part in found}
