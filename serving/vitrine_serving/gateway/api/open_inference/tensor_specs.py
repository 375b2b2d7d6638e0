"""Tensor specs: what the signatures of a version take and answer, in the protocol's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import tensorflow
from vitrine_client.open_inference.datatypes import DATATYPES
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.inference.requests import SERVING


class TensorSpec(NamedTuple):
    """Spec of a tensor: -1 is a dimension of any size, and `shape` is None where any rank is right.
    An input with a default may be left out."""

    name: str
    datatype: str
    shape: tuple[int, ...] | None
    has_default: bool = False

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Says whether a tensor may have a shape."""
        if self.shape is None:
            return True
        if len(shape) != len(self.shape):
            return False
        for wanted, size in zip(self.shape, shape, strict=True):
            if wanted != size and wanted != -1:
                return False
        return True

    @property
    def described(self) -> str:
        """Its name, datatype and shape, for an error."""
        return f"{self.name!r} {self.datatype} {self.shape_text}"

    @property
    def shape_text(self) -> str:
        """Its shape, for an error."""
        return "of any shape" if self.shape is None else str(list(self.shape))


@dataclass(frozen=True)
class SignatureSpec:
    """Spec of a signature: its inputs and outputs, by name and in the order of their names."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    @cached_property
    def is_batching(self) -> bool:
        """Whether the first dimension of all its tensors is free, and so the batch's."""
        return bool(self.inputs) and all(
            spec.shape is not None and spec.shape[:1] == (-1,)
            for specs in (self.inputs, self.outputs)
            for spec in specs.values()
        )

    @cached_property
    def may_share(self) -> bool:
        """Whether rows may share a call, as far as the signature tells: arrays have each dtype of
        its outputs, but for bfloat16."""
        datatypes = {spec.datatype for spec in self.outputs.values()}
        return self.is_batching and datatypes <= DATATYPES.keys() - {"BF16"}


@dataclass(frozen=True, slots=True)
class VersionSpecs:
    """Specs of the signatures of a version, by name."""

    version: int
    signatures: Mapping[str, SignatureSpec]

    @classmethod
    def of(cls, version: int, found: wire.SignatureDefMap) -> "VersionSpecs":
        """Returns those of the signatures that a model server tells of."""
        return cls(version, {name: _spec(each) for name, each in found.signature_def.items()})

    def takes_the_same(self, other: "VersionSpecs", name: str) -> bool:
        """Says whether a signature of this version is as that of another."""
        return self.signatures.get(name) == other.signatures.get(name)

    def signature(self, name: str) -> SignatureSpec:
        """Returns the spec of a signature. Raises `InvalidRequest` where there is none."""
        spec = self.signatures.get(name)
        if spec is None:
            there = ", ".join(sorted(self.signatures)) or "none"
            wanted = "" if name == SERVING else " (`signature_name`)"
            raise InvalidRequest(f"There is no signature {name!r}{wanted}; there are {there}")
        return spec


def _spec(signature: wire.SignatureDef) -> SignatureSpec:
    return SignatureSpec(
        {
            name: _tensor(name, signature.inputs[name], has_default=name in signature.defaults)
            for name in sorted(signature.inputs)
        },
        {name: _tensor(name, signature.outputs[name]) for name in sorted(signature.outputs)},
    )


def _tensor(name: str, info: wire.TensorInfo, *, has_default: bool = False) -> TensorSpec:
    shape = None if info.tensor_shape.unknown_rank else tuple(tensorflow.shape_of(info))
    return TensorSpec(name, tensorflow.datatype_of(info), shape, has_default)
