"""Pixel maps: decoded pictures as memory maps in the cache, whole or absent, the oldest of which go
when there are too many.

    own/<key>/pixels.npy, index.json        a map, which nobody writes to any more
    own/<key>.unfinished/chunks, map        one that is being made, or whose making was interrupted
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from vitrine_client.store import shared_files

MOST_BYTES = 10 * 10**9
"""Bytes of all maps in the cache; beyond them the oldest go."""

_FORMAT = 1
_PIXELS, _INDEX = "pixels.npy", "index.json"
_UNFINISHED = ".unfinished"
_IN_USE_S = 3600
"""Seconds for which an unfinished map is taken for one that is being made."""


@dataclass(frozen=True)
class MapIndex:
    """Index of a map: its shape, [n, h, w] or [n, h, w, 3], the classes, how many pictures of each
    class every part has, in the order of the rows, the SHA-256 of every part, notes, and the paths
    of files that could not be read."""

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    checksums: dict[str, str]
    notes: tuple[str, ...]
    unreadable: tuple[str, ...]


class PixelMaps:
    """Pixel maps in a folder, by their keys."""

    def __init__(self, root: Path, most_bytes: int = MOST_BYTES) -> None:
        self.root = root
        self._most_bytes = most_bytes

    def find(self, key: str) -> tuple[npt.NDArray[np.uint8], MapIndex] | None:
        """Returns the pixels of a map, which cannot be written to, and its index; None where there
        is none that is whole."""
        folder = self.root / key
        try:
            index = _index(folder)
            pixels = np.load(folder / _PIXELS, mmap_mode="r")
        except (OSError, ValueError, TypeError, KeyError, EOFError):
            return None
        if pixels.shape != index.shape or pixels.dtype != np.uint8:
            return None
        with suppress(OSError):  # somebody else's, which is as good
            os.utime(folder / _INDEX)
        return pixels, index

    @contextmanager
    def being_made(self, key: str) -> Iterator[Path]:
        """Holds the right to make a map, waiting for it; the value of the block is the folder for
        its chunks, which may have some. Raises `OSError`."""
        self.root.mkdir(parents=True, exist_ok=True)
        with shared_files.locked_beside(self.root / key):
            chunks = self.root / f"{key}{_UNFINISHED}" / "chunks"
            chunks.mkdir(parents=True, exist_ok=True)
            yield chunks

    def is_being_made(self, key: str) -> bool:
        """Says whether somebody makes a map, or did when they were interrupted."""
        return (self.root / f".{key}.lock").exists()

    @contextmanager
    def writing(self, key: str, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
        """Opens the file of a new map's pixels, at the first of them. Raises `OSError`."""
        made = self._made(key)
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        with (made / _PIXELS).open("wb") as file:
            header = np.lib.format.header_data_from_array_1_0(np.zeros((), np.uint8))
            np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
            file.truncate(file.tell() + int(np.prod(shape, dtype=np.int64)))  # which flushes it
            yield file
            file.flush()
            os.fsync(file.fileno())

    def written(self, key: str) -> npt.NDArray[np.uint8]:
        """Returns the pixels of a map that was written and is not yet in its place."""
        pixels: npt.NDArray[np.uint8] = np.load(self._made(key) / _PIXELS, mmap_mode="r")
        return pixels

    def publish(self, key: str, index: MapIndex) -> list[str]:
        """Puts a map whose pixels are written in its place, with its index, and removes the oldest
        ones where there are too many; returns their keys. Raises `OSError`."""
        made, place = self._made(key), self.root / key
        with (made / _INDEX).open("w") as file:
            json.dump({"format": _FORMAT, **asdict(index)}, file)
            file.flush()
            os.fsync(file.fileno())
        for name in (_PIXELS, _INDEX):
            (made / name).chmod(0o444)
        shutil.rmtree(place, ignore_errors=True)  # one that is not whole
        made.rename(place)
        shared_files.fsync(self.root)
        shutil.rmtree(made.parent, ignore_errors=True)
        return self._bounded(key)

    def discard(self, key: str) -> None:
        """Removes what there is of a map that is being made."""
        shutil.rmtree(self._made(key).parent, ignore_errors=True)

    def _made(self, key: str) -> Path:
        return self.root / f"{key}{_UNFINISHED}" / "map"

    def _bounded(self, kept: str) -> list[str]:
        """Removes the maps that were used longest ago, as long as all have too many bytes."""
        found = sorted(_Kept.of(each) for each in self.root.iterdir() if each.is_dir())
        total = sum(each.size for each in found)
        gone = []
        for each in found:
            if total <= self._most_bytes:
                break
            if each.path.name == kept or each.may_be_in_work:
                continue
            shutil.rmtree(each.path, ignore_errors=True)
            total -= each.size
            gone.append(each.path.name)
        return gone


@dataclass(frozen=True, order=True)
class _Kept:
    """Map in the cache: when it was used last, its bytes, and its folder."""

    used_s: float
    size: int
    path: Path

    @classmethod
    def of(cls, path: Path) -> "_Kept":
        used_s, size = 0.0, 0
        for file in path.rglob("*"):
            with suppress(FileNotFoundError):
                status = file.stat()
                used_s, size = max(used_s, status.st_mtime), size + status.st_size
        return cls(used_s, size, path)

    @property
    def may_be_in_work(self) -> bool:
        return self.path.name.endswith(_UNFINISHED) and time.time() - self.used_s < _IN_USE_S


def _index(folder: Path) -> MapIndex:
    content = json.loads((folder / _INDEX).read_text())
    if content["format"] != _FORMAT:
        raise ValueError("a format of another version")
    return MapIndex(
        tuple(content["shape"]),
        tuple(content["classes"]),
        {part: tuple(counts) for part, counts in content["counts"].items()},
        dict(content["checksums"]),
        tuple(content["notes"]),
        tuple(content["unreadable"]),
    )
