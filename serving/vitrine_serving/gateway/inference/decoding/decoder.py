"""Decoder of pictures to instances: rows of the data set at once, all others in processes."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from vitrine_client.errors import InvalidImage, PayloadTooLarge
from vitrine_client.images import MAX_PIXELS, SIDE, Item, find_item, find_rows
from vitrine_client.images.files import check_header
from vitrine_client.images.preprocessing import most_numbers
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_serving.gateway.inference.decoding.finding import Box, find_job, found
from vitrine_serving.gateway.inference.decoding.jobs import Head
from vitrine_serving.gateway.inference.decoding.load import work_of
from vitrine_serving.gateway.inference.decoding.queue import AdmittedJobs, DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import JobRefused
from vitrine_serving.gateway.settings_part import Count, Seconds, SettingsPart

Instances = npt.NDArray[np.uint8]
Rows = npt.NDArray[Any] | Sequence[npt.NDArray[Any]]
T = TypeVar("T")

_ROW_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * SIDE.to_bytes(4)
"""First bytes of a PNG that is a row of the data set, or as large: its item is found in 10 us,
where in others that takes milliseconds."""

MOST_LEVELS = 40_000_000
"""Numbers of all pictures of a request, 160 MB as float32: as many as 256 of 224x224 in colour."""

_QUICK_BYTES = 2**20
"""Of rows: to copy more takes milliseconds, which others should not have to wait for."""

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

    `rows` are its instances as the `profile` has them, [m, h, w] or [m, h, w, c], of our own
    classifiers uint8 [m, 28, 28], or encoded pictures [m]; where sizes are free they are a list.
    They are those of an array, and then nothing is `found`, or of the pictures that have an item.
    `found` is what each picture became, in order, and took `decode_s`.
    """

    rows: Rows
    found: Sequence[Found] = ()
    decode_s: float = 0.0
    profile: ModelProfile = FASHION_MNIST

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
        profile: ModelProfile = FASHION_MNIST,
        *,
        all_or_none: bool = False,
        most_levels: int = MOST_LEVELS,
    ) -> Shown:
        """Decodes pictures, or what lies in `box` (x, y, width, height) of each, for models of a
        profile, until `deadline` in seconds of `time.monotonic`. `pictures` is emptied, as memory
        is short.

        Raises `PayloadTooLarge` for so many that they might have more than `most_levels`;
        `InvalidImage` where none can be read, or, with `all_or_none`, for the first that cannot;
        `InvalidRequest` where one has no such box; `TooLate` where more is waiting than can be done
        in time, and `DeadlineExceeded`.
        """
        started = time.monotonic()
        is_ours = profile is FASHION_MNIST
        if is_ours and len(pictures) == 1 and _is_row(pictures[0]):  # the most common one
            item = find_item(pictures.pop(), max_pixels=self._max_pixels, box=box)
            shown = _NO_ROWS if item.empty else item.instance[np.newaxis]
            return Shown(shown, [_seen(item)], time.monotonic() - started)
        results: list[Found]
        rows: Rows = _NO_ROWS
        if is_ours and all(map(_is_row, pictures)):
            results = await self._rows(pictures, box)
        else:
            _check_size(len(pictures), profile, most_levels)
            results = await self._admitted(pictures, deadline, box, profile)
        pictures.clear()
        instances = [each.instance for each in results if isinstance(each, Item)]
        if len(instances) < len(results):
            _check_readable(results, all_or_none=all_or_none)
        if instances:
            is_one = profile.has_fixed_size or profile.dtype == "string"
            rows = await _stacked(instances) if is_one else instances
        return Shown(rows, results, time.monotonic() - started, profile)

    async def _rows(self, pictures: list[bytes], box: Box) -> list[Found]:
        results: list[Found] = []
        for start in range(0, len(pictures), _BATCH_OF_ROWS):
            if start:
                await asyncio.sleep(0)
            files = pictures[start : start + _BATCH_OF_ROWS]
            items = None if box else find_rows(files, max_pixels=self._max_pixels)
            results += items if items else [self._row(picture, box) for picture in files]
        return results

    def _row(self, picture: bytes, box: Box) -> Found:
        try:
            return _seen(find_item(picture, max_pixels=self._max_pixels, box=box))
        except InvalidImage as error:
            return error

    async def _admitted(
        self, pictures: list[bytes], deadline: float, box: Box, profile: ModelProfile
    ) -> list[Found]:
        """Those that are too large by their headers have no part in it."""
        job = find_job(box, self._max_pixels, profile)
        refused = [_too_large(picture, self._max_pixels) for picture in pictures]
        small = [picture for picture, error in zip(pictures, refused, strict=True) if not error]
        pictures.clear()
        with self._queue.admitted([*map(work_of, small)], deadline) as jobs:
            small.reverse()
            return [error or await _one(jobs, job, [small.pop()]) for error in refused]


async def _stacked(instances: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if sum(each.nbytes for each in instances) <= _QUICK_BYTES:
        return np.stack(instances)
    return await asyncio.to_thread(np.stack, instances)


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


def _check_size(count: int, profile: ModelProfile, most_levels: int) -> None:
    most = max(1, most_levels // most_numbers(profile))
    if count > most:
        raise PayloadTooLarge(
            f"{count} pictures of the size that this model takes are more than {most} at once; "
            "send them in several requests"
        )


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
