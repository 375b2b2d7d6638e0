"""Model servers of a model whose signatures have dtypes and shapes, for tests of the service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.gateway.models.signatures import METADATA

LABELS = tuple(f"class {n}" for n in range(10))

Specs = Mapping[str, tuple[int, Sequence[int] | None]]
"""Dtype and shape by name; None for a shape of any rank."""

Arrays = dict[str, np.ndarray]


def signature(inputs: Specs, outputs: Specs, defaults: Sequence[str] = ()) -> wire.SignatureDef:
    made = wire.SignatureDef()
    for infos, specs in ((made.inputs, inputs), (made.outputs, outputs)):
        for name, (dtype, shape) in specs.items():
            infos[name].dtype = dtype
            if shape is None:
                infos[name].tensor_shape.unknown_rank = True
            for size in shape or ():
                infos[name].tensor_shape.dim.add(size=size)
    for name in defaults:
        made.defaults[name].CopyFrom(to_tensor(np.float32(1)))
    return made


@dataclass
class Version:
    """Version of a model: its signatures, and what makes outputs of inputs. Without labels it takes
    no pictures."""

    signatures: dict[str, wire.SignatureDef]
    run: Callable[[Arrays], Arrays]
    description: Description = field(default_factory=lambda: Description((), {}, None, "no images"))
    answers_as: int = 0
    """Dtype of its outputs, where NumPy has none for them."""


def classifier() -> Version:
    """A classifier of ours: the brightest row is the class."""
    images = {"images": (wire.DT_FLOAT, [-1, 28, 28])}
    outputs = {"probabilities": (wire.DT_FLOAT, [-1, 10]), "class_ids": (wire.DT_INT64, [-1])}
    return Version(
        {"serving_default": signature(images, outputs)},
        classes,
        Description(LABELS, {}, FASHION_MNIST),
    )


def classes(inputs: Arrays) -> Arrays:
    sums = inputs["images"].sum(axis=2)[:, :10] + 1
    shares = (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
    return {"probabilities": shares, "class_ids": shares.argmax(axis=1)}


def echo(dtype: int, shape: Sequence[int] | None, name: str = "x") -> Version:
    """A model that answers its input."""
    specs = {name: (dtype, shape)}
    return Version({"serving_default": signature(specs, specs)}, dict)


class TypedServers:
    """Model servers of `m`, with its `versions`; `error` is raised instead. `asked` notes requests
    of predictions, `learned` and `described` the questions for signatures and descriptions."""

    def __init__(self, *versions: Version) -> None:
        self.versions = dict(enumerate(versions, 1))
        self.asked: list[wire.PredictRequest] = []
        self.learned = 0
        self.described: list[int] = []
        self.error: Exception | None = None
        self.gate: Any = None  # an event that predictions wait for

    def usable(self) -> int:
        return 1

    async def close(self) -> None:
        pass

    async def status(self, model, *, version=None, label=None, timeout_s):
        if model != "m":
            raise NotFound(f"Could not find any versions of model {model}")
        failed = VersionStatus(9, "END", "INTERNAL", "no saved_model.pb")
        return [failed, *(VersionStatus(n, "AVAILABLE") for n in sorted(self.versions)[::-1])]

    async def describe(self, model, version, *, timeout_s, first=None):
        self.described.append(version)
        return self.versions[version].description

    async def exchange(self, method, request, *, timeout_s, metadata=(), **_):
        return await self.call(method, request, timeout_s=timeout_s, metadata=metadata), None

    async def call(self, method, request, *, timeout_s, metadata=()):
        if method == messages.PREDICT:
            return await self._predict(wire.PredictRequest.FromString(request))
        assert method == METADATA
        self.learned += 1
        number, version = self._version(wire.GetModelMetadataRequest.FromString(request).model_spec)
        response = wire.GetModelMetadataResponse()
        response.model_spec.version.value = number
        found = wire.SignatureDefMap(signature_def=version.signatures).SerializeToString()
        response.metadata["signature_def"].value = found
        return response.SerializeToString()

    async def _predict(self, request: wire.PredictRequest) -> bytes:
        self.asked.append(request)
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        number, version = self._version(request.model_spec)
        expected = version.signatures[request.model_spec.signature_name or "serving_default"]
        if not request.inputs.keys() <= expected.inputs.keys():
            raise InvalidRequest("the model server refuses the inputs")
        if not set(request.output_filter) <= expected.outputs.keys():
            raise InvalidRequest("the model server refuses the outputs")
        outputs = version.run({name: from_tensor(each) for name, each in request.inputs.items()})
        response = wire.PredictResponse()
        response.model_spec.version.value = number
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(to_tensor(outputs[name]))
            if version.answers_as:
                response.outputs[name].dtype = version.answers_as
        return response.SerializeToString()

    def _version(self, spec: wire.ModelSpec) -> tuple[int, Version]:
        number = spec.version.value or max(self.versions)
        if spec.name != "m" or number not in self.versions:
            raise NotFound(f"Servable not found for request: Latest({spec.name})")
        return number, self.versions[number]
