"""Decoding: pictures to instances, without holding up others: large ones in threads."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage
from vitrine_client.images import SIDE, Item, find_item

Instances = npt.NDArray[np.uint8]
T = TypeVar("T")

_SMALL_BYTES = 4096  # decoded in well under a millisecond
_THREADS = 2
"""Large pictures that are decoded at a time: at `max_pixels` each can take 200 MB."""

_BATCH_OF_SMALL = 16  # pictures that are decoded before others have their turn


class Empty(NamedTuple):
    """A picture that shows nothing: it gets no class, and no model is asked about it."""

    warnings: tuple[str, ...]


Found = Item | Empty | InvalidImage
"""A picture's item, that there is none, or why the picture cannot be read."""


class Shown(NamedTuple):
    """What a request shows to models.

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

    async def decode(self, pictures: Sequence[bytes], box: Sequence[float] | None = None) -> Shown:
        """Decodes pictures, or what lies in `box` (x, y, width, height) of each. Raises
        `InvalidImage` where none can be read, `InvalidRequest` where one has no such box."""
        shown = await self._decode(pictures, box)
        unread = [each for each in shown.found if isinstance(each, InvalidImage)]
        if len(unread) == len(pictures):
            raise unread[0]
        return shown

    async def decode_all(
        self, pictures: Sequence[bytes], box: Sequence[float] | None = None
    ) -> Shown:
        """Does so, and raises `InvalidImage` for the first picture that cannot be read; of several
        it says which."""
        shown = await self._decode(pictures, box)
        for index, each in enumerate(shown.found):
            if isinstance(each, InvalidImage):
                raise InvalidImage(f"image {index}: {each}") if len(pictures) > 1 else each
        return shown

    async def _decode(self, pictures: Sequence[bytes], box: Sequence[float] | None) -> Shown:
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        found: list[Found] = []
        for index, picture in enumerate(pictures):
            if len(picture) < _SMALL_BYTES:
                if index % _BATCH_OF_SMALL == _BATCH_OF_SMALL - 1:
                    await asyncio.sleep(0)
                found.append(self._find(picture, box))
            else:
                found.append(await loop.run_in_executor(self._threads, self._find, picture, box))
        rows = [each.instance for each in found if isinstance(each, Item)]
        return Shown(_stacked(rows), found, time.monotonic() - started)

    def _find(self, picture: bytes, box: Sequence[float] | None) -> Found:
        try:
            item = find_item(picture, max_pixels=self._max_pixels, box=box)
        except InvalidImage as error:
            return error
        return Empty(item.warnings) if item.empty else item


def _stacked(rows: Sequence[Instances]) -> Instances:
    """Returns uint8 [n, 28, 28]; of a single row without a copy."""
    if len(rows) == 1:
        return rows[0][np.newaxis]
    return np.stack(rows) if rows else np.empty((0, SIDE, SIDE), np.uint8)
