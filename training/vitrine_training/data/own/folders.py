"""Folders of pictures: `class-name/*.jpg`, or train/, val/ and test/ of those, as own data.

Every file is decoded before anything is trained, once: the pixels are kept as a memory map in the
cache, by the path, the size and the time of each file and by how pictures are fitted.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from vitrine_client.process.visible import visible
from vitrine_client.results.profiles.profile import FITS, MOST_SIDE, RESIZES
from vitrine_training.data.fashion_mnist import SIDE, default_cache
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.checks import checked
from vitrine_training.data.own.examples import Examples, OwnData
from vitrine_training.data.own.pictures.chunks import ChunkRecord, DecodingJob, jobs_of, read_record
from vitrine_training.data.own.pictures.decoding import RESIZE, Fitting
from vitrine_training.data.own.pictures.listing import PictureFile, list_pictures
from vitrine_training.data.own.pictures.merging import (
    Decoding,
    classes_of,
    merge,
    parts_in,
    parts_of,
)
from vitrine_training.data.own.pictures.pixel_maps import MapIndex, PixelMaps
from vitrine_training.data.own.pictures.processes import Paths, decode_jobs, default_processes

_VERSION = 1
"""Of the way from files to pixels; another one makes all maps anew."""

_HASHED_FILES = 10_000
"""Files whose names are hashed at a time."""

_SAY_EVERY_S = 10.0

Say = Callable[[str], None]
OnProgress = Callable[[int, int], None]
"""Is told how many of how many pictures are decoded."""


def read_folder(
    path: Path,
    *,
    size: int = SIDE,
    fit: str = "pad",
    resize: str = RESIZE,
    grey: bool | None = None,
    cache: Path | None = None,
    say: Say = lambda _: None,
    on_progress: OnProgress = lambda _done, _count: None,
    processes: int | None = None,
) -> OwnData:
    """Returns the pictures of a folder, `size` high and wide, made so by a profile's `fit` and
    `resize`, as serving does it.

    They are grey where all pictures are, unless `grey` says it. `cache` is a folder for memory maps
    of their pixels, `processes` how many decode them. Raises `DataError`, for a folder whose
    classes are too few or too many before anything is decoded.
    """
    fitting = _fitting(size, fit, resize, grey)
    files, omissions = list_pictures(path)
    source = f"the folder {visible(str(path))}"
    _check_listed(files, source)
    maps = PixelMaps(cache or default_cache().parent / "own")
    reading = _Reading(path.resolve(), files, fitting, maps, _Progress(say, on_progress))
    try:
        pixels, index = reading.map(processes or default_processes())
    except OSError as error:
        raise DataError(
            f"The decoded pictures cannot be kept in {visible(str(maps.root))}: "
            f"{error.strerror or error}; make room there, or name another place with "
            "VITRINE_CACHE_DIR"
        ) from error
    notes = (*omissions.notes(), *index.notes)
    return OwnData(index.classes, parts_in(pixels, index), notes, index.checksums, source)


def _fitting(size: int, fit: str, resize: str, grey: bool | None) -> Fitting:
    if not 1 <= size <= MOST_SIDE:
        raise DataError(f"Pictures are 1 to {MOST_SIDE:,} pixels high and wide, not {size:,}")
    for name, value, known in (("fit", fit, FITS), ("resize", resize, RESIZES)):
        if value not in known:
            raise DataError(f"{value!r} is no {name}: there are {', '.join(known)}")
    if fit == "item" and (size != SIDE or grey is False):
        raise DataError(
            f"Items are found as grey pictures of {SIDE}x{SIDE}: with the fit item leave out "
            "the size and the colours"
        )
    return Fitting(size, fit, resize, True if fit == "item" else grey)


def _check_listed(files: Sequence[PictureFile], source: str) -> None:
    """Raises `DataError` where files are too few, or of too few or too many classes, before they
    are decoded."""
    classes = classes_of(file.label for file in files)
    ids = {label: number for number, label in enumerate(classes)}
    parts = {}
    for part in parts_of(file.part for file in files):
        labels = np.array([ids[file.label] for file in files if file.part == part], np.int64)
        parts[part] = Examples(np.zeros((len(labels), 1, 1), np.uint8), labels)
    checked(OwnData(classes, parts, (), {}, source))


def _key(folder: Path, files: Sequence[PictureFile], fitting: Fitting) -> str:
    """Returns the key of a folder's map: another file, size or time of one, other fitting, or
    another decoder give another one."""
    found = hashlib.sha256()
    head = [_VERSION, PIL.__version__, str(folder), *astuple(fitting)]
    found.update(json.dumps(head).encode())
    for first in range(0, len(files), _HASHED_FILES):
        words = map(str, chain.from_iterable(files[first : first + _HASHED_FILES]))
        found.update("\0".join((*words, "")).encode(errors="surrogateescape"))
    return found.hexdigest()[:32]


class _Reading:
    """Reading of a folder's pictures: from the map of their pixels, or by decoding them."""

    def __init__(
        self,
        folder: Path,
        files: Sequence[PictureFile],
        fitting: Fitting,
        maps: PixelMaps,
        progress: "_Progress",
    ) -> None:
        self._folder, self._files, self._fitting = folder, files, fitting
        self._maps, self._progress = maps, progress
        self._key = _key(folder, files, fitting)

    def map(self, processes: int) -> tuple[npt.NDArray[np.uint8], MapIndex]:
        """Returns the pixels and the index of the folder's map, which is made where there is none.
        Raises `OSError` and `DataError`."""
        if found := self._current():
            return found
        if self._maps.is_being_made(self._key):
            self._progress.say("Waiting for another process, if one decodes the same pictures")
        with self._maps.being_made(self._key) as chunks:
            if found := self._current():
                return found
            jobs = list(jobs_of(self._files, self._fitting.size))
            records = self._decoded(jobs, chunks, processes)
            decoding = Decoding(chunks, self._files, jobs, records)
            try:
                index = merge(decoding, self._maps, self._key)
            except DataError:  # nobody goes on from there
                self._maps.discard(self._key)
                raise
            if self._maps.publish(self._key, index):
                self._progress.say("Removed pixels of other folders from the cache, as it was full")
            found = self._maps.find(self._key)
        if found is None:
            raise DataError(f"{visible(str(self._maps.root))} was changed meanwhile: try again")
        return found

    def _current(self) -> tuple[npt.NDArray[np.uint8], MapIndex] | None:
        """Returns the folder's map, None where there is none, or files that could not be read then
        can be read now."""
        found = self._maps.find(self._key)
        if found and any(os.access(self._folder / path, os.R_OK) for path in found[1].unreadable):
            return None
        return found

    def _decoded(
        self, jobs: Sequence[DecodingJob], chunks: Path, processes: int
    ) -> dict[int, ChunkRecord]:
        """Decodes the chunks that are not there yet; returns the records of all."""
        records = {job.number: record for job in jobs if (record := read_record(chunks, job))}
        missing = [job for job in jobs if job.number not in records]
        done = sum(record.files for record in records.values())
        self._progress.begin(done, len(self._files))
        paths = Paths(str(self._folder), chunks)
        for news in decode_jobs(missing, paths, self._fitting, processes):
            if news.job and news.record:
                records[news.job.number] = news.record
                done += news.record.files
            self._progress.tell(done + news.under_way)
        return records


class _Progress:
    """Progress of a decoding, for a bar at each news and in words every ten seconds."""

    def __init__(self, say: Say, on_progress: OnProgress) -> None:
        self.say, self._on_progress = say, on_progress

    def begin(self, done: int, count: int) -> None:
        """Says how many pictures there are."""
        kept = f"; {done:,} are there from a decoding that was interrupted" if done else ""
        self.say(f"Decoding {count - done:,} pictures{kept}")
        self._kept, self._count = done, count
        self._started_s = self._said_s = time.monotonic()

    def tell(self, done: int) -> None:
        """Says how many are done."""
        self._on_progress(done, self._count)
        now_s = time.monotonic()
        if now_s - self._said_s < _SAY_EVERY_S or done >= self._count or done <= self._kept:
            return
        self._said_s = now_s
        rate = (done - self._kept) / (now_s - self._started_s)
        left_s = (self._count - done) / rate
        self.say(
            f"  {done:,} of {self._count:,} pictures, {rate:,.0f} a second, {left_s:,.0f} s left"
        )
