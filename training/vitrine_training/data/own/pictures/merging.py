"""Merging of chunks: pictures that were decoded in the order of their files become one map, in the
order of own data: by part, by label, then by SHA-256 of the pixels (`ordered`)."""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import PARTS, Examples, checksum, row_digests
from vitrine_training.data.own.pictures.chunks import (
    ChunkRecord,
    DecodingJob,
    in_colours,
    read_pixels,
)
from vitrine_training.data.own.pictures.decoding import UNREADABLE
from vitrine_training.data.own.pictures.listing import PictureFile, few
from vitrine_training.data.own.pictures.pixel_maps import MapIndex, PixelMaps

_FEW_COLOURS = 0.05
"""Share of pictures in colour below which somebody may have wanted grey ones."""


@dataclass(frozen=True)
class Decoding:
    """Decoding that is complete: the folder of its chunks, the files and the jobs in their order,
    and the record of each job by its number."""

    chunks: Path
    files: Sequence[PictureFile]
    jobs: Sequence[DecodingJob]
    records: Mapping[int, ChunkRecord]

    @property
    def in_colour(self) -> bool:
        """Whether one picture is in colour, or all were to be."""
        return any(len(record.shape) == 4 for record in self.records.values())

    def each(self) -> Iterator[tuple[DecodingJob, ChunkRecord, Sequence[PictureFile]]]:
        """Yields the jobs with their records and files."""
        first = 0
        for job in self.jobs:
            yield job, self.records[job.number], self.files[first : first + len(job.paths)]
            first += len(job.paths)

    def readable(self) -> list[PictureFile]:
        """Returns the files that have pixels."""
        found: list[PictureFile] = []
        for _, record, files in self.each():
            failed = {at for at, _, _ in record.failures}
            found += [file for at, file in enumerate(files) if at not in failed]
        return found

    def unreadable(self) -> tuple[str, ...]:
        """Returns the paths of the files that could not be read, which may change."""
        return tuple(
            files[at].path
            for _, record, files in self.each()
            for at, reason, _ in record.failures
            if reason == UNREADABLE
        )

    def pixels(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields the pixels of the readable files, those of a chunk at a time. Raises `OSError`."""
        in_colour = self.in_colour
        for job in self.jobs:
            pixels = read_pixels(self.chunks, job.number, self.records[job.number])
            yield in_colours(pixels) if in_colour else pixels


def parts_of(parts: Iterable[str]) -> list[str]:
    """Returns the parts that there are, in the order of `PARTS`."""
    return sorted(set(parts), key=PARTS.index)


def classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """Returns the classes that there are: in numeric order where all are numbers, as those of
    arrays are, else by name."""
    every = set(labels)
    if all(re.fullmatch(r"0|[1-9][0-9]{0,8}", label) for label in every):
        return tuple(sorted(every, key=int))
    return tuple(sorted(every))


def merge(decoding: Decoding, maps: PixelMaps, key: str) -> MapIndex:
    """Writes the pixels of a map, and returns its index. Raises `OSError`, and `DataError` where
    no file has pixels."""
    files = decoding.readable()
    notes = _notes(decoding, len(files))
    if not files:
        raise DataError(
            f"No pictures are left of {len(decoding.files):,} files: {'; '.join(notes)}"
        )
    classes, parts = classes_of(file.label for file in files), parts_of(file.part for file in files)
    ids = {label: number for number, label in enumerate(classes)}
    part_ids = {part: number for number, part in enumerate(parts)}
    ranks = np.array([(part_ids[file.part], ids[file.label]) for file in files])
    side = next(iter(decoding.records.values())).shape[1:3]
    shape = (len(files), *side, 3) if decoding.in_colour else (len(files), *side)
    _write(decoding, ranks, shape, maps, key)
    counts = np.zeros((len(parts), len(classes)), np.int64)
    np.add.at(counts, tuple(ranks.T), 1)
    by_part = {part: tuple(map(int, row)) for part, row in zip(parts, counts, strict=True)}
    index = MapIndex(shape, classes, by_part, {}, tuple(notes), decoding.unreadable())
    found = parts_in(maps.written(key), index)
    return replace(index, checksums={part: checksum(each) for part, each in found.items()})


def parts_in(pixels: npt.NDArray[np.uint8], index: MapIndex) -> dict[str, Examples]:
    """Returns the parts of a map."""
    parts, start = {}, 0
    for part, counts in index.counts.items():
        labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        parts[part] = Examples(pixels[start : start + len(labels)], labels)
        start += len(labels)
    return parts


def _write(
    decoding: Decoding,
    ranks: npt.NDArray[np.int64],
    shape: tuple[int, ...],
    maps: PixelMaps,
    key: str,
) -> None:
    """Writes each picture to its row, those of equal `ranks` by their digests; only those of a
    chunk are in memory."""
    digests = np.concatenate([row_digests(pixels) for pixels in decoding.pixels()])
    order = np.lexsort((*digests.T[::-1], *ranks.T[::-1]))  # the last key is the first one
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    row_bytes = int(np.prod(shape[1:]))
    with maps.writing(key, shape) as file:
        start, done = file.tell(), 0
        for pixels in decoding.pixels():
            offsets = start + row_bytes * places[done : done + len(pixels)]
            _write_rows(file.fileno(), pixels, offsets.tolist())
            done += len(pixels)


def _write_rows(descriptor: int, pixels: npt.NDArray[np.uint8], offsets: Sequence[int]) -> None:
    """Writes pictures of a chunk to their places in a file. Raises `OSError`."""
    for picture, offset in zip(pixels, offsets, strict=True):
        if os.pwrite(descriptor, picture.data, offset) < picture.nbytes:  # the last of the room
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _notes(decoding: Decoding, readable: int) -> list[str]:
    """Returns sentences about files without pixels, about classes that have no others, and about
    a few pictures in colour."""
    failed: dict[str, list[tuple[str, str]]] = {}
    colours, coloured = 0, list[str]()
    for _, record, files in decoding.each():
        for at, reason, message in record.failures:
            failed.setdefault(reason, []).append((files[at].path, message))
        colours += record.colours
        coloured += [files[at].path for at in record.coloured]
    notes = [_left_out(reason, names) for reason, names in failed.items()]
    left = {file.label for file in decoding.readable()}
    if gone := sorted({file.label for file in decoding.files} - left):
        notes.append(
            f"left out, classes without a picture that is read: {len(gone):,} ({few(gone)})"
        )
    if 0 < colours < _FEW_COLOURS * readable:
        notes.append(
            f"{colours:,} of {readable:,} pictures have colours ({few(coloured)}), so all are in "
            "colour"
        )
    return notes


def _left_out(reason: str, found: list[tuple[str, str]]) -> str:
    told = [f"{path}: {_short(message)}" for path, message in found]
    return f"left out, {reason}: {len(found):,} ({few(told)})"


def _short(message: str) -> str:
    """Returns a message without its advice, which is for somebody who sends a picture."""
    return re.split(r"; |: ", message, maxsplit=1)[0].rstrip(".")
