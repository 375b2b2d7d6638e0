"""Known answers: responses of model servers that differ from earlier ones in their numbers alone.

What is around the numbers is read once, and compared the next time: that costs a tenth of reading a
message with a list of floats.
"""

from typing import Any, NamedTuple

import numpy as np

from vitrine_client.errors import ServerError
from vitrine_client.tfserving import messages
from vitrine_client.tfserving.messages import SignatureOutputs

_MOST_KNOWN = 1024
_MOST_ALIKE = 4
"""Responses of one model and size that are known: of several versions, say."""

_MOST_AROUND = 2048
"""Bytes around the numbers: outputs that nobody wants may be there as well, and are not kept."""


class _Known(NamedTuple):
    """Response that was read: what it begins and ends with, and what the numbers between are. They
    themselves are not kept, as there may be megabytes of them."""

    start: bytes
    end: bytes
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    version: int


class KnownAnswers:
    """Reader of responses of `PREDICT`, with a memory of those with one output of numbers."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, tuple[str, ...]], tuple[_Known, ...]] = {}

    def read(self, response: bytes, wanted: tuple[str, ...], model: str = "") -> SignatureOutputs:
        """Does what `messages.read_answer` does; the arrays may be read-only. What is known is kept
        by `model`, so that many whose answers are of one size do not drive out each other's."""
        key = model, len(response), wanted
        known = self._known.get(key, ())
        for start, end, name, dtype, shape, version in known:
            if response.startswith(start) and response.endswith(end):
                numbers = np.frombuffer(response[len(start) : len(response) - len(end)], dtype)
                return SignatureOutputs({name: numbers.reshape(shape)}, version)
        answer = messages.read_answer(response, wanted)
        if found := _known_of(response, wanted, answer):
            if len(self._known) >= _MOST_KNOWN and not known:
                del self._known[next(iter(self._known))]  # the oldest
            self._known[key] = (found, *known[: _MOST_ALIKE - 1])
        return answer


def _known_of(response: bytes, wanted: tuple[str, ...], answer: SignatureOutputs) -> _Known | None:
    """Returns what is to be remembered of a response, if that is all there is to it but for the
    numbers: with others in their place, these are what is read."""
    if len(answer.outputs) != 1:
        return None
    ((name, array),) = answer.outputs.items()
    # Lists have a single byte as a number of one byte or two (varints), which others may be.
    is_listed = array.dtype.hasobject or array.dtype.itemsize == 1
    content = b"" if is_listed else array.tobytes()
    place = response.find(content)
    if not content or place < 0 or len(response) - len(content) > _MOST_AROUND:
        return None
    start, end = response[:place], response[place + len(content) :]
    others = (np.frombuffer(content, np.uint8) ^ 1).tobytes()
    try:
        read = messages.read_answer(b"".join((start, others, end)), wanted)
    except ServerError:
        return None
    found = read.outputs.get(name)
    if len(read.outputs) != 1 or found is None or read.version != answer.version:
        return None
    if (found.dtype, found.shape, found.tobytes()) != (array.dtype, array.shape, others):
        return None
    return _Known(start, end, name, array.dtype, array.shape, answer.version)
