"""Decoder of pictures to instances: rows of the data set at once, all others in processes."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from vitrine_client.errors import InvalidImage
from vitrine_client.images import MAX_PIXELS, SIDE, Item, find_item, find_rows
from vitrine_client.images.files import check_header
from vitrine_serving.gateway.inference.decoding.finding import Box, find_job, found
from vitrine_serving.gateway.inference.decoding.jobs import Head
from vitrine_serving.gateway.inference.decoding.load import work_of
from vitrine_serving.gateway.inference.decoding.queue import AdmittedJobs, DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import JobRefused
from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart

Instances = npt.NDArray[np.uint8]
T = TypeVar("T")

_ROW_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * SIDE.to_bytes(4)
"""First bytes of a PNG that is a row of the data set, or as large: its item is found in 10 us,
where in others that takes milliseconds."""

_SMALL_BYTES = 4096  # more than such a PNG has, unless it is full of something else
_NO_ROWS: Instances = np.empty((0, SIDE, SIDE), np.uint8)
_BATCH_OF_ROWS = 16  # that are decoded before others have their turn


class PictureSettings(SettingsPart):
    """Limits of pictures."""

    max_images: Count = 256
    """Most images in one request; more is refused with 413."""
    max_pixels: int = Field(MAX_PIXELS, ge=1, le=MAX_PIXELS)
    """Most pixels in one image, checked before decoding it; most kinds have a lower limit of their
    own, and none a higher one."""
    decoding_processes: int = Field(2, ge=1, le=64)
    """Processes that decode pictures for all workers, up to 150 MB each."""
    decode_timeout_s: Seconds = 5.0
    """Seconds that decoding a picture may take; then it is refused."""


class Empty(NamedTuple):
    """A picture that shows nothing: it gets no class, and no model is asked about it."""

    warnings: tuple[str, ...]


Found = Item | Empty | InvalidImage
"""A picture's item, that there is none, or why the picture cannot be read."""


class Shown(NamedTuple):
    """Rows that a request shows to models.

    `rows` are its instances, uint8 [m, 28, 28]: those of an array, and then nothing is `found`, or
    of the pictures that have an item. `found` is what each picture became, in order, and took
    `decode_s`.
    """

    rows: Instances
    found: Sequence[Found] = ()
    decode_s: float = 0.0

    def answered(self, answers: Sequence[T]) -> Sequence[T | Empty | InvalidImage]:
        """Returns for each picture, or row of an array, its answer, or why it has none; `answers`
        are those to `rows`."""
        if not self.found or len(answers) == len(self.found):
            return answers
        rest = iter(answers)
        return [next(rest) if isinstance(each, Item) else each for each in self.found]


class Decoder:
    """Decoder of one process, used in its event loop; `max_pixels` is the most that a picture may
    have."""

    def __init__(self, max_pixels: int, queue: DecodingQueue) -> None:
        self._max_pixels = max_pixels
        self._queue = queue

    async def decode(
        self,
        pictures: list[bytes],
        deadline: float,
        box: Box = None,
        *,
        all_or_none: bool = False,
    ) -> Shown:
        """Decodes pictures, or what lies in `box` (x, y, width, height) of each, until `deadline`
        in seconds of `time.monotonic`. `pictures` is emptied, as memory is short.

        Raises `InvalidImage` where none can be read, or, with `all_or_none`, for the first that
        cannot; `InvalidRequest` where one has no such box; `TooLate` where more is waiting than can
        be done in time, and `DeadlineExceeded`.
        """
        started = time.monotonic()
        if len(pictures) == 1 and _is_row(pictures[0]):  # the most common one
            item = find_item(pictures.pop(), max_pixels=self._max_pixels, box=box)
            rows = _NO_ROWS if item.empty else item.instance[np.newaxis]
            return Shown(rows, [_seen(item)], time.monotonic() - started)
        results: list[Found]
        if all(map(_is_row, pictures)):
            results = await self._rows(pictures, box)
        else:
            results = await self._admitted(pictures, deadline, box)
        pictures.clear()
        instances = [each.instance for each in results if isinstance(each, Item)]
        if len(instances) < len(results):
            _check_readable(results, all_or_none=all_or_none)
        rows = np.stack(instances) if instances else _NO_ROWS
        return Shown(rows, results, time.monotonic() - started)

    async def _rows(self, pictures: list[bytes], box: Box) -> list[Found]:
        results: list[Found] = []
        for start in range(0, len(pictures), _BATCH_OF_ROWS):
            if start:
                await asyncio.sleep(0)
            files = pictures[start : start + _BATCH_OF_ROWS]
            items = None if box else find_rows(files, max_pixels=self._max_pixels)
            results += items or [self._row(picture, box) for picture in files]
        return results

    def _row(self, picture: bytes, box: Box) -> Found:
        try:
            return _seen(find_item(picture, max_pixels=self._max_pixels, box=box))
        except InvalidImage as error:
            return error

    async def _admitted(self, pictures: list[bytes], deadline: float, box: Box) -> list[Found]:
        """Those that are too large by their headers have no part in it."""
        job = find_job(box, self._max_pixels)
        refused = [_too_large(picture, self._max_pixels) for picture in pictures]
        small = [picture for picture, error in zip(pictures, refused, strict=True) if not error]
        pictures.clear()
        with self._queue.admitted([*map(work_of, small)], deadline) as jobs:
            small.reverse()
            return [error or await _one(jobs, job, [small.pop()]) for error in refused]


async def _one(jobs: AdmittedJobs, job: Head, file: list[bytes]) -> Found:
    try:
        answered = await jobs.run(job, file)
    except InvalidImage as error:
        return error
    except JobRefused as refused:
        return InvalidImage(*refused.args)
    return _seen(found(answered.head, answered.content))


def _too_large(picture: bytes, max_pixels: int) -> InvalidImage | None:
    try:
        check_header(picture, max_pixels)
    except InvalidImage as error:
        return error
    return None


def _seen(item: Item) -> Found:
    return Empty(item.warnings) if item.empty else item


def _is_row(picture: bytes) -> bool:
    return len(picture) < _SMALL_BYTES and picture.startswith(_ROW_PNG)


def _check_readable(found: Sequence[Found], *, all_or_none: bool) -> None:
    """Raises `InvalidImage` as `Decoder.decode` does; of several pictures it may say which."""
    unread = {index: each for index, each in enumerate(found) if isinstance(each, InvalidImage)}
    if not unread:
        return
    index, first = next(iter(unread.items()))
    if all_or_none and len(found) > 1:
        raise InvalidImage(f"image {index}: {first}")
    if all_or_none or len(unread) == len(found):
        raise first
