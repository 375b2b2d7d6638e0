"""Pixel watch: answers to pictures that came as numbers by another protocol, for drift."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
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

_AT_ONCE = 64
_FLUSH_S = 0.1
"""Rows that are told of together, and the time after which fewer are."""

Answered = Callable[[str, int, Description, Array, Array], None]
"""Takes a model, the version that answered and its description, the instances, levels 0..255 as
an `InferenceRequest` has them, and their probabilities, float32 [n, classes]."""

Chosen = slice | Sequence[int]
"""Places of rows that are told of, in ascending order."""

Choose = Callable[[str, int, int], Chosen]
"""Takes a model, the version that answered and a number of rows; returns which are told of."""


def of_chosen(answered: Answered, choose: Choose) -> Answered:
    """Returns what tells `answered` of the chosen rows alone."""

    def note(
        model: str, version: int, description: Description, instances: Array, outputs: Array
    ) -> None:
        chosen = choose(model, version, len(instances))
        if isinstance(chosen, slice):
            answered(model, version, description, instances, outputs)
        elif chosen:
            answered(model, version, description, instances[chosen], outputs[chosen])

    return note


class _Answer(NamedTuple):
    """Answer to a request whose only input, of a `name`, may be pictures; `output` returns one of
    its outputs by name, None where that is no row of floats for each."""

    signature: str
    name: str
    inputs: Array
    output: Callable[[str], Array | None]


class _Noted:
    """Rows that a version has answered, of several calls, and their outputs."""

    __slots__ = ("count", "outputs", "rows")

    def __init__(self) -> None:
        self.rows: list[Array] = []
        self.outputs: list[tuple[Chosen, Mapping[str, Array]]] = []
        self.count = 0

    def add(self, rows: Array, outputs: Mapping[str, Array], chosen: Chosen) -> None:
        """Adds those of a call's rows that were chosen."""
        self.rows.append(rows[chosen])
        self.outputs.append((chosen, outputs))
        self.count += len(self.rows[-1])

    def output(self, name: str) -> Array | None:
        """Returns an output of all rows, None where that is no row of floats for each."""
        found = [outputs[name][chosen] for chosen, outputs in self.outputs if name in outputs]
        if len(found) < len(self.outputs) or any(each.ndim != 2 for each in found):
            return None
        if len({each.shape[1] for each in found}) > 1 or found[0].dtype.kind != "f":
            return None
        return np.concatenate(found)


class PixelWatch:
    """Watch of requests whose only input is pictures as the model's profile has them.

    `answered` is told of those that a model with a profile answered: of a request the first
    `max_images`, and of these the ones that `choose` returns. A version is asked once for its
    description, which has that, and nobody waits for it.
    """

    def __init__(
        self,
        servers: ModelServers,
        answered: Answered,
        max_images: int,
        choose: Choose = lambda *_: slice(None),
    ) -> None:
        self._answered = answered
        self._max_images = max_images
        self._choose = choose
        self._descriptions = BackgroundDescriptions(servers)
        self._noted: dict[tuple[SignatureCall, int], _Noted] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, request: InferenceRequest, version: int, message: wire.PredictResponse) -> None:
        """Tells of the answer to a request that has pixels."""
        if len(request.inputs) != 1:
            return
        ((name, inputs),) = request.inputs.items()
        if not isinstance(inputs, np.ndarray) or not _may_be_pictures(inputs):
            return
        if not any(map(_is_by_class, message.outputs.values())):
            return
        rows = inputs[: self._max_images]
        if chosen := self._chosen(request.call, version, rows):
            output = partial(_of_message, message, len(rows), chosen)
            self._note(request.call, version, name, rows[chosen], output)

    def note_rows(
        self, call: SignatureCall, rows: Array, version: int, outputs: Mapping[str, Array]
    ) -> None:
        """Tells of the answer to rows that a call has as the model takes them: in a moment, and of
        several calls at once, as that costs less."""
        if not _may_be_pictures(rows):
            return
        rows = rows[: self._max_images]
        chosen = self._chosen(call, version, rows)
        if not chosen:
            return
        key = call, version
        noted = self._noted.get(key)
        if noted is None:
            noted = self._noted[key] = _Noted()
        noted.add(rows, outputs, chosen)
        if noted.count >= _AT_ONCE:
            del self._noted[key]
            self._tell_of(call, version, noted)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._tick)

    def _chosen(self, call: SignatureCall, version: int, rows: Array) -> Chosen:
        """Returns which rows are told of, an empty list where none is."""
        chosen = self._choose(call.model.model, version, len(rows))
        return slice(len(rows)) if isinstance(chosen, slice) else chosen

    def flush(self) -> None:
        """Tells of what was noted."""
        noted, self._noted = self._noted, {}
        for (call, version), each in noted.items():
            self._tell_of(call, version, each)

    def _tick(self) -> None:
        self._timer = None
        self.flush()

    def _tell_of(self, call: SignatureCall, version: int, noted: _Noted) -> None:
        rows = np.concatenate(noted.rows)
        self._note(call, version, call.profile.input, rows, noted.output)

    def _note(
        self,
        call: SignatureCall,
        version: int,
        name: str,
        inputs: Array,
        output: Callable[[str], Array | None],
    ) -> None:
        answer = _Answer(call.signature or SERVING, name, inputs, output)
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


def _of_message(
    message: wire.PredictResponse, rows: int, chosen: Chosen, name: str
) -> Array | None:
    if name not in message.outputs or not _is_by_class(message.outputs[name]):
        return None
    try:
        found = from_tensor(message.outputs[name])
    except VitrineError:  # it contradicts itself, which whoever encodes it will say
        return None
    return found[chosen] if len(found) >= rows else None


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
