"""Decoding processes: they turn chunks of picture files into pixels, on all processors.

One that is ended, by the system or by a file that a decoder stumbles over, is replaced; a file at
which that happens twice is left out.
"""

import multiprocessing
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vitrine_client.process import processors, signals
from vitrine_client.process.visible import visible
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.pictures.chunks import (
    ChunkRecord,
    DecodingJob,
    decode_chunk,
    write_chunk,
)
from vitrine_training.data.own.pictures.decoding import Fitting

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

MOST_PROCESSES = 8
"""Each takes 60 MB, and up to 150 MB more for the largest pictures."""

FEW_FILES = 64
"""So few are decoded sooner than a process has started."""

_POLL_S = 0.2
_MOST_ENDED = 20
_NOT_BEGUN = -1
_GONE = (EOFError, OSError)


class Decoded(NamedTuple):
    """News of a decoding: a chunk that is done, with its record, if one is; and how many files are
    being worked on and done in those that are not."""

    job: DecodingJob | None
    record: ChunkRecord | None
    under_way: int


class Paths(NamedTuple):
    """Folder that pictures are in, and the one that chunks are written to."""

    pictures: str
    chunks: Path


def default_processes() -> int:
    """Returns how many processes there are by default: one for each processor, within bounds."""
    return max(1, min(processors.usable(), MOST_PROCESSES))


def decode_jobs(
    jobs: Sequence[DecodingJob], paths: Paths, fitting: Fitting, processes: int
) -> Iterator[Decoded]:
    """Decodes chunks and writes them; yields news a few times a second.

    Raises `OSError` where a chunk cannot be written, `DataError` where processes end again and
    again.
    """
    if sum(len(job.paths) for job in jobs) <= FEW_FILES:
        for job in jobs:
            with warnings.catch_warnings(action="ignore"):
                pixels, record = decode_chunk(paths.pictures, job, fitting, [0])
            write_chunk(paths.chunks, job.number, pixels, record)
            yield Decoded(job, record, 0)
        return
    with _Pool(paths, fitting, min(processes, len(jobs))) as pool:
        yield from pool.run(jobs)


def work(paths: Paths, fitting: Fitting, place: Any, pipe: Connection) -> None:
    """Decodes the chunks that come through a pipe, until it is closed."""
    warnings.simplefilter("ignore")  # decoders warn of files that they do read
    with suppress(*_GONE):
        while True:
            job: DecodingJob = pipe.recv()
            try:
                pixels, record = decode_chunk(paths.pictures, job, fitting, place)
                write_chunk(paths.chunks, job.number, pixels, record)
            except OSError as error:
                pipe.send(error)
            else:
                pipe.send(record)


class _Worker:
    """Process with the chunk that it works on; `place[0]` is its file there."""

    def __init__(self, paths: Paths, fitting: Fitting) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.place = context.RawArray("q", 1)
        self.job: DecodingJob | None = None
        self.process: SpawnProcess = context.Process(
            target=work, args=(paths, fitting, self.place, theirs), daemon=True
        )
        # The first start of a process starts this as well, and that unblocks SIGINT and SIGTERM.
        resource_tracker.ensure_running()
        with signals.blocked():  # a terminal signals all of its processes; this one hears it
            self.process.start()
        theirs.close()

    def give(self, job: DecodingJob) -> None:
        """Gives it a chunk to work on."""
        self.place[0] = _NOT_BEGUN
        self.job = job
        with suppress(*_GONE):  # which is seen when it is waited for
            self.pipe.send(job)

    def end(self) -> None:
        """Ends it on the spot."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Pool:
    """Pool of decoding processes, all of which are gone at the end of its block."""

    def __init__(self, paths: Paths, fitting: Fitting, count: int) -> None:
        self._paths, self._fitting, self._count = paths, fitting, count
        self._workers: list[_Worker] = []
        self._ended: list[tuple[int, int]] = []

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        with signals.blocked():
            for worker in self._workers:
                worker.end()

    def run(self, jobs: Sequence[DecodingJob]) -> Iterator[Decoded]:
        """Yields news until all chunks are done."""
        waiting = list(reversed(jobs))
        for _ in range(self._count):
            self._start(waiting)
        while self._workers:
            ready = wait([worker.pipe for worker in self._workers], _POLL_S)
            for worker in [each for each in self._workers if each.pipe in ready]:
                done = worker.job
                record = self._received(worker, waiting)
                if record is not None:
                    yield Decoded(done, record, self._under_way())
            yield Decoded(None, None, self._under_way())

    def _under_way(self) -> int:
        return sum(max(0, worker.place[0]) for worker in self._workers if worker.job)

    def _start(self, waiting: list[DecodingJob]) -> None:
        worker = _Worker(self._paths, self._fitting)
        self._workers.append(worker)
        worker.give(waiting.pop())

    def _received(self, worker: _Worker, waiting: list[DecodingJob]) -> ChunkRecord | None:
        """Returns the record of a chunk that is done, and gives the process the next one; None
        where the process has ended, and another one takes its place."""
        try:
            news = worker.pipe.recv()
        except _GONE:
            self._replace(worker, waiting)
            return None
        if isinstance(news, OSError):
            raise news
        if waiting:
            worker.give(waiting.pop())
        else:
            self._workers.remove(worker)
            worker.end()
        record: ChunkRecord = news
        return record

    def _replace(self, worker: _Worker, waiting: list[DecodingJob]) -> None:
        """Starts another process in place of one that has ended, with the same chunk. The file that
        it was at is left out where it was the second one."""
        self._workers.remove(worker)
        worker.end()
        job = worker.job
        assert job is not None  # noqa: S101  each has one as long as it is here
        at = job.number, worker.place[0]
        if at in self._ended and at[1] != _NOT_BEGUN:
            job = replace(job, skipped=job.skipped | {at[1]})
        self._ended.append(at)
        if len(self._ended) > _MOST_ENDED:
            code = worker.process.exitcode
            raise DataError(
                f"Decoding processes ended {len(self._ended)} times (exit code {code}), last at "
                f"{visible(job.paths[max(0, at[1])])}: is there enough memory?"
            )
        waiting.append(job)
        self._start(waiting)
