"""Decoding load: the work that waits in all processes of the gateway, and its admission.

What a picture costs is known from its header: pixels, times what a pixel of its kind has taken here
lately. So an overload is refused before it is decoded.
"""

import time
from typing import NamedTuple

from vitrine_client.images.headers import Header, read_header
from vitrine_client.process import processors
from vitrine_serving.gateway.shared_memory import SLOTS, int_cells
from vitrine_serving.gateway.shedding import RETRY_AFTER_S, TooLate

_PICTURE_US = 4000
"""Time that finding an item takes, whatever the size of the picture."""

JSON = "JSON"
"""Kind of what is no picture: its size is that of the body in bytes."""

_NS_A_PIXEL = {
    "JPEG": 3,
    "progressive JPEG": 8,
    "progressive CMYK JPEG": 10,
    "PNG": 14,
    "PNG with transparency": 28,
    "16-bit PNG": 40,
    "animated PNG": 28,
    "WebP": 20,
    "WebP with transparency": 30,
    "lossless WebP": 30,
    "animated WebP": 35,
    "GIF": 25,
    "BMP": 8,
    "TIFF": 12,
    "TIFF of many bits": 20,
    "AVIF": 25,
    "AVIF of many bits": 35,
    JSON: 40,
}
"""At first: measured on one machine, and soon corrected by what is seen on this one."""

_UNKNOWN = Header("", 1000, 1000)  # where a header does not tell


class Work(NamedTuple):
    """Work of a job: the header of its picture, and the bytes of its file."""

    header: Header
    file_bytes: int = 0


_WEIGHT = 0.2
_SLOWEST, _FASTEST = 8.0, 0.1
"""How much one picture counts in the average, and the bounds of that: pictures that were made to be
slow are not to shut others out."""

_TELLING_US = 10_000
"""Expected of pictures that count at all: those of others is not in their pixels."""

_NS_A_BYTE = 4
"""Of a file: its parts are read one by one, and there may be many."""

_LONGEST_RETRY_S = 60.0

_MARGIN = 0.7
"""Share of the time until its deadline that a picture may be expected to wait and to take: the
estimate is rough, and the model is asked after it."""


class DecodingLoad:
    """Microseconds of work that each process has waiting, by its slot; make it before the fork."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._cells = int_cells(slots)
        self._pace = dict.fromkeys((*_NS_A_PIXEL, ""), 1.0)

    def forget(self, slot: int) -> None:
        """Says that a process has ended, and all its work with it."""
        self._cells[slot] = 0

    def cost_us(self, work: Work) -> int:
        """Returns the microseconds that a job is expected to take one process."""
        header, file_bytes = work
        return round(_usual_us(header) * self._pace[header.kind] + _NS_A_BYTE * file_bytes / 1e3)

    def admit(self, cost_us: int, processes: int, deadline: float) -> None:
        """Lets in what is expected to take `cost_us`. Raises `TooLate` where that cannot be done in
        time for `deadline`, in seconds of `time.monotonic`."""
        waiting_s = sum(self._cells) / min(processes, processors.usable()) / 1e6
        left_s = deadline - time.monotonic()
        if waiting_s and waiting_s + cost_us / 1e6 > _MARGIN * left_s:
            raise TooLate(
                f"What waits already takes {waiting_s:.1f} s to decode, more than is left; try "
                "again later, or send smaller pictures and less JSON at once",
                retry_after_s=min(max(RETRY_AFTER_S, waiting_s), _LONGEST_RETRY_S),
            )

    def waiting_s(self, slot: int) -> float:
        """Returns the seconds of work that a process has waiting."""
        return self._cells[slot] / 1e6

    def add(self, slot: int, cost_us: int) -> None:
        """Says that a process has so much more work, or less. No process writes into the slot of
        another."""
        self._cells[slot] += cost_us

    def learn(self, work: Work, took_s: float) -> None:
        """Corrects what is expected of the next one of its kind."""
        usual_us = _usual_us(work.header)
        if usual_us >= _TELLING_US:
            pace = self._pace[work.header.kind]
            seen = min(max(1e6 * took_s / usual_us, _FASTEST), _SLOWEST)
            self._pace[work.header.kind] = pace + _WEIGHT * (seen - pace)


def _usual_us(header: Header) -> float:
    return _PICTURE_US + header.pixels * _NS_A_PIXEL.get(header.kind, 30) / 1e3


def work_of(picture: bytes) -> Work:
    """Returns the work of a picture; what stands for it where its header does not tell."""
    return Work(read_header(picture) or _UNKNOWN, len(picture))


def work_of_json(body: bytes) -> Work:
    """Returns the work of a JSON body, which has no pixels but bytes."""
    return Work(Header(JSON, len(body), 1))
