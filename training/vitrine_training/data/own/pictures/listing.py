"""Listing of a folder of pictures: which files are pictures of which class, and what is left out.

A class is a folder, and all files below it are its own. Nothing is opened here: a file is known by
its path, its size and its time.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from vitrine_client.process.visible import visible
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.labels import MOST_NAME
from vitrine_training.data.own.names import PART_WORDS

_SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))
_SYSTEM_FOLDERS = frozenset(("__macosx", "@eadir", "$recycle.bin"))

_DOT_FILES = "hidden, with names that begin with a dot"
_SYSTEM = "of operating systems"
_OUTSIDE = "links out of the folder"
_NOWHERE = "links that lead nowhere"
_LOOPS = "links to a folder that they are in"
_SPECIAL = "pipes, sockets or devices"
_EMPTY = "folders without pictures"
_BESIDE = "beside the folders of classes"
_UNLABELLED = "parts without folders of classes"
_FORBIDDEN = "folders that cannot be read"

_NAME = attrgetter("name")

_MOST_TOLD = 40
"""Characters of a long name that a message has."""

_TOLD = 3
"""Names of what was left out that a note has."""


class PictureFile(NamedTuple):
    """File that may be a picture: its path below the folder, its part, the name of its class, its
    bytes, and when it was changed."""

    path: str
    part: str
    label: str
    size: int
    mtime_ns: int


@dataclass
class Omissions:
    """Files and folders that were left out, by reason."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Adds one."""
        self.names.setdefault(reason, []).append(name)

    def notes(self) -> list[str]:
        """Returns a sentence for each reason: how many, and a few by name."""
        return [
            f"left out, {reason}: {len(names):,} ({few(names)})"
            for reason, names in self.names.items()
        ]


def few(names: list[str]) -> str:
    """Returns the first few names of many, with hidden characters escaped."""
    told = ", ".join(visible(name) for name in names[:_TOLD])
    return f"{told}, …" if len(names) > _TOLD else told


def list_pictures(folder: Path) -> tuple[list[PictureFile], Omissions]:
    """Returns the files below the folders of classes, by part, class and path, and what was left
    out. Raises `DataError` where there is no such folder, or its folders are no classes or parts.
    """
    walk = _Walk(_root(folder))
    files = [
        file
        for part, classes in _layout(walk).items()
        for label, path in classes
        for file in walk.files(path, part, label)
    ]
    return files, walk.omissions


def _root(folder: Path) -> str:
    shown = visible(str(folder))
    try:
        root = folder.resolve(strict=True)
        with os.scandir(root):
            return str(root)
    except FileNotFoundError:
        raise DataError(f"{shown} is not there: name a folder of pictures") from None
    except NotADirectoryError:
        raise DataError(f"{shown} is a file: name a folder of pictures") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{shown} cannot be read ({reason}): name a folder of pictures") from error


class _Entries(NamedTuple):
    """Entries of a folder that are not left out, by name: the names of folders, and the files."""

    folders: list[str]
    files: list[PictureFile]


class _Walk:
    """Walk through a folder, which leaves out what cannot be a picture and says so."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.omissions = Omissions()
        self._inside = root if root.endswith(os.sep) else root + os.sep

    def folders(self, path: str) -> list[str]:
        """Returns the names of the folders in one, sorted; files beside them are left out."""
        found = self._entries(path)
        for file in found.files:
            self.omissions.add(f"files {_BESIDE}", file.path)
        return found.folders

    def peek(self, path: str) -> tuple[list[str], int]:
        """Returns the folders in one and the number of its files; nothing counts as left out."""
        walk = _Walk(self.root)
        found = walk._entries(path)
        return found.folders, len(found.files)

    def files(self, path: str, part: str, label: str) -> Iterator[PictureFile]:
        """Yields all files below a folder, as pictures of a class."""
        ahead = [path]
        while ahead:
            path = ahead.pop()
            found = self._entries(path, part, label)
            if not any(found):
                self.omissions.add(_EMPTY, f"{path}{os.sep}")
            yield from found.files
            ahead += [f"{path}{os.sep}{name}" for name in reversed(found.folders)]

    def _entries(self, folder: str, part: str = "", label: str = "") -> _Entries:
        """Returns the entries of a folder, but for those that are left out."""
        found = _Entries([], [])
        above = f"{folder}{os.sep}" if folder else ""
        try:
            with _opened(self._inside + folder) as descriptor, os.scandir(descriptor) as entries:
                for entry in sorted(entries, key=_NAME):
                    path = above + entry.name
                    reason, status = self._judged(entry, path)
                    if status is None:
                        self.omissions.add(reason, path)
                    elif stat.S_ISDIR(status.st_mode):
                        found.folders.append(entry.name)
                    else:
                        size, time_ns = status.st_size, status.st_mtime_ns
                        found.files.append(PictureFile(path, part, label, size, time_ns))
        except OSError:
            self.omissions.add(_FORBIDDEN, folder)
        return found

    def _judged(self, entry: os.DirEntry[str], path: str) -> tuple[str, os.stat_result | None]:
        """Returns why an entry is left out, or its status where it is not."""
        if entry.name.startswith("."):
            return f"files or folders {_DOT_FILES}", None
        lower = entry.name.lower()
        if lower in _SYSTEM_FILES or lower in _SYSTEM_FOLDERS:
            return f"files or folders {_SYSTEM}", None
        try:
            if entry.is_symlink() and (reason := self._link_fault(f"{self._inside}{path}")):
                return reason, None
            status = entry.stat()
        except OSError:
            return _NOWHERE, None
        if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
            return "", status
        return _SPECIAL, None

    def _link_fault(self, path: str) -> str:
        """Returns why a link is left out, "" where it leads to another place in the folder."""
        target = os.path.realpath(path)
        if not f"{target}{os.sep}".startswith(self._inside):
            return _OUTSIDE
        if f"{os.path.realpath(os.path.dirname(path))}{os.sep}".startswith(f"{target}{os.sep}"):  # noqa: PTH120
            return _LOOPS
        return ""


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    """Opens a folder, below which entries are found sooner than by their whole paths."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


_Layout = dict[str, list[tuple[str, str]]]
"""Classes of each part: their names and the paths of their folders."""


def _layout(walk: _Walk) -> _Layout:
    """Returns the parts and classes of a folder. Raises `DataError` where they are in doubt."""
    names = walk.folders("")
    shown = visible(walk.root)
    inner = {name: walk.peek(name) for name in names if name.lower() in PART_WORDS}
    split = [name for name, (folders, _) in inner.items() if folders]
    if not split:
        if "train" in {PART_WORDS[name.lower()] for name in inner} and len(inner) == len(names):
            raise DataError(
                f"{shown} has {few(names)} and no folders of classes in them: make a folder for "
                f"each class, such as {visible(next(iter(inner)))}/cat"
            )
        _check_not_above(walk, names)
        return {"all": _labelled(names, "")}
    others = [name for name in names if name not in inner and any(walk.peek(name))]
    for name in (name for name in names if name not in split and name not in others):
        reason = _UNLABELLED if any(walk.peek(name)) else _EMPTY
        walk.omissions.add(reason, f"{name}{os.sep}")
    if others:
        raise DataError(
            f"{shown} has parts ({few(split)}) and other folders beside them ({few(others)}): "
            "move those away, or name the part alone"
        )
    return _parts(walk, split, shown)


def _labelled(names: list[str], above: str) -> list[tuple[str, str]]:
    """Returns the labels and the paths of the folders of classes. Raises `DataError` where a label
    is too long, or the same for two folders: one of them has in its name what an escape looks like.
    """
    folder_of: dict[str, str] = {}
    for name in names:
        label = visible(name)
        if len(label) > MOST_NAME:
            raise DataError(
                f"The folder {visible(above)}{label[:_MOST_TOLD]}… has a name of {len(label):,} "
                f"characters, and a class {MOST_NAME} at most: rename it"
            )
        if label in folder_of:
            raise DataError(f"Two folders are shown as {visible(above)}{label}: rename one")
        folder_of[label] = f"{above}{name}"
    return list(folder_of.items())


def _parts(walk: _Walk, split: list[str], shown: str) -> _Layout:
    layout: _Layout = {}
    folder_of: dict[str, str] = {}
    for name in split:
        part = PART_WORDS[name.lower()]
        if part in folder_of:
            raise DataError(
                f"{shown} has two folders for {part}, {folder_of[part]} and {name}: keep one"
            )
        folder_of[part] = name
        layout[part] = _labelled(walk.folders(name), f"{name}{os.sep}")
    if "train" not in layout:
        raise DataError(f"{shown} has {few(split)} and nothing to train on: add train")
    return layout


def _check_not_above(walk: _Walk, names: list[str]) -> None:
    """Raises `DataError` where a folder has no classes, but the only folder in it has some."""
    if len(names) != 1:
        return
    below, files = walk.peek(names[0])
    if len(below) > 1 and not files:
        raise DataError(
            f"{visible(walk.root)} has one folder, {visible(names[0])}, which has {len(below):,}: "
            f"name {visible(os.path.join(walk.root, names[0]))}"  # noqa: PTH118
        )
