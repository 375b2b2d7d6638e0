"""Item finders: in decoding processes, or in a thread where no master has started any.

Either is given a list that holds the file, which it empties as soon as it can: a file of 32 MB is
in memory once then.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Protocol

from vitrine_client.errors import DeadlineExceeded, InvalidImage
from vitrine_client.images import Item, find_item
from vitrine_serving.gateway.inference.decoding import jobs
from vitrine_serving.gateway.inference.decoding.connections import Connections, ProcessEnded
from vitrine_serving.gateway.inference.decoding.processes import DecodingProcesses

Box = Sequence[float] | None


class FoundItem(NamedTuple):
    """Item of a picture, and how long it was worked on."""

    item: Item
    took_s: float


class ItemFinder(Protocol):
    """Item finder; `count` is how many pictures it works on at a time, `ended` how many processes
    have ended with one."""

    count: int
    ended: int

    async def find(self, file: list[bytes], box: Box, deadline: float) -> FoundItem:
        """Finds the item of a picture until `deadline`, in seconds of `time.monotonic`.

        Raises `InvalidImage`, `InvalidRequest` for its box, and `DeadlineExceeded`.
        """


class ThreadFinder:
    """Item finder of one thread, whose work nothing ends."""

    count = 1
    ended = 0

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._thread = ThreadPoolExecutor(1, "decode")

    async def find(self, file: list[bytes], box: Box, _: float) -> FoundItem:
        """Finds the item of a picture; see `ItemFinder`."""
        began = time.monotonic()
        find = partial(find_item, file.pop(), max_pixels=self._max_pixels, box=box)
        item = await asyncio.get_running_loop().run_in_executor(self._thread, find)
        return FoundItem(item, time.monotonic() - began)


class ProcessFinder:
    """Item finder that asks decoding processes."""

    def __init__(self, max_pixels: int, processes: DecodingProcesses) -> None:
        self.count = processes.count
        self.ended = 0
        self._max_pixels = max_pixels
        self._limit_s = processes.limit_s
        self._connections = Connections(processes.offers)

    async def find(self, file: list[bytes], box: Box, deadline: float) -> FoundItem:
        """Finds the item of a picture; see `ItemFinder`."""
        job = jobs.find_job(box, self._max_pixels)
        try:
            async with asyncio.timeout_at(deadline):
                answered = await self._connections.ask(job, file, deadline)
        except TimeoutError:
            raise _too_late() from None
        except ProcessEnded as ended:
            raise self._refusal(ended, deadline) from None
        return FoundItem(jobs.found(answered.head, answered.content), answered.took_s)

    def _refusal(self, ended: ProcessEnded, deadline: float) -> Exception:
        self.ended += 1
        if ended.after_s >= self._limit_s:
            return InvalidImage(
                f"The picture takes longer than {self._limit_s:g} s to decode; save it again, as "
                "an ordinary JPEG or PNG"
            )
        if time.monotonic() >= deadline:
            return _too_late()
        return InvalidImage("The picture ended the process that decoded it; save it again")


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded(
        "The picture was not decoded in time; send a smaller one, or try again later"
    )
