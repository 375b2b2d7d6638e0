"""Classification extension: the largest numbers of an output, as strings that say their classes.

They are Triton's, `value:index` or `value:index:label`, with values as C++ prints them.
"""

import time
from collections.abc import Sequence

import numpy as np

from vitrine_client.errors import InvalidRequest, VitrineError
from vitrine_client.open_inference.messages import V2Tensor
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_KINDS = {"BYTES", "FP16", "BF16"}
"""Datatypes that Triton makes no classes of."""


def classified(
    tensor: V2Tensor, count: int, labels: Sequence[str], *, is_batching: bool
) -> V2Tensor:
    """Returns the `count` largest numbers of each row as BYTES [n, count], or of the whole output
    where it has no batch, [count]; all where there are fewer. `labels` are those of the classes, if
    they are known. Raises `InvalidRequest` for an output that is no numbers."""
    if tensor.datatype in _KINDS:
        raise InvalidRequest(
            f"Output {tensor.name!r} is {tensor.datatype}, which no classes are made of; leave "
            "`classification` out"
        )
    array = tensor.array
    by_row = is_batching and array.ndim > 0
    rows = array.reshape(len(array), -1) if by_row and array.size else array.reshape(1, -1)
    if by_row and not array.size:
        rows = np.empty((len(array), 0), array.dtype)
    places = _largest(rows, min(count, rows.shape[1]))
    named = len(labels) == rows.shape[1]
    strings = np.empty(places.shape, object)
    for row, found in enumerate(places.tolist()):
        for rank, place in enumerate(found):
            label = f":{labels[place]}" if named else ""
            strings[row, rank] = f"{_text(rows[row, place])}:{place}{label}".encode()
    return V2Tensor(tensor.name, "BYTES", strings if by_row else strings[0])


def _largest(rows: Array, count: int) -> Array:
    """Returns the places of the largest numbers, of equal ones the first first; NaN comes last."""
    if rows.dtype.kind == "f":
        order = np.argsort(-rows, axis=1, kind="stable")
    else:  # the smallest has no negative
        last = rows.shape[1] - 1
        order = last - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1]
    places: Array = order[:, :count]
    return places


def _text(number: np.generic) -> str:
    return f"{number:f}" if number.dtype.kind == "f" else str(int(number))


class Labels:
    """Labels of outputs; lives in one event loop."""

    def __init__(self, servers: ModelServers) -> None:
        self._servers = servers

    async def of_output(
        self, model: str, version: int, signature: str, output: str, deadline: float
    ) -> Sequence[str]:
        """Returns the labels of the classes that an output has numbers for, none where they are not
        known: classes have their numbers all the same. Raises nothing."""
        left_s = max(deadline - time.monotonic(), 0.001)
        try:
            found = await self._servers.describe(model, version, timeout_s=left_s)
        except VitrineError:
            return ()
        profile = found.profile
        if not profile or (signature, output) != (profile.signature, profile.output):
            return ()
        return found.labels
