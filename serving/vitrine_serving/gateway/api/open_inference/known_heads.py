"""Known heads: the JSON before binary data, which clients send again and again as it is.

It is read once; the next time only the numbers after it are new.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.messages import (
    Parameters,
    RequestedOutput,
    V2Request,
    V2Tensor,
)

_MOST_BYTES = 2048
_MOST_KNOWN = 256
_VIEWED = frozenset(datatypes.DATATYPES) - {"BYTES", "BOOL"}
"""Datatypes whose numbers are a view of the body."""


class _Input(NamedTuple):
    """Input of a head: the numbers of a body that it has `size` bytes of."""

    name: str
    datatype: str
    parameters: Parameters
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    size: int


class _Head(NamedTuple):
    """JSON head: its inputs have `size` bytes in all. `form` is what stands for it."""

    inputs: tuple[_Input, ...]
    size: int
    outputs: Sequence[RequestedOutput]
    model_name: str
    parameters: Parameters
    form: object


class KnownHeads:
    """Memory of the heads of requests without `id`, all of whose inputs are binary numbers."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Head] = {}

    def recall(self, text: bytes, rest: memoryview) -> V2Request | None:
        """Returns the request of a head that is known, and the binary data that belongs to it."""
        head = self._known.get(text)
        if head is None or len(rest) != head.size:
            return None
        inputs = []
        place = 0
        for name, datatype, parameters, shape, dtype, size in head.inputs:
            array = np.frombuffer(rest[place : place + size], dtype).reshape(shape)
            inputs.append(V2Tensor(name, datatype, array, parameters))
            place += size
        about = head.outputs, head.model_name
        return V2Request(inputs, *about, parameters=head.parameters, form=head.form)

    def note(self, text: bytes, request: V2Request) -> None:
        """Remembers the head of a request that was read, if it is such a one."""
        if len(text) > _MOST_BYTES or request.id or not request.inputs:
            return
        for tensor in request.inputs:
            if tensor.datatype not in _VIEWED or "binary_data_size" not in tensor.parameters:
                return
        inputs = tuple(
            _Input(name, datatype, parameters, array.shape, array.dtype, array.nbytes)
            for name, datatype, array, parameters in request.inputs
        )
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]  # the oldest
        size = sum(each.size for each in inputs)
        about = request.outputs, request.model_name, request.parameters
        self._known[text] = _Head(inputs, size, *about, object())
