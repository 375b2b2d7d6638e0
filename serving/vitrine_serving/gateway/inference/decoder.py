"""Decoding: pictures to instances, without holding up others: all but the smallest in threads."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage
from vitrine_client.images import SIDE, Item, find_item
from vitrine_serving.gateway.settings_part import Count, SettingsPart

Instances = npt.NDArray[np.uint8]
T = TypeVar("T")

_ROW_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * SIDE.to_bytes(4)
"""First bytes of a PNG that is a row of the data set, or as large: its item is found in 30 us,
where in others that takes milliseconds."""

_SMALL_BYTES = 4096  # more than such a PNG has, unless it is full of something else
_THREADS = 2
"""Other pictures that are decoded at a time: at `max_pixels` each can take 200 MB."""

_BATCH_OF_ROWS = 16  # that are decoded before others have their turn


class PictureSettings(SettingsPart):
    """Limits of pictures."""

    max_images: Count = 256
    """Most images in one request; more is refused with 413."""
    max_pixels: Count = 50_000_000
    """Most pixels in one image, checked before decoding it."""


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
    """Used in one event loop; `max_pixels` is the most that a picture may have."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(_THREADS, "decode")

    async def decode(
        self,
        pictures: Sequence[bytes],
        box: Sequence[float] | None = None,
        *,
        all_or_none: bool = False,
    ) -> Shown:
        """Decodes pictures, or what lies in `box` (x, y, width, height) of each.

        Raises `InvalidImage` where none can be read, or, with `all_or_none`, for the first that
        cannot; `InvalidRequest` where one has no such box.
        """
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        found: list[Found] = []
        for index, picture in enumerate(pictures):
            if len(picture) < _SMALL_BYTES and picture.startswith(_ROW_PNG):
                if index % _BATCH_OF_ROWS == _BATCH_OF_ROWS - 1:
                    await asyncio.sleep(0)
                found.append(self._find(picture, box))
            else:
                found.append(await loop.run_in_executor(self._threads, self._find, picture, box))
        rows = [each.instance for each in found if isinstance(each, Item)]
        if len(rows) < len(found):
            _check_readable(found, all_or_none=all_or_none)
        stacked = rows[0][np.newaxis] if len(rows) == 1 else _stacked(rows)
        return Shown(stacked, found, time.monotonic() - started)

    def _find(self, picture: bytes, box: Sequence[float] | None) -> Found:
        try:
            item = find_item(picture, max_pixels=self._max_pixels, box=box)
        except InvalidImage as error:
            return error
        return Empty(item.warnings) if item.empty else item


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


def _stacked(rows: Sequence[Instances]) -> Instances:
    """Returns uint8 [n, 28, 28]."""
    return np.stack(rows) if rows else np.empty((0, SIDE, SIDE), np.uint8)
