"""Pixel watch: answers to pictures that came as numbers by another protocol, for drift."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vitrine_client.errors import VitrineError
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import ModelProfile, Shape
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, from_tensor
from vitrine_serving.gateway.inference.faults import fault_of
from vitrine_serving.gateway.inference.outputs import classified
from vitrine_serving.gateway.inference.requests import PROBABILITIES, SERVING, InferenceRequest
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_MOST_KNOWN = 256  # as many versions as descriptions are kept of
_MOST_WAITING = 32  # as many answers as wait for descriptions; more are not watched
_DESCRIBE_S = 10.0

_FLOATS = (wire.DT_FLOAT, wire.DT_HALF, wire.DT_DOUBLE, wire.DT_BFLOAT16)
_WHITE = 255

Answered = Callable[[str, int, Description, Array, Array], None]
"""Takes a model, the version that answered and its description, the instances, levels 0..255 as
an `InferenceRequest` has them, and their probabilities, float32 [n, classes]."""


class _Answer(NamedTuple):
    """Answer to a request whose only input, of a `name`, may be pictures."""

    signature: str
    name: str
    inputs: Array
    message: wire.PredictResponse


class PixelWatch:
    """Watch of requests whose only input is pictures as the model's profile has them.

    `answered` is told of those that a model with a profile answered, of `max_images` of a request
    at most. A version is asked once for its description, which has that, and nobody waits for it.
    """

    def __init__(self, servers: ModelServers, answered: Answered, max_images: int) -> None:
        self._servers = servers
        self._answered = answered
        self._max_images = max_images
        self._described: dict[tuple[str, int], Description | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, request: InferenceRequest, version: int, message: wire.PredictResponse) -> None:
        """Tells of the answer to a request that has pixels."""
        if len(request.inputs) != 1:
            return
        ((name, inputs),) = request.inputs.items()
        if not isinstance(inputs, np.ndarray):
            return
        if inputs.ndim not in (3, 4) or inputs.dtype.kind not in "fiu" or not inputs.size:
            return
        if not any(map(_is_by_class, message.outputs.values())):
            return
        rows = inputs[: self._max_images]
        answer = _Answer(request.call.signature or SERVING, name, rows, message)
        key = request.call.model.model, version
        if key in self._described:
            self._tell(key, self._described[key], answer)
        elif len(self._tasks) < _MOST_WAITING:
            task = asyncio.create_task(self._describe_and_tell(key, answer))
            self._tasks.add(task)  # a loop keeps no reference of its own
            task.add_done_callback(self._tasks.discard)

    async def _describe_and_tell(self, key: tuple[str, int], answer: _Answer) -> None:
        model, version = key
        try:
            found = await self._servers.describe(model, version, timeout_s=_DESCRIBE_S)
        except VitrineError as error:
            if fault_of(error) == "server":
                return
            found = None  # it says nothing of itself that makes sense
        if len(self._described) >= _MOST_KNOWN:
            del self._described[next(iter(self._described))]  # the oldest
        self._described[key] = found
        self._tell(key, found, answer)

    def _tell(self, key: tuple[str, int], found: Description | None, answer: _Answer) -> None:
        profile = found and found.profile
        if not found or not profile:
            return
        if (answer.signature, answer.name) != (profile.signature, profile.input):
            return
        levels = _levels(answer.inputs, profile)
        probabilities = _probabilities(answer.message, profile)
        if levels is None or probabilities is None:
            return
        probabilities = probabilities[: len(levels)]
        if probabilities.shape == (len(levels), len(found.labels)):
            self._answered(*key, found, levels, probabilities)


def _probabilities(message: wire.PredictResponse, profile: ModelProfile) -> Array | None:
    """Returns the answer as `outputs.classified` has it; None where it is something else."""
    if profile.output not in message.outputs:
        return None
    tensor = message.outputs[profile.output]
    if not _is_by_class(tensor):
        return None
    try:
        return classified({profile.output: from_tensor(tensor)}, profile)[PROBABILITIES]
    except VitrineError:  # it contradicts itself, which whoever encodes it will say
        return None


def _is_by_class(tensor: wire.Tensor) -> bool:
    return tensor.dtype in _FLOATS and len(tensor.tensor_shape.dim) == 2


def _levels(inputs: Array, profile: ModelProfile) -> Array | None:
    """Returns pictures as a model takes them, scaled, as the levels that they are of, uint8; None
    where the array holds something else."""
    if inputs.dtype.name != profile.dtype or not _fits(inputs.shape[1:], profile.shape):
        return None
    if len(profile.mean) > 1 and len(profile.mean) != inputs.shape[-1]:
        return None  # channels that are free, and others than the profile has levels of
    if inputs.dtype.kind in "iu":
        if profile.scaling != "0..255":
            return None  # most levels are lost
        levels = inputs
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            levels = np.rint(_unscaled(inputs.astype(np.float32, copy=False), profile))
    if not (levels.min() >= 0 and levels.max() <= _WHITE):  # which NaN fails, too
        return None
    pixels: Array = levels.astype(np.uint8)
    return pixels


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        size in (None, found) for size, found in zip(wanted, shape, strict=True)
    )


def _unscaled(inputs: Array, profile: ModelProfile) -> Array:
    """Undoes the profile's scaling; 8 bits, and so rounding, are exact for floats of 16 bits."""
    if profile.scaling == "0..255":
        return inputs
    if profile.scaling == "-1..1":
        return (inputs + 1) * (_WHITE / 2)
    if profile.scaling == "mean/std":
        mean, std = (np.asarray(each, np.float32) for each in (profile.mean, profile.std))
        return (inputs * std + mean) * _WHITE
    return inputs * _WHITE
