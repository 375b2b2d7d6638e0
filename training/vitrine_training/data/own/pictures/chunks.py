"""Chunks of decoded pictures: files that are whole or count for nothing, so that an interrupted
decoding goes on where it was.

A chunk is two files: pixels, and a record that is written after them and has their checksum.
"""

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vitrine_training.data.own.pictures.decoding import (
    ENDED,
    Fitting,
    Pixels,
    Undecodable,
    decode,
)
from vitrine_training.data.own.pictures.listing import PictureFile

MOST_FILES, MOST_BYTES = 512, 16 << 20
"""Of a chunk: files, and bytes of them, and of their pixels."""


@dataclass(frozen=True)
class DecodingJob:
    """Chunk that is to be decoded: its number, the paths of its files below the folder, and the
    places of those that are not tried again, as the decoder ended at them."""

    number: int
    paths: tuple[str, ...]
    skipped: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ChunkRecord:
    """Record of a chunk: the shape and the CRC-32 of its pixels, how many files it is of, and the
    place, the reason and the message of each that has no pixels. `coloured` are the places of the
    first pictures that have colours, and `colours` says how many have."""

    shape: tuple[int, ...]
    crc: int
    files: int
    failures: tuple[tuple[int, str, str], ...]
    coloured: tuple[int, ...]
    colours: int


def jobs_of(files: Sequence[PictureFile], side: int) -> Iterator[DecodingJob]:
    """Yields the chunks of all files, in their order; pixels are at most `side` high and wide."""
    most = min(MOST_FILES, max(1, MOST_BYTES // (3 * side * side)))
    paths: list[str] = []
    number, size = 0, 0
    for file in files:
        if paths and (len(paths) >= most or size + file.size > MOST_BYTES):
            yield DecodingJob(number, tuple(paths))
            paths, number, size = [], number + 1, 0
        paths.append(file.path)
        size += file.size
    if paths:
        yield DecodingJob(number, tuple(paths))


def decode_chunk(
    folder: str, job: DecodingJob, fitting: Fitting, place: "Pixels | list[int] | np.ndarray"
) -> tuple[Pixels, ChunkRecord]:
    """Returns the pixels of a chunk's files, uint8 [n, h, w] where all are grey, else [n, h, w, 3],
    and its record; `place[0]` is that of the file which is being read."""
    found: list[Pixels] = []
    failures, coloured = [], []
    for at, path in enumerate(job.paths):
        place[0] = at
        if at in job.skipped:
            failures.append((at, ENDED, "the process that read it was killed"))
            continue
        try:
            pixels = decode(f"{folder}{os.sep}{path}", fitting)
        except Undecodable as error:
            failures.append((at, error.reason, str(error)))
            continue
        found.append(pixels)
        if pixels.ndim == 3:
            coloured.append(at)
    pixels = _stacked(found, fitting, in_colour=bool(coloured) or fitting.grey is False)
    crc = zlib.crc32(pixels.data)
    return pixels, ChunkRecord(
        pixels.shape, crc, len(job.paths), tuple(failures), tuple(coloured[:3]), len(coloured)
    )


def in_colours(pixels: Pixels) -> Pixels:
    """Returns grey pictures, [n, h, w], with three equal channels; those in colour as they are."""
    return pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=3)


def write_chunk(where: Path, number: int, pixels: Pixels, record: ChunkRecord) -> None:
    """Writes a chunk. Raises `OSError`, and then leaves nothing of it."""
    file, told = _files(where, number)
    try:
        file.write_bytes(pixels.data)
        told.write_text(json.dumps(asdict(record)))
    except BaseException:
        for each in (told, file):
            each.unlink(missing_ok=True)
        raise


def read_record(where: Path, job: DecodingJob) -> ChunkRecord | None:
    """Returns the record of a chunk that is whole, else None: pixels are checked."""
    file, told = _files(where, job.number)
    try:
        content = json.loads(told.read_text())
        record = ChunkRecord(
            tuple(content["shape"]),
            content["crc"],
            content["files"],
            tuple((at, reason, message) for at, reason, message in content["failures"]),
            tuple(content["coloured"]),
            content["colours"],
        )
        if record.files != len(job.paths) or zlib.crc32(file.read_bytes()) != record.crc:
            return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record


def read_pixels(where: Path, number: int, record: ChunkRecord) -> Pixels:
    """Returns the pixels of a chunk. Raises `OSError`."""
    file, _ = _files(where, number)
    return np.frombuffer(file.read_bytes(), np.uint8).reshape(record.shape)


def _files(where: Path, number: int) -> tuple[Path, Path]:
    return where / f"{number:06}.pixels", where / f"{number:06}.json"


def _stacked(found: list[Pixels], fitting: Fitting, *, in_colour: bool) -> Pixels:
    side = (fitting.size, fitting.size)
    if not in_colour:
        return np.concatenate(found or [np.zeros((0, *side), np.uint8)]).reshape(-1, *side)
    every = np.empty((len(found), *side, 3), np.uint8)
    for row, pixels in zip(every, found, strict=True):
        row[:] = pixels if pixels.ndim == 3 else pixels[..., None]
    return every
