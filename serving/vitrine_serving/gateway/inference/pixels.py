"""Pixel watch: answers to pictures that came as floats by another protocol, for drift."""

import asyncio
from collections.abc import Callable

import numpy as np

from vitrine_client.errors import VitrineError
from vitrine_client.profiles.description import Description
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, from_tensor
from vitrine_serving.gateway.inference.faults import fault_of
from vitrine_serving.gateway.inference.requests import (
    PROBABILITIES,
    SERVING,
    InferenceRequest,
)
from vitrine_serving.gateway.upstream.model_servers import ModelServers

IMAGES = "images"
_MOST_KNOWN = 256  # as many versions as descriptions are kept of
_DESCRIBE_S = 10.0

Answered = Callable[[str, int, Description, Array, Array], None]
"""Takes a model, the version that answered and its description, the instances, uint8 [n, 28, 28],
and their probabilities, float32 [n, classes]."""


class PixelWatch:
    """Watch of requests whose only input is `images`, float32 [n, 28, 28] in 0..1.

    `answered` is told of those that a classifier of ours answered, of `max_images` of a request at
    most. A version is asked once for its description, which tells that, and nobody waits for it.
    """

    def __init__(self, servers: ModelServers, answered: Answered, max_images: int) -> None:
        self._servers = servers
        self._answered = answered
        self._max_images = max_images
        self._described: dict[tuple[str, int], Description | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, request: InferenceRequest, version: int, message: wire.PredictResponse) -> None:
        """Tells of the answer to a request that has pixels."""
        if request.inputs.keys() != {IMAGES} or request.call.signature not in ("", SERVING):
            return
        rows = _pixels(request.inputs[IMAGES], self._max_images)
        if rows is None or PROBABILITIES not in message.outputs:
            return
        tensor = message.outputs[PROBABILITIES]
        if tensor.dtype != wire.DT_FLOAT or len(tensor.tensor_shape.dim) != 2:
            return
        probabilities = from_tensor(tensor)[: self._max_images]
        key = request.call.model.model, version
        if key in self._described:
            self._tell(key, self._described[key], rows, probabilities)
        else:
            task = asyncio.create_task(self._describe_and_tell(key, rows, probabilities))
            self._tasks.add(task)  # a loop keeps no reference of its own
            task.add_done_callback(self._tasks.discard)

    async def _describe_and_tell(
        self, key: tuple[str, int], rows: Array, probabilities: Array
    ) -> None:
        model, version = key
        try:
            found = await self._servers.describe(model, version, timeout_s=_DESCRIBE_S)
        except VitrineError as error:
            if fault_of(error) == "server":
                return
            found = None  # no signature `describe`, or not ours
        if len(self._described) >= _MOST_KNOWN:
            del self._described[next(iter(self._described))]  # the oldest
        self._described[key] = found
        self._tell(key, found, rows, probabilities)

    def _tell(
        self,
        key: tuple[str, int],
        found: Description | None,
        rows: Array,
        probabilities: Array,
    ) -> None:
        if found and probabilities.shape == (len(rows), len(found.labels)):
            self._answered(*key, found, rows, probabilities)


def _pixels(images: Array, most: int) -> Array | None:
    """Returns pictures as models take them, float32 [n, 28, 28] in 0..1, as uint8, the first of
    many; None where the array holds something else."""
    if images.shape[1:] != (28, 28) or images.dtype != np.float32 or not len(images):
        return None
    images = images[:most]
    if not (images.min() >= 0 and images.max() <= 1):  # which NaN fails, too
        return None
    pixels: Array = np.rint(images * 255).astype(np.uint8)
    return pixels
