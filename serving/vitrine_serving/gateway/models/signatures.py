"""What the signatures of models take: JSON has no dtypes, so it is read by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.http.routes import Target

_REMEMBERED = 1024  # versions, and targets; the oldest are forgotten

Dtypes = Mapping[str, int]
"""TensorFlow's number of the dtype of each input, by name."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """The signatures that a version of a model has, by name."""

    version: int
    inputs: Mapping[str, Dtypes]

    def dtypes(self, signature_name: str) -> Dtypes:
        """Returns what a signature takes; "" is the default one. Raises `ServingError`."""
        name = signature_name or "serving_default"
        if name not in self.inputs:
            text = f'Serving signature name: "{name}" not found in signature def'
            raise ServingError.invalid(text)
        return self.inputs[name]

    def takes_the_same(self, other: "Signatures", signature_name: str) -> bool:
        """Says whether a signature of this version reads JSON as that of another does."""
        name = signature_name or "serving_default"
        return self.inputs.get(name) == other.inputs.get(name)


class KnownSignatures:
    """The signatures of the versions that were asked for, and which version a target was last."""

    def __init__(self) -> None:
        self._versions: dict[Target, int] = {}
        self._signatures: dict[tuple[str, int], Signatures] = {}

    def recall(self, target: Target) -> Signatures | None:
        """Returns what is known of a target, which may have changed since."""
        version = self._versions.get(target) if target.version is None else target.version
        return None if version is None else self._signatures.get((target.model, version))

    def note_version(self, target: Target, version: int) -> Signatures | None:
        """Remembers which version answered for a target; returns its signatures, if known."""
        if target.version is None:
            _remember(self._versions, target, version)
        return self._signatures.get((target.model, version))

    def learn(self, target: Target, response: wire.GetModelMetadataResponse) -> Signatures:
        """Remembers and returns what a model server says of a target."""
        version = response.model_spec.version.value
        found = signature_def_map(response).signature_def
        signatures = Signatures(
            version,
            {
                name: {alias: info.dtype for alias, info in signature.inputs.items()}
                for name, signature in found.items()
            },
        )
        _remember(self._signatures, (target.model, version), signatures)
        self.note_version(target, version)
        return signatures


def signature_def_map(response: wire.GetModelMetadataResponse) -> wire.SignatureDefMap:
    """Returns the signatures in a response. Their type's URL is not ours, so no `Unpack`."""
    return wire.SignatureDefMap.FromString(response.metadata["signature_def"].value)


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]
