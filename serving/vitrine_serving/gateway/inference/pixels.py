"""Pixel watch: answers to pictures that came as numbers by another protocol, for drift."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from vitrine_client.errors import VitrineError
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import ModelProfile, Shape
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, from_tensor
from vitrine_serving.gateway.inference.background_descriptions import BackgroundDescriptions
from vitrine_serving.gateway.inference.outputs import classified
from vitrine_serving.gateway.inference.requests import (
    PROBABILITIES,
    SERVING,
    InferenceRequest,
    SignatureCall,
)
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_FLOATS = (wire.DT_FLOAT, wire.DT_HALF, wire.DT_DOUBLE, wire.DT_BFLOAT16)
_WHITE = 255

Answered = Callable[[str, int, Description, Array, Array], None]
"""Takes a model, the version that answered and its description, the instances, levels 0..255 as
an `InferenceRequest` has them, and their probabilities, float32 [n, classes]."""


class _Answer(NamedTuple):
    """Answer to a request whose only input, of a `name`, may be pictures; `output` returns one of
    its outputs by name, None where that is no row of floats for each."""

    signature: str
    name: str
    inputs: Array
    output: Callable[[str], Array | None]


class PixelWatch:
    """Watch of requests whose only input is pictures as the model's profile has them.

    `answered` is told of those that a model with a profile answered, of `max_images` of a request
    at most. A version is asked once for its description, which has that, and nobody waits for it.
    """

    def __init__(self, servers: ModelServers, answered: Answered, max_images: int) -> None:
        self._answered = answered
        self._max_images = max_images
        self._descriptions = BackgroundDescriptions(servers)

    def note(self, request: InferenceRequest, version: int, message: wire.PredictResponse) -> None:
        """Tells of the answer to a request that has pixels."""
        if len(request.inputs) != 1:
            return
        ((name, inputs),) = request.inputs.items()
        if not isinstance(inputs, np.ndarray) or not _may_be_pictures(inputs):
            return
        if any(map(_is_by_class, message.outputs.values())):
            output = partial(_of_message, message)
            self._note(request.call, version, name, inputs, output)

    def note_rows(
        self, call: SignatureCall, rows: Array, version: int, outputs: Mapping[str, Array]
    ) -> None:
        """Tells of the answer to rows that a call has as the model takes them."""
        if _may_be_pictures(rows):
            output = partial(_of_arrays, outputs)
            self._note(call, version, call.profile.input, rows, output)

    def _note(
        self,
        call: SignatureCall,
        version: int,
        name: str,
        inputs: Array,
        output: Callable[[str], Array | None],
    ) -> None:
        rows = inputs[: self._max_images]
        answer = _Answer(call.signature or SERVING, name, rows, output)
        model = call.model.model
        self._descriptions.tell(model, version, partial(self._tell, model, version, answer))

    def _tell(self, model: str, version: int, answer: _Answer, found: Description) -> None:
        profile = found.profile
        if not profile or (answer.signature, answer.name) != (profile.signature, profile.input):
            return
        levels = _levels(answer.inputs, profile)
        numbers = answer.output(profile.output)
        if levels is None or numbers is None:
            return
        numbers = numbers[: len(levels)]
        probabilities = classified({profile.output: numbers}, profile)[PROBABILITIES]
        if probabilities.shape == (len(levels), len(found.labels)):
            self._answered(model, version, found, levels, probabilities)


def _may_be_pictures(inputs: Array) -> bool:
    return inputs.ndim in (3, 4) and inputs.dtype.kind in "fiu" and bool(inputs.size)


def _of_arrays(outputs: Mapping[str, Array], name: str) -> Array | None:
    found = outputs.get(name)
    return found if found is not None and found.dtype.kind == "f" and found.ndim == 2 else None


def _of_message(message: wire.PredictResponse, name: str) -> Array | None:
    if name not in message.outputs or not _is_by_class(message.outputs[name]):
        return None
    try:
        return from_tensor(message.outputs[name])
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
