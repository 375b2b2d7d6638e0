"""Pictures to instances, without holding up others: large ones in threads, a few at a time."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage
from vitrine_client.images import to_instance

Instances = npt.NDArray[np.uint8]

_SMALL_BYTES = 4096  # decoded in well under a millisecond
_THREADS = 2
"""Large pictures that are decoded at a time: at `max_pixels` each can take 200 MB."""

_BATCH_OF_SMALL = 16  # pictures that are decoded before others have their turn


class Decoder:
    """Used in one event loop; `max_pixels` is the most that a picture may have."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(_THREADS, "decode")

    async def decode(self, pictures: Sequence[bytes]) -> list[Instances | InvalidImage]:
        """Returns for each picture its instance, uint8 [28, 28], or what is wrong with it."""
        loop = asyncio.get_running_loop()
        decoded = []
        for index, picture in enumerate(pictures):
            if len(picture) < _SMALL_BYTES:
                if index % _BATCH_OF_SMALL == _BATCH_OF_SMALL - 1:
                    await asyncio.sleep(0)
                decoded.append(self._instance(picture))
            else:
                decoded.append(await loop.run_in_executor(self._threads, self._instance, picture))
        return decoded

    async def decode_all(self, pictures: Sequence[bytes]) -> Instances:
        """Returns the instances, uint8 [n, 28, 28]. Raises `InvalidImage` for the first picture
        that cannot be read, and says which of several it is."""
        decoded = await self.decode(pictures)
        for index, row in enumerate(decoded):
            if isinstance(row, InvalidImage):
                raise InvalidImage(f"image {index}: {row}") if len(pictures) > 1 else row
        return np.stack([row for row in decoded if not isinstance(row, InvalidImage)])

    def _instance(self, picture: bytes) -> Instances | InvalidImage:
        try:
            return to_instance(picture, max_pixels=self._max_pixels)
        except InvalidImage as error:
            return error
